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
from hubwatch_store.config import DatabaseSection
from hubwatch_store.detections import Harvest, keep
from hubwatch_store.detector_state import StateKey, StateRow, load_states
from hubwatch_store.errors import Refused
from hubwatch_store.pool import Pool, open_pool
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
    await keep(pool, Harvest([one]))
    await keep(pool, Harvest([one, msgspec.structs.replace(one, why="changed")]))
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
    await keep(pool, Harvest([one, Clear(one.id, at(5), at(6))]))
    await keep(pool, Harvest([Clear(one.id, at(9), at(9))]))
    (stored,) = rows(migrated_database, 'SELECT "end" FROM detections')
    assert stored["end"] == to_datetime(at(5))


async def test_detection_that_is_over_keeps_its_own_end(pool: Pool, migrated_database: str) -> None:
    await keep(pool, Harvest([detection(end=at(3))]))
    (stored,) = rows(migrated_database, 'SELECT "end" FROM detections')
    assert stored["end"] == to_datetime(at(3))


async def test_new_detections_are_told_and_old_ones_are_not(pool: Pool, migrated_database: str) -> None:
    async with await psycopg.AsyncConnection.connect(migrated_database, autocommit=True) as listener:
        await listener.execute("LISTEN hubwatch_detections")
        one = detection()
        await keep(pool, Harvest([one, detection(hub="antwerp")]))
        told = {notice.payload async for notice in listener.notifies(timeout=2, stop_after=2)}
        assert told == {"rotterdam", "antwerp"}
        await keep(pool, Harvest([one]))
        assert [notice.payload async for notice in listener.notifies(timeout=0.3)] == []


async def test_states_replace_each_other_and_go(pool: Pool) -> None:
    await keep(pool, Harvest(states=[row("door-1", b"\x00\xff"), row("door-2"), row("door-1", hub="antwerp")]))
    await keep(pool, Harvest(states=[row("door-1", b"new", version=2)], gone=[row("door-2").key, row("never").key]))
    assert sorted(await load_states(pool)) == [row("door-1", hub="antwerp"), row("door-1", b"new", version=2)]
    assert await load_states(pool, ["antwerp"]) == [row("door-1", hub="antwerp")]
    assert await load_states(pool, ["nowhere"]) == []


async def test_harvest_is_stored_whole_or_not_at_all(pool: Pool, migrated_database: str) -> None:
    with pytest.raises(Refused):
        await keep(pool, Harvest([detection(), detection(priority=9)], [row("door-1")]))
    assert rows(migrated_database, "SELECT id FROM detections") == []
    assert await load_states(pool) == []


async def test_database_that_is_away_is_worth_another_try() -> None:
    settings = DatabaseSection(dsn="postgresql://nobody@127.0.0.1:1/none", connect_timeout_s=2, pool_min=0)
    async with open_pool(settings) as pool:
        with pytest.raises(Transient):
            await keep(pool, Harvest([detection()]))
        with pytest.raises(Transient):
            await load_states(pool)
