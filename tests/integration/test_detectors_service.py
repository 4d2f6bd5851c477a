"""The detectors at work: frames over a real broker, findings and state in a real database, and what fails."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import msgspec
import psycopg
import pytest

from hubwatch_core.clock import now_us
from hubwatch_core.ids import new_ulid
from hubwatch_core.topics import Leaf, Topic
from hubwatch_core.wire import Detection, Event, Frame
from hubwatch_detectors import binary
from hubwatch_detectors.engine import Engine
from hubwatch_detectors.engine.agents import AgentMemory
from hubwatch_detectors.settings import DetectorsSettings
from support.detectors_hub import AGENT, EPOCH, Passage, SimulatedHub, at, birth
from support.detectors_running import crashing, figure, publish, publishing, rows, running, settings
from support.eventually import eventually
from support.own_mosquitto import OwnMosquitto
from support.proxy import Proxy

SETTINGS = DetectorsSettings()


@pytest.fixture
def hub() -> str:
    return f"hub-{new_ulid().lower()}"


def attacked(seconds: float = 40) -> SimulatedHub:
    """Return a hub where a source passes, somebody tries badges, and a door is forced."""
    denials = [Event("door-1", at(12 + i), "access.denied", f"badge:{i}", {"reader": "in"}) for i in range(5)]
    return SimulatedHub(seconds, passages=[Passage(5, gamma_peak=90)], events=denials, door_open=[(20, 22)])


def found_offline(hub: str, frames: list[Frame]) -> set[str]:
    """Return the ids that the same frames lead to without broker and database."""
    engine = Engine(SETTINGS.rules())
    engine.birth(msgspec.structs.replace(birth(), hub=hub), at(0))
    findings = [each for frame in frames for each in engine.frame(msgspec.structs.replace(frame, hub=hub), frame.sent)]
    return {each.id for each in findings if isinstance(each, Detection)}


def stored(dsn: str) -> set[str]:
    return {row["id"] for row in rows(dsn, "SELECT id FROM detections")}


def account(dsn: str) -> list[tuple[int, list[tuple[int, int]]]]:
    """Return the saved account of the agent's frames: the highest number and the holes, by epoch."""
    (row,) = rows(dsn, "SELECT state FROM detector_state WHERE detector = 'agent'")
    memory = binary.decode(bytes(row["state"]), AgentMemory)
    return [(seen.highest, seen.holes) for seen in memory.seen.values()]


async def test_attack_in_frames_becomes_rows_and_a_notification(
    broker: tuple[str, int], migrated_database: str, hub: str
) -> None:
    frames = list(attacked().frames())
    async with (
        await psycopg.AsyncConnection.connect(migrated_database, autocommit=True) as listener,
        running(settings(migrated_database, broker, hub)) as context,
        publishing(broker, hub) as link,
    ):
        await listener.execute("LISTEN hubwatch_detections")
        await eventually(lambda: context.health.ok)
        await publish(link, hub, [birth(), *frames])
        expected = found_offline(hub, frames)
        assert len(expected) == 3
        await eventually(lambda: stored(migrated_database) == expected)
        notice = await anext(listener.notifies(timeout=20))
        assert notice.payload == hub
        await eventually(lambda: figure(context, "unsaved_messages") == 0)
    ends = rows(migrated_database, 'SELECT type, "end" IS NOT NULL AS ended FROM detections ORDER BY start')
    assert [(row["type"], row["ended"]) for row in ends] == [
        ("radiation.gamma", True),
        ("access.brute_force", False),
        ("access.forced", True),
    ]


async def test_time_from_a_frame_to_its_stored_detection_is_measured(
    broker: tuple[str, int], migrated_database: str, hub: str
) -> None:
    frames = list(SimulatedHub(40, door_open=[(20, 22), (30, 31)]).frames())
    async with (
        running(settings(migrated_database, broker, hub)) as context,
        publishing(broker, hub) as link,
    ):
        await eventually(lambda: context.health.ok)
        await publish(link, hub, [birth()])
        for frame in frames:
            await publish(link, hub, [frame])
            await asyncio.sleep(0.005)
        await eventually(lambda: len(stored(migrated_database)) == 2)
        mean_s = figure(context, "latency_seconds_sum") / figure(context, "latency_seconds_count")
    assert 0 < mean_s < 15  # make bench ONLY=demo-latency says how fast it is


async def test_crash_at_any_moment_loses_no_finding_and_makes_none_twice(
    own_mosquitto: OwnMosquitto, migrated_plain_dsn: str, hub: str
) -> None:
    broker = (own_mosquitto.host, own_mosquitto.port)
    frames = list(attacked().frames())
    expected = found_offline(hub, frames)
    where = settings(migrated_plain_dsn, broker, hub, save_every_s=0.05, snapshot_every_s=0.3)
    async with publishing(broker, hub) as link:
        async with running(where) as context:
            await eventually(lambda: context.health.ok)
            await publish(link, hub, [birth()])
        for i in range(0, len(frames), 25):
            async with crashing(where) as context:
                await publish(link, hub, frames[i : i + 25])
                await eventually(lambda now=context: figure(now, "frames_total") > 0)  # type: ignore[misc]
        async with running(where) as context:
            await eventually(lambda: stored(migrated_plain_dsn) == expected)
            await eventually(lambda: figure(context, "unsaved_messages") == 0)
            await eventually(lambda: context.health.ok)
    assert account(migrated_plain_dsn) == [(100, [])]


async def test_database_away_holds_acknowledgement_and_stores_all_when_it_is_back(
    broker: tuple[str, int], migrated_plain_dsn: str, hub: str
) -> None:
    target = urlsplit(migrated_plain_dsn)
    frames = list(attacked().frames())
    expected = found_offline(hub, frames)
    async with Proxy(str(target.hostname), int(target.port or 5432)) as proxy:
        host, port = proxy.address
        through = target._replace(netloc=f"{target.username}@{host}:{port}").geturl()
        async with (
            running(settings(through, broker, hub)) as context,
            publishing(broker, hub) as link,
        ):
            await eventually(lambda: context.health.ok)
            await publish(link, hub, [birth(), *frames[:5]])
            await eventually(lambda: figure(context, "unsaved_messages") == 0)
            await proxy.refuse()
            await publish(link, hub, frames[5:])
            await eventually(lambda: figure(context, "save_failures_total") > 0)
            assert not context.health.ok
            assert stored(migrated_plain_dsn) == set()
            await proxy.heal()
            await eventually(lambda: stored(migrated_plain_dsn) == expected)
            await eventually(lambda: context.health.ok)
    assert figure(context, "frames_total") == len(frames)


async def test_agents_whose_frames_waited_for_the_database_were_not_away(
    broker: tuple[str, int], migrated_plain_dsn: str, hub: str
) -> None:
    def alive(agent: str, first: int, frames: int) -> list[Frame]:
        return [Frame(1, hub, agent, EPOCH, first + i, now_us()) for i in range(frames)]

    target = urlsplit(migrated_plain_dsn)
    async with Proxy(str(target.hostname), int(target.port or 5432)) as proxy:
        through = target._replace(netloc="{}@{}:{}".format(target.username, *proxy.address)).geturl()
        where = settings(through, broker, hub, max_unsaved=2, presence={"agent_silent_after_s": 3})
        async with running(where) as context, publishing(broker, hub) as link:
            await eventually(lambda: context.health.ok)
            await publish(link, hub, [*alive("one", 1, 1), *alive("two", 1, 1)])
            await eventually(lambda: figure(context, "frames_total") == 2)
            await proxy.refuse()
            # What one says fills several batches, behind which the other's wait.
            await publish(link, hub, [*alive("one", 2, 300), *alive("two", 2, 1)])
            await asyncio.sleep(5)
            await proxy.heal()
            await eventually(lambda: figure(context, "frames_total") == 303)
            await eventually(lambda: context.health.ok)
    assert rows(migrated_plain_dsn, "SELECT sensor, why FROM detections") == []


async def test_unreadable_messages_are_counted_and_stop_nothing(
    broker: tuple[str, int], migrated_plain_dsn: str, hub: str
) -> None:
    async with (
        running(settings(migrated_plain_dsn, broker, hub)) as context,
        publishing(broker, hub) as link,
    ):
        await eventually(lambda: context.health.ok)
        topic = str(Topic(hub, AGENT, Leaf.FRAME))
        for payload in (b"", b"{", b"\xff\xfe", b'{"v":2}'):
            await link.publish(topic, payload)
        frames = list(attacked(25).frames())
        expected = found_offline(hub, frames)
        await publish(link, hub, [birth(), *frames])
        await eventually(lambda: stored(migrated_plain_dsn) == expected)
        assert figure(context, "poison_total") == 4


async def test_agent_that_the_broker_lost_is_offline_until_its_frames_come_again(
    broker: tuple[str, int], migrated_plain_dsn: str, hub: str
) -> None:
    state = str(Topic(hub, AGENT, Leaf.STATE))
    frames = list(SimulatedHub(10).frames())
    query = "SELECT type, sensor, \"end\" FROM detections WHERE detector = 'presence'"
    async with (
        running(settings(migrated_plain_dsn, broker, hub)) as context,
        publishing(broker, hub) as link,
    ):
        await eventually(lambda: context.health.ok)
        await link.publish(state, b"online", retain=True)
        await publish(link, hub, [birth(), *frames[:10]])
        await link.publish(state, b"offline", retain=True)
        await eventually(lambda: len(rows(migrated_plain_dsn, query)) == 1)
        (offline,) = rows(migrated_plain_dsn, query)
        assert (offline["type"], offline["sensor"], offline["end"]) == ("integrity.agent_offline", AGENT, None)
        await publish(link, hub, frames[10:])
        await eventually(lambda: rows(migrated_plain_dsn, query)[0]["end"] is not None)


async def test_embedded_broker_without_redelivery_serves(
    amqtt_address: tuple[str, int], migrated_plain_dsn: str, hub: str
) -> None:
    frames = list(attacked().frames())
    expected = found_offline(hub, frames)
    async with (
        running(settings(migrated_plain_dsn, amqtt_address, hub)) as context,
        publishing(amqtt_address, hub) as link,
    ):
        await eventually(lambda: context.health.ok)
        await publish(link, hub, [birth(), *frames])
        await eventually(lambda: stored(migrated_plain_dsn) == expected)
