"""The collector on a NATS JetStream cluster of three, whose members die."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from nats.errors import Error

import nats
from hubwatch_collector.config import NatsSection, Settings
from hubwatch_collector.jetstream_source import STREAM, topic_of
from hubwatch_core import wire
from hubwatch_core.config import MqttSection
from hubwatch_core.errors import Transient
from hubwatch_core.mqtt import Link, Session
from support.eventually import eventually
from support.own_nats import OwnNats
from support.store_collector import running_collector, settings_for
from support.store_examples import birth, frame, one, rows

TOPIC = "hubwatch/1/harbour/gate-7"


def settings_on(cluster: Sequence[OwnNats], dsn: str, client_id: str) -> Settings:
    """A collector whose MQTT goes to the first member and whose frames come from any."""
    settings = settings_for(("127.0.0.1", cluster[0].mqtt_port), dsn, client_id)
    nats = NatsSection(servers=tuple(member.url for member in cluster), ack_wait_s=5)
    return settings.model_copy(update={"nats": nats})


class Agent:
    """Sends frames in order to whichever member of the cluster takes them, each until it is acknowledged."""

    def __init__(self, cluster: Sequence[OwnNats], name: str) -> None:
        self._cluster = cluster
        self._name = name
        self._left: list[int] = []

    async def send(self, first: int, last: int) -> None:
        self._left = list(range(first, last + 1))
        while self._left:
            member = random.choice([each for each in self._cluster if each.running])
            mqtt = MqttSection(host="127.0.0.1", port=member.mqtt_port, protocol="3.1.1", connect_timeout_s=5)
            session = Session(mqtt, client_id=self._name)
            try:
                await asyncio.wait_for(session.run(self._publish), 15)
            except (Transient, TimeoutError):
                continue

    async def _publish(self, link: Link) -> None:
        while self._left:
            payload = wire.encode(frame(self._left[0], agent=self._name))
            await asyncio.wait_for(link.publish(f"hubwatch/1/harbour/{self._name}/frame", payload), 5)
            self._left.pop(0)


@asynccontextmanager
async def collectors(cluster: Sequence[OwnNats], dsn: str, count: int) -> AsyncIterator[None]:
    """Several collectors, each subscribed."""
    if count == 0:
        yield
        return
    async with running_collector(settings_on(cluster, dsn, f"c{count}")), collectors(cluster, dsn, count - 1):
        yield


async def whole_again(member: OwnNats) -> None:
    """Wait until every copy of the stream and of the consumer is up to date: then two of three hold all of it."""

    async def current() -> bool:
        connection = await nats.connect(member.url, allow_reconnect=False)
        try:
            stream = (await connection.jetstream().stream_info(STREAM)).cluster
            consumer = (await connection.jetstream().consumer_info(STREAM, NatsSection().durable)).cluster
        finally:
            await connection.close()
        return all(
            group is not None and group.leader and all(peer.current for peer in group.replicas or [])
            for group in (stream, consumer)
        )

    async def answered() -> bool:
        try:
            return await current()
        except (Error, OSError, TimeoutError):
            return False  # it is still starting, or choosing a leader

    await eventually(answered, 60)


def stored(dsn: str) -> list[int]:
    return [seq for (seq,) in rows(dsn, "SELECT seq FROM frames ORDER BY seq")]


@pytest.mark.parametrize(
    ("subject", "topic"),
    [
        ("$MQTT.msgs.hubwatch.1.harbour.gate-7.frame", "hubwatch/1/harbour/gate-7/frame"),
        ("$MQTT.msgs.hubwatch.1.port//of.gate-7.frame", "hubwatch/1/port.of/gate-7/frame"),
    ],
)
def test_a_subject_is_turned_back_into_its_topic(subject: str, topic: str) -> None:
    assert topic_of(subject) == topic


@pytest.mark.timeout(180)
async def test_frames_and_births_arrive_from_a_cluster(nats_cluster: list[OwnNats], migrated_plain_dsn: str) -> None:
    async with collectors(nats_cluster, migrated_plain_dsn, 2):
        await Agent(nats_cluster, "gate-7").send(1, 50)
        await eventually(lambda: stored(migrated_plain_dsn) == list(range(1, 51)), 20)

        async def announce(link: Link) -> None:
            await link.publish(f"{TOPIC}/birth", wire.encode(birth()), retain=True)

        mqtt = MqttSection(host="127.0.0.1", port=nats_cluster[0].mqtt_port, protocol="3.1.1")
        await Session(mqtt, client_id="announcer").run(announce)
        await eventually(lambda: one(migrated_plain_dsn, "SELECT count(*) FROM zones") == 1, 20)


@pytest.mark.timeout(300)
async def test_any_member_may_die_at_any_time_and_nothing_is_lost(
    nats_cluster: list[OwnNats], migrated_plain_dsn: str
) -> None:
    async with collectors(nats_cluster, migrated_plain_dsn, 2):
        agent = Agent(nats_cluster, "gate-7")
        sending = asyncio.create_task(agent.send(1, 400))
        for member in nats_cluster:
            await asyncio.sleep(1)
            member.kill()
            await asyncio.sleep(1)
            member.start()
            await whole_again(member)
        await asyncio.wait_for(sending, 120)
        await eventually(lambda: stored(migrated_plain_dsn) == list(range(1, 401)), 60)
    assert one(migrated_plain_dsn, "SELECT count(*) FROM readings") == 800
    assert one(migrated_plain_dsn, "SELECT count(*) FROM ledger_gaps") == 0
