"""Findings and states in the database, on TimescaleDB and on plain PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import psycopg
import pytest

from hubwatch_core.clock import to_datetime
from hubwatch_core.errors import Transient
from hubwatch_core.ids import new_ulid
from hubwatch_core.wire import Clear, Detection
from hubwatch_store.database import DatabaseRefused, DatabaseSection, Pool, open_pool
from hubwatch_store.detections import (
    DetectionBatch,
    JournalRow,
    StateKey,
    StateRow,
    StateSnapshot,
    keep,
    keep_snapshot,
    load_journal,
    load_states,
)
from support.detectors_hub import at
from support.detectors_running import rows


@pytest.fixture
async def pool(migrated_database: str) -> AsyncIterator[Pool]:
    async with open_pool(DatabaseSection(dsn=migrated_database)) as opened:
        yield opened


def detection(**more: object) -> Detection:
    plain = Detection(
        id=new_ulid(),
        type="radiation.gamma",
        hub="rotterdam",
        sensor="rpm-2",
        subject=None,
        start=at(1),
        end=None,
        detected=at(2),
        score=6.1,
        priority=1,
        detector="radiation_portal",
        version=1,
        late=False,
        why="600 counts where 500 are expected",
        evidence={"counts": 600, "läge": [1, None]},
    )
    return msgspec.structs.replace(plain, **more)


def row(sensor: str, state: bytes = b"{}", hub: str = "rotterdam", version: int = 1) -> StateRow:
    return StateRow(StateKey(hub, "access", sensor, "live"), version, state)


async def test_detection_is_stored_once_and_with_everything(pool: Pool, migrated_database: str) -> None:
    one = detection()
    await keep(pool, DetectionBatch([one]))
    await keep(pool, DetectionBatch([one, msgspec.structs.replace(one, why="changed")]))
    (stored,) = rows(migrated_database, "SELECT * FROM detections")
    assert stored["start"] == to_datetime(one.start)
    assert stored["detected"] == to_datetime(one.detected)
    for name in (
        "id",
        "type",
        "hub",
        "sensor",
        "subject",
        "end",
        "score",
        "priority",
        "version",
        "late",
        "why",
        "evidence",
    ):
        assert stored[name] == getattr(one, name), name


async def test_end_shows_in_the_view_and_the_first_one_stays(pool: Pool, migrated_database: str) -> None:
    one = detection()
    await keep(pool, DetectionBatch([one, Clear(one.id, at(5), at(6))]))
    await keep(pool, DetectionBatch([Clear(one.id, at(9), at(9))]))
    (stored,) = rows(migrated_database, 'SELECT "end" FROM detections')
    assert stored["end"] == to_datetime(at(5))


async def test_detection_that_is_over_keeps_its_own_end(pool: Pool, migrated_database: str) -> None:
    await keep(pool, DetectionBatch([detection(end=at(3))]))
    (stored,) = rows(migrated_database, 'SELECT "end" FROM detections')
    assert stored["end"] == to_datetime(at(3))


async def test_new_detections_are_told_and_old_ones_are_not(pool: Pool, migrated_database: str) -> None:
    async with await psycopg.AsyncConnection.connect(migrated_database, autocommit=True) as listener:
        await listener.execute("LISTEN hubwatch_detections")
        one = detection()
        await keep(pool, DetectionBatch([one, detection(hub="antwerp")]))
        told = {notice.payload async for notice in listener.notifies(timeout=20, stop_after=2)}
        assert told == {"rotterdam", "antwerp"}
        await keep(pool, DetectionBatch([one]))
        assert [notice.payload async for notice in listener.notifies(timeout=0.3)] == []


def journal(entries: bytes, hub: str = "rotterdam") -> DetectionBatch:
    return DetectionBatch(journal=[JournalRow(hub, 1, entries)])


async def test_states_replace_each_other_and_go(pool: Pool) -> None:
    states = [row("door-1", b"\x00\xff"), row("door-2"), row("door-1", hub="antwerp")]
    await keep_snapshot(pool, StateSnapshot("rotterdam", states, [], 0))
    gone = [row("door-2").key, row("never").key]
    await keep_snapshot(pool, StateSnapshot("rotterdam", [row("door-1", b"new", version=2)], gone, 0))
    assert sorted(await load_states(pool)) == [row("door-1", hub="antwerp"), row("door-1", b"new", version=2)]
    assert await load_states(pool, ["antwerp"]) == [row("door-1", hub="antwerp")]
    assert await load_states(pool, ["nowhere"]) == []


async def test_snapshot_takes_the_place_of_its_hubs_journal_up_to_where_it_was_taken(pool: Pool) -> None:
    first = await keep(pool, journal(b"\x00one"))
    await keep(pool, journal(b"two"))
    await keep(pool, journal(b"other", hub="antwerp"))
    assert [each.entries for each in await load_journal(pool)] == [b"\x00one", b"two", b"other"]
    assert [each.entries for each in await load_journal(pool, ["rotterdam"])] == [b"\x00one", b"two"]
    await keep_snapshot(pool, StateSnapshot("rotterdam", [row("door-1")], [], first["rotterdam"]))
    assert [each.entries for each in await load_journal(pool)] == [b"two", b"other"]


async def test_many_states_are_written_whole(pool: Pool) -> None:
    states = [row(f"door-{i}", bytes([i % 256]) * 9) for i in range(1201)]
    await keep_snapshot(pool, StateSnapshot("rotterdam", states, [], 0))
    assert sorted(await load_states(pool)) == sorted(states)


async def test_harvest_is_stored_whole_or_not_at_all(pool: Pool, migrated_database: str) -> None:
    with pytest.raises(DatabaseRefused):
        await keep(pool, DetectionBatch([detection(), detection(priority=9)], journal(b"x").journal))
    assert rows(migrated_database, "SELECT id FROM detections") == []
    assert await load_journal(pool) == []


async def test_database_that_is_away_is_worth_another_try() -> None:
    settings = DatabaseSection(dsn="postgresql://nobody@127.0.0.1:1/none", connect_timeout_s=2, min_connections=0)
    async with open_pool(settings) as pool:
        with pytest.raises(Transient):
            await keep(pool, DetectionBatch([detection()]))
        with pytest.raises(Transient):
            await load_states(pool)
