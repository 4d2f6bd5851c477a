"""Trimming in a cluster whose servers do not hear of one another: what some know and others do not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client
from nats.js.api import AckPolicy, ConsumerConfig

from hubwatch_core.errors import Transient
from hubwatch_core.jetstream.stream import STREAM
from hubwatch_core.jetstream.trim import Trimmer
from hubwatch_core.mqtt import MqttLink, MqttSession
from support.eventually import eventually
from support.jetstream_agents import mqtt_of
from support.jetstream_session import frames, linked, publish, section, taken
from support.nats_links import LinkedCluster, linked_cluster
from support.own_nats import OwnNats

CONSUMER = "test"
STEPS = 40


@asynccontextmanager
async def connected(server: OwnNats) -> AsyncIterator[Client]:
    """A connection of the test's own, which does not go on trying when its server is gone."""
    connection = await nats.connect(server.url, allow_reconnect=False)
    try:
        yield connection
    finally:
        await connection.close()


async def leaders(connection: Client) -> tuple[str, str]:
    """Return who leads the stream and who leads the consumer; empty while nobody does."""
    api = connection.jetstream(timeout=5)
    stream = (await api.stream_info(STREAM)).cluster
    consumer = (await api.consumer_info(STREAM, CONSUMER)).cluster
    return (stream.leader if stream else "") or "", (consumer.leader if consumer else "") or ""


async def apart(connection: Client, cluster: LinkedCluster) -> tuple[str, str]:
    """Have stream and consumer led by two servers, the stream not by the one that leads the cluster."""
    for _ in range(STEPS):
        stream, consumer = await leaders(connection)
        if "" not in {stream, consumer} and stream not in {consumer, cluster.members[0].leader()}:
            return stream, consumer
        what = (
            f"CONSUMER.LEADER.STEPDOWN.{STREAM}.{CONSUMER}"
            if consumer == stream
            else f"STREAM.LEADER.STEPDOWN.{STREAM}"
        )
        await connection.request(f"$JS.API.{what}", b"", timeout=30)
        await asyncio.sleep(0.5)
    raise AssertionError("leaders do not move apart")


@pytest.mark.timeout(180)
async def test_frame_that_a_consumers_leader_has_not_heard_of_is_not_taken_for_settled(
    tmp_path: Path,
) -> None:
    async with linked_cluster(tmp_path) as cluster:
        async with linked(section(cluster.members[0]), durable=CONSUMER) as link:
            await publish(cluster.members[0], *frames(1, 3))
            for message in await taken(link, 3):
                link.ack(message)
        async with connected(cluster.members[0]) as connection:
            stream, consumer = await apart(connection, cluster)
        (between,) = {each.name for each in cluster.members} - {stream, consumer}
        async with connected(cluster.named(between)) as connection:

            async def stall_and_publish(agent: MqttLink) -> None:
                cluster.link(stream, consumer).stall()
                for topic, payload in frames(4, 4):
                    await agent.publish(topic, payload)  # confirmed by the stream's leader and the third server

            await MqttSession(mqtt_of([cluster.named(stream)]), client_id="agent").run(stall_and_publish)
            assert await state(connection) == (4, 0)
            await Trimmer(worth=1).trim(connection)
            await cluster.link(stream, consumer).heal()
        async with linked(section(cluster.named(between), ack_wait_s=1), durable=CONSUMER) as link:
            assert [each.payload for each in await taken(link, 1, within_s=30)] == [b"4"]


async def state(connection: Client) -> tuple[int, int]:
    """Return the last place in the stream, and how many messages the consumer says are left for it."""
    api = connection.jetstream(timeout=5)
    left = await api.consumer_info(STREAM, CONSUMER)
    last = (await api.stream_info(STREAM)).state.last_seq
    return last, (left.num_pending or 0) + (left.num_ack_pending or 0)


@pytest.mark.timeout(120)
async def test_consumer_whose_server_is_away_lets_nothing_be_trimmed(nats_cluster: list[OwnNats]) -> None:
    home = nats_cluster[0]
    async with linked(section(home), durable=CONSUMER) as link, connected(home) as connection:
        api = connection.jetstream(timeout=5)
        single = ConsumerConfig(durable_name="single", num_replicas=1, ack_policy=AckPolicy.EXPLICIT)
        for number in range(STEPS):  # until it is on one of the others
            single.durable_name = f"single-{number}"
            placed = await api.add_consumer(STREAM, single)
            place = placed.cluster.leader if placed.cluster else None
            if place != home.name:
                break
        await publish(home, *frames(1, 200))
        for message in await taken(link, 200):
            link.ack(message)
        (its,) = [each for each in nats_cluster if each.name == place]
        its.kill()
        trimmer = Trimmer()
        await eventually(lambda: _kept(connection, 200))
        for _ in range(3):
            with pytest.raises(Transient, match=r"cannot be trimmed|do not answer"):
                await trimmer.trim(connection)
        assert await _kept(connection, 200)


async def _kept(connection: Client, count: int) -> bool:
    try:
        return (await connection.jetstream(timeout=5).stream_info(STREAM)).state.messages == count
    except nats.errors.TimeoutError:
        return False  # nobody leads it just now
