"""Saving: findings at once, states in time, and what the database will not have."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import msgspec
import pytest

from hubwatch_core.clock import now_us
from hubwatch_core.service import Context
from hubwatch_core.wire import Clear, Detection
from hubwatch_detectors.metrics import Metrics
from hubwatch_detectors.saver import Saver
from hubwatch_store.config import DatabaseSection
from hubwatch_store.pool import Pool, open_pool
from support.detectors_engine import EngineBench, series
from support.detectors_hub import DOOR, at
from support.detectors_running import figure, rows


@pytest.fixture
async def pool(migrated_plain_dsn: str) -> AsyncIterator[Pool]:
    async with open_pool(DatabaseSection(dsn=migrated_plain_dsn)) as opened:
        yield opened


def forced() -> tuple[EngineBench, Detection]:
    """Give an engine that has found a forced door."""
    bench = EngineBench()
    bench.birth(inventory=(DOOR,))
    for t in range(8):
        bench.send(t + 1, series("door-1", "position", t, *[float(t >= 4)] * 5))
    (found,) = bench.found
    assert isinstance(found, Detection)
    return bench, found


def saver(bench: EngineBench, pool: Pool, every_s: float = 60.0) -> tuple[Saver, Context]:
    context = Context.make("test")
    metrics = Metrics(context.registry, bench.engine.counts)
    return Saver(bench.engine, pool, metrics, context.health, every_s=every_s, pause_max_s=0.5), context


async def test_finding_does_not_wait_for_the_time_of_the_states(pool: Pool, migrated_plain_dsn: str) -> None:
    bench, found = forced()
    one, context = saver(bench, pool)
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
    assert [row["detector"] for row in states] == ["access", "presence"]


async def test_finding_that_the_database_refuses_is_counted_and_holds_up_nothing(
    pool: Pool, migrated_plain_dsn: str
) -> None:
    bench, found = forced()
    one, context = saver(bench, pool)
    impossible = msgspec.structs.replace(found, id="01JD3Z0000000000000000000B", priority=9)
    one.add([impossible, found], now_us())
    assert await one.save()
    assert [row["id"] for row in rows(migrated_plain_dsn, "SELECT id FROM detections")] == [found.id]
    assert figure(context, "refused_total") == 1
    assert len(rows(migrated_plain_dsn, "SELECT detector FROM detector_state")) == 2


async def test_what_could_not_be_saved_is_saved_later_whole(migrated_plain_dsn: str) -> None:
    bench, found = forced()
    away = DatabaseSection(dsn="postgresql://nobody@127.0.0.1:1/none", connect_timeout_s=2, pool_min=0)
    async with open_pool(away) as nowhere:
        one, context = saver(bench, nowhere)
        one.add([found], now_us())
        assert not await one.save()
    assert figure(context, "save_failures_total") == 1
    assert not context.health.ok
    async with open_pool(DatabaseSection(dsn=migrated_plain_dsn)) as pool:
        one._pool = pool
        assert await one.save()
    assert [row["id"] for row in rows(migrated_plain_dsn, "SELECT id FROM detections")] == [found.id]
    assert len(rows(migrated_plain_dsn, "SELECT detector FROM detector_state")) == 2
    assert context.health.ok
