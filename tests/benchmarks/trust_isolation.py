"""What the isolation of hubs costs: storing and showing, with roles and without, taken in turns on one server."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median, quantiles
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
PANEL_ROUNDS = 3 * ROUNDS
"""Panels are quick, and their ratio is held to a margin that is narrow for a busy machine."""
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
        progress(f"isolation: storing is {_told(stored)} of the speed without roles")
        for dsn in (open_dsn, logins.dsn):
            _analyse(dsn)
        shown = await asyncio.to_thread(_shown, open_dsn, logins.reader("board", "harbour"))
        progress(f"isolation: all panels together are {_told(shown)} of the speed without roles")
    return {
        "rls_ingest_ratio": median(stored),
        "rls_panel_ratio": median(shown),
        "rls_panel_ratio_low": _quarters(shown)[0],
        "rls_panel_ratio_high": _quarters(shown)[2],
    }


def _told(ratios: list[float]) -> str:
    low, middle, high = _quarters(ratios)
    return f"{middle:.3f} ({low:.3f} to {high:.3f} in the middle half of {len(ratios)} pairs)"


def _quarters(ratios: list[float]) -> list[float]:
    return quantiles(ratios, n=4, method="inclusive")


@contextmanager
def _two() -> Iterator[tuple[str, RoleLogins]]:
    server = services.timescale_server()
    with fresh_database(server) as free, fresh_database(server) as held:
        for dsn in (free, held):
            migrate(DatabaseSection(dsn=dsn))
        with roles_in(held) as logins:
            yield free, logins


async def _stored(free: str, held: str) -> list[float]:
    """Store the same batches in both, in turns; return for each pair how fast the second was, as part of the first."""
    ratios = []
    writers = [Writer(DatabaseSection(dsn=dsn)) for dsn in (free, held)]
    try:
        for number in range(ROUNDS + 1):
            took = [0.0, 0.0]
            for i in _in_turns(number):
                batch = [offer(_birth())] if number == 0 else []
                batch += [offer(each) for each in _frames(number * FRAMES)]
                began = perf_counter()
                await writers[i].write(batch)
                took[i] = perf_counter() - began
            if number:  # the first one makes names, partitions and plans
                ratios.append(took[0] / took[1])
    finally:
        for writer in writers:
            await writer.close()
    return ratios


def _in_turns(number: int) -> tuple[int, int]:
    """Return which of two goes first: what changes on the machine then meets both alike."""
    return (0, 1) if number % 2 else (1, 0)


def _birth() -> wire.Birth:
    (made,) = birth().inventory
    return birth(inventory=[structs.replace(made, sensor=f"rpm-{i}") for i in range(SENSORS)])


def _frames(first: int) -> Iterator[wire.Frame]:
    for seq in range(first + 1, first + FRAMES + 1):
        t0 = now_us() - 3600 * SECOND_US + seq * SECOND_US
        values = [series(t0, [float(i) for i in range(VALUES)], sensor=f"rpm-{i}") for i in range(SENSORS)]
        yield frame(seq, series=values)


def _analyse(dsn: str) -> None:
    """Give both the same statistics: else one has been analysed by the server meanwhile and the other has not."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("ANALYZE")


def _shown(free: str, held: str) -> list[float]:
    """Ask every query of the boards in both, one right after the other; return the ratio of each round's sums.

    So whatever else the machine does meanwhile is in both sums of a round; medians of each side were of other moments.
    """
    queries = [query.encode() for _, query in panel_queries("harbour", 1)]
    ratios = []
    with psycopg.connect(free, autocommit=True) as one, psycopg.connect(held, autocommit=True) as other:
        for each in (one, other):
            each.execute("SET jit = off; SET statement_timeout = '60s'")
        for number in range(PANEL_ROUNDS + 1):
            sums = [0.0, 0.0]
            for place, query in enumerate(queries):
                for i in _in_turns(number + place):
                    began = perf_counter()
                    (one, other)[i].execute(query).fetchall()
                    sums[i] += perf_counter() - began
            if number:  # the first one reads what is on disk and plans what a session keeps
                ratios.append(sums[0] / sums[1])
    return ratios
