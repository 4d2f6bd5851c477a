"""What is open ends when the one who knew is gone: over a real broker, with a real database and the alarms beside."""

from __future__ import annotations

import pytest

from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.mover import Mover
from hubwatch_core.clock import now_us
from hubwatch_core.ids import new_ulid
from hubwatch_core.process import Context
from hubwatch_core.topics import Leaf, Topic
from hubwatch_core.wire import Birth, Frame, Series
from hubwatch_store import devices
from hubwatch_store.database import DatabaseSection, connect, open_pool
from hubwatch_store.ingest import Offer, Writer
from support.detectors_hub import DOOR, EPOCH
from support.detectors_running import publish, publishing, rows, running, settings
from support.eventually import eventually
from support.store_examples import message

OPEN = "SELECT sensor, type FROM alarms WHERE closed IS NULL ORDER BY id"
JOURNAL = "SELECT action, note FROM alarm_journal WHERE note IS NOT NULL ORDER BY id"


@pytest.fixture
def hub() -> str:
    return f"hub-{new_ulid().lower()}"


def birth(hub: str) -> Birth:
    return Birth(1, hub, "gw-a", EPOCH, now_us(), "test", "sha256:0", [DOOR])


def position(hub: str, seq: int, *, is_open: bool) -> Frame:
    """Return a frame of a door that was closed long enough ago to be forced at once."""
    now = now_us()
    states = [0.0, 0.0, float(is_open), float(is_open)]
    one = Series("door-1", "position", now - 4_000_000, [0, 500_000, 1_000_000, 3_900_000], list(states))
    return Frame(1, hub, "gw-a", EPOCH, seq, now, series=[one])


async def move_alarms(dsn: str) -> None:
    async with open_pool(DatabaseSection(dsn=dsn)) as pool:
        mover = Mover(pool, (), Instructions.load())
        while (await mover.round()).more:
            pass


async def opened(context: Context, broker: tuple[str, int], dsn: str, hub: str) -> None:
    """Let the door be forced open, and the detector's finding become an alarm."""
    await eventually(lambda: context.health.ok and "detectors-intake" in str(context.health.report()))
    async with publishing(broker, hub) as link:
        await publish(link, hub, [birth(hub), position(hub, 1, is_open=True)])
        await eventually(lambda: rows(dsn, "SELECT 1 FROM detections WHERE type = 'access.forced'"))
    await move_alarms(dsn)


async def test_detector_that_is_switched_off_leaves_nothing_open(
    broker: tuple[str, int], migrated_database: str, hub: str
) -> None:
    async with running(settings(migrated_database, broker, hub)) as context:
        await opened(context, broker, migrated_database, hub)
    async with running(settings(migrated_database, broker, hub, access={"enabled": False})):
        await eventually(lambda: rows(migrated_database, "SELECT 1 FROM detection_ends WHERE why IS NOT NULL"))
    await move_alarms(migrated_database)
    assert [row["note"] for row in rows(migrated_database, JOURNAL)] == ["detector access is switched off"]
    assert not rows(migrated_database, "SELECT 1 FROM alarms WHERE active > 0")
    assert not rows(migrated_database, "SELECT 1 FROM detector_state WHERE detector = 'access'")


async def test_removed_birth_ends_what_is_open(broker: tuple[str, int], migrated_database: str, hub: str) -> None:
    async with running(settings(migrated_database, broker, hub)) as context:
        await opened(context, broker, migrated_database, hub)
        async with publishing(broker, hub) as link:
            await link.publish(str(Topic(hub, "gw-a", Leaf.BIRTH)), b"", retain=True)
        await eventually(lambda: rows(migrated_database, "SELECT 1 FROM detection_ends WHERE why IS NOT NULL"))
    await move_alarms(migrated_database)
    (entry,) = rows(migrated_database, JOURNAL)
    assert (entry["action"], entry["note"]) == (
        "returned", "agent gw-a was taken away for good: its birth was removed from its topic"
    )  # fmt: skip
    # Nobody had acknowledged that a door was forced: that waits for a person.
    assert [row["state"] for row in rows(migrated_database, "SELECT state FROM alarms")] == ["returned"]


async def test_command_reaches_detectors_that_run_and_closes_the_alarms(
    broker: tuple[str, int], migrated_database: str, hub: str
) -> None:
    writer = Writer(DatabaseSection(dsn=migrated_database))
    await writer.write([Offer(message(b""), birth(hub))])
    await writer.close()
    async with running(settings(migrated_database, broker, hub)) as context:
        await opened(context, broker, migrated_database, hub)
        async with await connect(DatabaseSection(dsn=migrated_database)) as connection:
            await devices.forget_agent(connection, hub, "gw-a", by="kim", reason="sold")
        await eventually(lambda: rows(migrated_database, "SELECT 1 FROM detection_ends WHERE why IS NOT NULL"))
    await move_alarms(migrated_database)
    assert not rows(migrated_database, OPEN)
    notes = [row["note"] for row in rows(migrated_database, JOURNAL)]
    assert set(notes) == {"agent gw-a was taken away for good: sold"}
