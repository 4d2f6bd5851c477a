"""The detectors on JetStream: a partition for each hub, state saved before it acknowledges, servers that die."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from nats.errors import Error

from hubwatch_core.config import NatsSection
from hubwatch_core.jetstream.stream import STREAM
from hubwatch_core.mqtt import MqttLink, MqttSession
from hubwatch_core.process import Context
from hubwatch_core.wire import Birth, Detection, Frame
from hubwatch_detectors.engine import Engine
from hubwatch_detectors.settings import DetectorsSettings
from support.children import Children
from support.detectors_hub import Passage, SimulatedHub, at, birth
from support.detectors_running import Address, crashing, figure, publish, publishing, rows, running, settings
from support.eventually import eventually
from support.jetstream_agents import ANSWER_S, mqtt_of
from support.jetstream_session import ask
from support.own_nats import OwnNats

PATIENCE_S = 120
"""A busy machine needs more than half a minute for findings of several starts, when the database is slow as well."""


def on(servers: Sequence[OwnNats], dsn: str, *hubs: str, name: str = "detectors") -> DetectorsSettings:
    """Settings that take hubs from JetStream; the MQTT broker of the settings does not exist."""
    nats = NatsSection(servers=tuple(each.url for each in servers), ack_wait_s=1, max_reconnect_s=0.3)
    base = settings(dsn, ("127.0.0.1", 1), "nowhere", save_every_s=0.05)
    return base.model_copy(update={"hubs": hubs, "name": name, "nats": nats})


def attacked() -> list[Frame]:
    return list(SimulatedHub(40, passages=[Passage(5, gamma_peak=90)], door_open=[(20, 22)]).frames())


def expected(hub: str) -> set[str]:
    """Return the ids that the same frames lead to without servers and database."""
    engine = Engine(DetectorsSettings().rules())
    engine.birth(msgspec.structs.replace(birth(), hub=hub), at(0))
    found = [each for frame in attacked() for each in engine.frame(msgspec.structs.replace(frame, hub=hub), frame.sent)]
    return {each.id for each in found if isinstance(each, Detection)}


def stored(dsn: str, hub: str) -> set[str]:
    return {row["id"] for row in rows(dsn, "SELECT id FROM detections WHERE hub = %s", hub)}


def subscribed(context: Context) -> bool:
    """Whether the stream is there and followed; health is good, too, before any check has been made."""
    return bool(context.health.report()["checks"].get("detectors-intake", {}).get("ok"))  # type: ignore[attr-defined]


def place(server: OwnNats) -> Address:
    return "127.0.0.1", server.mqtt_port


async def test_each_process_judges_its_hubs_and_a_latecomer_still_learns_the_inventory(
    own_nats: OwnNats, migrated_plain_dsn: str
) -> None:
    dsn = migrated_plain_dsn
    async with running(on([own_nats], dsn, "north", name="a")) as a:
        await eventually(lambda: subscribed(a))
        async with publishing(place(own_nats), "agents") as link:
            for hub in ("north", "south"):
                await publish(link, hub, [birth(), *attacked()])
        await eventually(lambda: stored(dsn, "north") == expected("north"))
        assert stored(dsn, "south") == set()
        async with running(on([own_nats], dsn, "south", "west", name="b")) as b:
            await eventually(lambda: stored(dsn, "south") == expected("south"), within_s=PATIENCE_S)
            assert figure(b, "unknown_total") == 0
            assert figure(b, "frames_total") == figure(a, "frames_total") == len(attacked())


async def test_crash_at_any_moment_loses_no_finding_and_makes_none_twice(
    own_nats: OwnNats, migrated_plain_dsn: str
) -> None:
    dsn, frames, where = migrated_plain_dsn, attacked(), on([own_nats], migrated_plain_dsn, "north")
    async with publishing(place(own_nats), "agents") as link:
        async with running(where) as context:
            await eventually(lambda: subscribed(context))
            await publish(link, "north", [birth()])
        for i in range(0, len(frames), 25):
            async with crashing(where) as context:
                await publish(link, "north", frames[i : i + 25])
                await eventually(lambda now=context: figure(now, "frames_total") > 0)  # type: ignore[misc]
        async with running(where) as context:
            await eventually(lambda: stored(dsn, "north") == expected("north"), within_s=PATIENCE_S)
            await eventually(lambda: figure(context, "unsaved_messages") == 0)


async def test_server_killed_between_frames_changes_no_finding(own_nats: OwnNats, migrated_plain_dsn: str) -> None:
    dsn, frames = migrated_plain_dsn, attacked()
    async with running(on([own_nats], dsn, "north")) as context:
        await eventually(lambda: subscribed(context))
        parts: list[list[Birth | Frame]] = [[birth(), *frames[:60]], [*frames[60:]]]
        for part in parts:
            async with publishing(place(own_nats), "agents") as link:
                await publish(link, "north", part)
            own_nats.kill()
            await asyncio.sleep(0.2)
            own_nats.start()
            await asyncio.to_thread(own_nats.await_healthy, 1)
        await eventually(lambda: stored(dsn, "north") == expected("north"), within_s=PATIENCE_S)
        await eventually(lambda: context.health.ok)


PARTITIONS = {"a": ("north",), "b": ("south", "west")}
HUBS = ("north", "south", "west")


def start(children: Children, folder: Path, cluster: Sequence[OwnNats], dsn: str, name: str) -> None:
    """Start a detectors process for its partition (again)."""
    config = folder / f"{name}.toml"
    config.write_text(
        f'name = "{name}"\nhubs = {json.dumps(PARTITIONS[name])}\nsave_every_s = 0.1\n'
        f"[nats]\nservers = {json.dumps([each.url for each in cluster])}\nmax_reconnect_s = 0.5\n"
        f'[database]\ndsn = "{dsn}"\nmax_retry_s = 0.5\n'
    )
    children.start(name, "detectors", "run", "-c", str(config))


async def send(cluster: Sequence[OwnNats], pause_s: float) -> None:
    """Publish what happens in each hub at the same time; a message whose link breaks goes out again over the next."""
    rounds: list[Birth | Frame] = [birth(), *attacked()]
    waiting = [(hub, message) for message in rounds for hub in HUBS]
    waiting.reverse()

    async def use(link: MqttLink) -> None:
        while waiting:
            hub, message = waiting[-1]
            async with asyncio.timeout(ANSWER_S):
                await publish(link, hub, [message])
            waiting.pop()
            await asyncio.sleep(pause_s)

    await MqttSession(mqtt_of(cluster), client_id="agents").run(use)


def leading(cluster: Sequence[OwnNats]) -> OwnNats:
    """Return who leads the stream, or anybody while nobody does."""
    names = {each.stream_leader(STREAM) for each in cluster}
    return next((each for each in cluster if each.name in names), cluster[0])


async def partitioned(cluster: Sequence[OwnNats]) -> bool:
    """Whether every hub has its consumer."""
    try:
        info = await ask(cluster[0], lambda api: api.stream_info(STREAM))
    except Error:
        return False  # nobody has made the stream yet
    return bool(info.state.consumer_count == len(HUBS))


@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", [1, 2])
async def test_partition_killed_with_a_server_is_taken_over_and_no_finding_is_lost_or_doubled(
    nats_cluster: list[OwnNats], migrated_plain_dsn: str, tmp_path: Path, seed: int
) -> None:
    dsn, children, dice = migrated_plain_dsn, Children(tmp_path), random.Random(seed)
    try:
        for name in PARTITIONS:
            start(children, tmp_path, nats_cluster, dsn, name)
        await eventually(lambda: partitioned(nats_cluster))
        sending = asyncio.create_task(send(nats_cluster, 0.02))
        for victim in dice.sample(list(PARTITIONS), 2):
            await asyncio.sleep(dice.uniform(1, 3))
            leader = await asyncio.to_thread(leading, nats_cluster)
            children.kill(victim)
            leader.kill()
            await asyncio.sleep(dice.uniform(0.1, 1))
            leader.start()
            start(children, tmp_path, nats_cluster, dsn, victim)
        await sending
        for hub in HUBS:
            await eventually(lambda hub=hub: stored(dsn, hub) == expected(hub))  # type: ignore[misc]
        await eventually(lambda: not rows(dsn, 'SELECT id FROM detections WHERE "end" IS NULL'))
        assert len(rows(dsn, "SELECT id FROM detections")) == sum(len(expected(hub)) for hub in HUBS)
    finally:
        children.end_all()
