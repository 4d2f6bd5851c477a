"""What the isolation of hubs costs: storing and showing, with roles and without, taken in turns on one server."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from time import perf_counter

import psycopg
from msgspec import structs

from benchmarks.result import Progress
from hubwatch_core import wire
from hubwatch_core.clock import now_us
from hubwatch_store.database import DatabaseSection, migrate
from hubwatch_store.ingest import Writer
from support import services
from support.databases import fresh_database
from support.full_database import fill, relations
from support.kept_database import HUB, kept_in
from support.panel_queries import panel_queries
from support.role_logins import RoleLogins, roles_in
from support.store_examples import birth, frame, offer, series

ROUNDS = int(os.environ.get("HUBWATCH_BENCH_TRUST_ROUNDS", "9"))
FRAMES = 50
VALUES = 100
SENSORS = 20
SECOND_US = 1_000_000
FREE = ("level_scales",)


def foreign_reads(progress: Progress) -> dict[str, float]:
    """Count the rows that a reader of one hub sees of another one, over every table and view."""
    with fresh_database(services.timescale_server()) as dsn:
        migrate(DatabaseSection(dsn=dsn))
        with kept_in(dsn) as kept:
            fill(kept, readings=100)
            names = [name for name in relations(kept.connection) if name not in FREE]
        with roles_in(dsn) as logins:
            seen = {name: _rows(logins.reader("foreign", "elsewhere"), name) for name in names}
            own = {name: _rows(logins.reader("own", HUB), name) for name in names}
    readable = [name for name, rows in own.items() if rows]
    assert len(readable) > 30, "a reader sees its own hub"
    progress(f"isolation: {len(names)} tables and views, {len(readable)} of them read by the hub's own reader")
    return {"foreign_hub_reads": sum(seen.values()), "foreign_hub_relations": len(names)}


def _rows(dsn: str, name: str) -> int:
    columns = "id" if name == "dead_letters" else "*"
    with psycopg.connect(dsn, autocommit=True) as connection:
        try:
            row = connection.execute(
                f"SELECT count(*) FROM (SELECT {columns} FROM hubwatch.{name}) r".encode()
            ).fetchone()
        except psycopg.errors.InsufficientPrivilege:
            return 0
    assert row is not None
    return int(row[0])


def isolation(progress: Progress) -> dict[str, float]:
    """Measure both ratios; more than 1 is faster with roles."""
    return asyncio.run(_isolation(progress))


async def _isolation(progress: Progress) -> dict[str, float]:
    with _two() as (open_dsn, logins):
        stored = await _stored(open_dsn, logins.of("collector"))
        progress(f"isolation: storing took {stored[1]:.3f} s a batch with roles, {stored[0]:.3f} s without")
        shown = await asyncio.to_thread(_shown, open_dsn, logins.reader("board", "harbour"))
        progress(f"isolation: all panels took {shown[1]:.3f} s with roles, {shown[0]:.3f} s without")
    return {"rls_ingest_ratio": stored[0] / stored[1], "rls_panel_ratio": shown[0] / shown[1]}


@contextmanager
def _two() -> Iterator[tuple[str, RoleLogins]]:
    server = services.timescale_server()
    with fresh_database(server) as free, fresh_database(server) as held:
        for dsn in (free, held):
            migrate(DatabaseSection(dsn=dsn))
        with roles_in(held) as logins:
            yield free, logins


async def _stored(free: str, held: str) -> tuple[float, float]:
    """Store the same batches in both, in turns; return the median seconds of a batch."""
    took: dict[str, list[float]] = {free: [], held: []}
    writers = {dsn: Writer(DatabaseSection(dsn=dsn)) for dsn in (free, held)}
    try:
        for number in range(ROUNDS + 1):
            for dsn in (free, held) if number % 2 else (held, free):
                batch = [offer(_birth())] if number == 0 else []
                batch += [offer(each) for each in _frames(number * FRAMES)]
                began = perf_counter()
                await writers[dsn].write(batch)
                if number:  # the first one makes names, partitions and plans
                    took[dsn].append(perf_counter() - began)
    finally:
        for writer in writers.values():
            await writer.close()
    return median(took[free]), median(took[held])


def _birth() -> wire.Birth:
    (made,) = birth().inventory
    return birth(inventory=[structs.replace(made, sensor=f"rpm-{i}") for i in range(SENSORS)])


def _frames(first: int) -> Iterator[wire.Frame]:
    for seq in range(first + 1, first + FRAMES + 1):
        t0 = now_us() - 3600 * SECOND_US + seq * SECOND_US
        values = [series(t0, [float(i) for i in range(VALUES)], sensor=f"rpm-{i}") for i in range(SENSORS)]
        yield frame(seq, series=values)


def _shown(free: str, held: str) -> tuple[float, float]:
    """Ask every query of the boards in both, in turns; return the sum of the medians."""
    with psycopg.connect(free, autocommit=True) as one, psycopg.connect(held, autocommit=True) as other:
        for each in (one, other):
            each.execute("SET jit = off; SET statement_timeout = '60s'")
        sums = [0.0, 0.0]
        for _, query in panel_queries("harbour", 1):
            took: tuple[list[float], list[float]] = ([], [])
            for number in range(ROUNDS):
                for i in (0, 1) if number % 2 else (1, 0):
                    began = perf_counter()
                    (one, other)[i].execute(query.encode()).fetchall()
                    took[i].append(perf_counter() - began)
            for i in (0, 1):
                sums[i] += median(took[i])
    return sums[0], sums[1]
