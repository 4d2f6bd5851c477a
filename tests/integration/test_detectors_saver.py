"""Saving: findings at once, states in time, and what the database will not have."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import AsyncIterator

import msgspec
import pytest

from hubwatch_core.clock import now_us
from hubwatch_core.process import Context
from hubwatch_core.topics import Leaf, Topic
from hubwatch_core.wire import Birth, Clear, Detection, Frame, encode
from hubwatch_detectors.contract import Finding
from hubwatch_detectors.engine import Engine, InstanceKey, Saved
from hubwatch_detectors.journal import Journal, judge_again
from hubwatch_detectors.metrics import DetectorMetrics
from hubwatch_detectors.saver import Saver
from hubwatch_detectors.settings import DetectorsSettings
from hubwatch_store.database import DatabaseSection, Pool, open_pool
from hubwatch_store.detections import load_journal, load_states
from support.detectors_engine import series
from support.detectors_hub import AGENT, DOOR, EPOCH, HUB, at, birth
from support.detectors_running import figure, rows

RULES = DetectorsSettings().rules()


@pytest.fixture
async def pool(migrated_plain_dsn: str) -> AsyncIterator[Pool]:
    async with open_pool(DatabaseSection(dsn=migrated_plain_dsn)) as opened:
        yield opened


def messages(seconds: int) -> list[Birth | Frame]:
    """Return what an agent says of a door that is forced open in the fifth second."""
    frames = [
        Frame(1, HUB, AGENT, EPOCH, t + 1, at(t + 1), False, [series("door-1", "position", t, *[float(t >= 4)] * 5)])
        for t in range(seconds)
    ]
    return [birth((DOOR,)), *frames]


def hear(journal: Journal, message: Birth | Frame) -> list[Finding]:
    topic = Topic(HUB, AGENT, Leaf.BIRTH if isinstance(message, Birth) else Leaf.FRAME)
    return journal.hear(str(topic), encode(message), message.sent, retained=False)


def forced() -> tuple[Journal, Detection]:
    """Return the journal of an engine that has found a forced door."""
    journal = Journal(Engine(RULES))
    (found,) = [each for message in messages(8) for each in hear(journal, message)]
    assert isinstance(found, Detection)
    return journal, found


def saver(journal: Journal, pool: Pool, every_s: float = 60.0, snapshot_every_s: float = 60.0) -> tuple[Saver, Context]:
    context = Context.make("test")
    metrics = DetectorMetrics(context.registry, journal.engine.counts)
    one = Saver(
        journal, pool, metrics, context.health, every_s=every_s, max_pause_s=0.5, snapshot_every_s=snapshot_every_s
    )
    return one, context


async def restored(pool: Pool) -> Engine:
    """Return an engine that knows what the database keeps, as after a crash."""
    engine = Engine(RULES)
    engine.restore([Saved(InstanceKey(*row.key), row.version, row.state) for row in await load_states(pool)])
    for row in await load_journal(pool):
        judge_again(engine, row.hub, row.version, row.entries)
    return engine


def remember_the_same(one: Engine, other: Engine) -> bool:
    """Return whether two engines know the same of agent, door and whatever changed in either since its states were
    taken.
    """
    changed = {InstanceKey(HUB, "agent", AGENT, "live"), InstanceKey(HUB, "access", "door-1", "live")}
    for engine in (one, other):
        engine.flush(HUB)
        changed |= {each.key for each in engine.changes(HUB)[0]}
    known = list[dict[InstanceKey, bytes]]()
    for engine in (one, other):
        engine.not_saved(changed)
        known.append({each.key: each.state for each in engine.changes(HUB)[0]})
    assert known[0]
    return known[0] == known[1]


async def test_finding_does_not_wait_for_the_time_of_the_states(pool: Pool, migrated_plain_dsn: str) -> None:
    journal, found = forced()
    one, context = saver(journal, pool)
    stop = asyncio.Event()
    running = asyncio.create_task(one.run(stop))
    await asyncio.sleep(0.05)
    began = time.monotonic()
    one.add([found], now_us())
    while figure(context, "detections_total", type="access.forced") == 0:
        await asyncio.sleep(0.005)
        assert time.monotonic() - began < 5
    stop.set()
    one.add([Clear(found.id, at(9), at(9))], now_us())
    await running
    (stored,) = rows(migrated_plain_dsn, 'SELECT id, "end" FROM detections')
    assert stored["id"] == found.id
    assert stored["end"] is not None
    states = rows(migrated_plain_dsn, "SELECT detector FROM detector_state ORDER BY detector")
    assert {"access", "agent"} <= {row["detector"] for row in states}


async def test_finding_that_the_database_refuses_is_counted_and_holds_up_nothing(
    pool: Pool, migrated_plain_dsn: str
) -> None:
    journal, found = forced()
    one, context = saver(journal, pool)
    impossible = msgspec.structs.replace(found, id="01JD3Z0000000000000000000B", priority=9)
    one.add([impossible, found], now_us())
    assert await one.save()
    assert [row["id"] for row in rows(migrated_plain_dsn, "SELECT id FROM detections")] == [found.id]
    assert figure(context, "refused_total") == 1
    assert len(rows(migrated_plain_dsn, "SELECT hub FROM detector_journal")) == 1


async def test_what_could_not_be_saved_is_saved_later_whole(migrated_plain_dsn: str) -> None:
    journal, found = forced()
    away = DatabaseSection(dsn="postgresql://nobody@127.0.0.1:1/none", connect_timeout_s=2, min_connections=0)
    async with open_pool(away) as nowhere:
        one, context = saver(journal, nowhere)
        one.add([found], now_us())
        assert not await one.save()
    assert figure(context, "save_failures_total") == 1
    assert not context.health.ok
    async with open_pool(DatabaseSection(dsn=migrated_plain_dsn)) as pool:
        one._pool = pool
        assert await one.save()
    assert [row["id"] for row in rows(migrated_plain_dsn, "SELECT id FROM detections")] == [found.id]
    assert len(rows(migrated_plain_dsn, "SELECT hub FROM detector_journal")) == 1
    assert context.health.ok


async def test_states_and_what_was_taken_since_lead_to_where_the_engine_stood(
    pool: Pool, migrated_plain_dsn: str
) -> None:
    """Whenever states are written: before, between and after the saves of the same frames."""
    for due in (set[int](), {0}, {3, 7}, {9}):
        rows(migrated_plain_dsn, "WITH s AS (DELETE FROM detector_state) DELETE FROM detector_journal RETURNING 1")
        journal = Journal(Engine(RULES))
        one, _ = saver(journal, pool)
        for i, message in enumerate(messages(9)):
            one.add(hear(journal, message), message.sent)
            assert await one.save()
            if i in due:
                assert await one.save_states()
        again = await restored(pool)
        assert remember_the_same(again, journal.engine)
        expected = 10 - (max(due) + 1 if due else 0)
        assert len(await load_journal(pool)) == expected


async def test_what_is_judged_while_states_are_written_is_not_lost_with_them(pool: Pool) -> None:
    journal = Journal(Engine(RULES))
    one, _ = saver(journal, pool, snapshot_every_s=1e-9)
    for message in messages(9):
        one.add(hear(journal, message), message.sent)
        assert await one.save()  # the states of the save before are being written
    assert one._writing is not None
    assert await one._writing
    assert remember_the_same(await restored(pool), journal.engine)
    assert await load_states(pool)


async def test_crash_between_the_input_and_its_states_judges_again_and_finds_the_same(pool: Pool) -> None:
    journal, found = forced()
    one, _ = saver(journal, pool)
    one.add([found], now_us())
    assert await one.save()
    engine = Engine(RULES)
    again = [
        each for row in await load_journal(pool) for each in judge_again(engine, row.hub, row.version, row.entries)
    ]
    assert again == [found]


async def test_states_of_input_that_could_not_be_stored_are_not_written(migrated_plain_dsn: str) -> None:
    journal, found = forced()
    away = DatabaseSection(dsn="postgresql://nobody@127.0.0.1:1/none", connect_timeout_s=2, min_connections=0)
    async with open_pool(away) as nowhere:
        one, _ = saver(journal, nowhere, snapshot_every_s=1e-9)
        one.add([found], now_us())
        assert not await one.save()
        assert one._writing is None
    async with open_pool(DatabaseSection(dsn=migrated_plain_dsn)) as pool:
        one._pool = pool
        assert await one.save()
        assert one._writing is not None
        assert await one._writing
        assert await load_states(pool)
        assert await load_journal(pool) == []


async def test_input_that_cannot_be_read_is_left_out(pool: Pool) -> None:
    engine = Engine(RULES)
    assert judge_again(engine, HUB, 99, b"") == []
    assert judge_again(engine, HUB, 1, b"no zlib") == []
    assert judge_again(engine, HUB, 1, zlib.compress(b"no entries")) == []
    assert not engine.hubs()
