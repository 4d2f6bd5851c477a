"""Keeps `readings_1m` and `readings_1h` right where TimescaleDB does not: late and out-of-order readings included.

Up to a mark the aggregates are tables; the public views add what is newer from the readings themselves, so they are
never behind. Writers say which hours got readings after the mark had passed them, and these are made again.
A bucket never goes down: when its readings were deleted as too old, a late one does not undo what was known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from psycopg import Connection, sql

from hubwatch_store.database import DatabaseConnection
from hubwatch_store.database.sql_files import queries
from hubwatch_store.series.bounds import Bounds
from hubwatch_store.series.columns import Columns
from hubwatch_store.series.partitions import partitions_of

SETTLE = timedelta(seconds=90)
"""Live readings come within seconds; what comes later than this is made again as late."""

LATE_HOURS = 500
"""Hours of channels made again in one transaction: a second's work at 5 readings a second and channel."""

LATE_NOTES = 100_000
"""Notes of writers gathered in one transaction."""

QUIET, PATIENCE = timedelta(seconds=90), timedelta(minutes=10)
"""While a backlog streams in, an hour is not made again every minute: only when it got nothing for so long, or waits
so long already.
"""

HOUR_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Width:
    """One aggregate: its table, its buckets' width, the column with its mark, how much is made in one transaction."""

    table: str
    width: str
    mark: str
    window: timedelta

    def query(self, name: str) -> sql.Composed:
        """Return a query of `aggregates.sql` about this aggregate."""
        return sql.SQL(queries("aggregates")[name]).format(
            table=sql.Identifier(self.table), width=sql.Literal(self.width), mark=sql.Identifier(self.mark)
        )


MINUTES = Width("reading_1m", "1 minute", "minute_to", timedelta(hours=1))
HOURS = Width("reading_1h", "1 hour", "hour_to", timedelta(hours=6))


@dataclass(slots=True)
class Refreshed:
    """What a refresh did: buckets made, hours of channels made again, buckets whose readings were deleted before."""

    buckets: int = 0
    late_hours: int = 0
    too_late: int = 0


async def note_late(connection: DatabaseConnection, columns: Columns) -> None:
    """Record which of these readings are late; in the transaction that stores them, whatever their order in it."""
    cursor = await connection.execute(queries("aggregates")["late_before"])
    row: tuple[Any, ...] | None = await cursor.fetchone()
    if row is None or row[0] is None:
        return
    late = columns.time < int(row[0])
    if late.any():
        hours = columns.time[late] // HOUR_US * HOUR_US
        pairs = np.unique(np.stack([columns.channel[late].astype(np.int64), hours]), axis=1)
        await connection.execute(queries("aggregates")["note_late"], (pairs[0].tolist(), pairs[1].tolist()))


def maintained(connection: Connection[Any]) -> bool:
    """Return whether the aggregates are ours to keep up; otherwise they are continuous aggregates of TimescaleDB."""
    row = connection.execute(queries("aggregates")["maintained"]).fetchone()
    return bool(row and row[0])


def refresh(connection: Connection[Any], bounds: Bounds, *, patient: bool = False) -> Refreshed:
    """Bring the aggregates up to a minute and a half ago, in transactions of bounded size, until `bounds` are reached.

    With `patient`, hours that are still getting late readings are left for later (see `PATIENCE`).
    Raises Transient when a writer did not finish in time; what was done until then stays.
    """
    done = Refreshed()
    if not maintained(connection):
        return done
    minute, hour = _announce(connection)
    for width, until in ((MINUTES, minute), (HOURS, hour)):
        _advance(connection, width, until, bounds, done)
    _gather_late(connection, bounds)
    quiet, patience = (QUIET, PATIENCE) if patient else (timedelta(0), timedelta(0))
    _redo_late(connection, bounds, done, {"quiet": quiet, "patience": patience, "most": LATE_HOURS})
    return done


def _announce(connection: Connection[Any]) -> tuple[datetime, datetime]:
    sql = queries("aggregates")
    row = connection.execute(sql["target"], {"settle": SETTLE}).fetchone()
    assert row is not None, "a select without a table gives one row"
    with connection.transaction():
        connection.execute(sql["announce"])
        _follow_clock(connection, row[0], row[1])
        connection.execute(sql["set_late_before"], (row[0],))
    return row[0], row[1]


def _follow_clock(connection: Connection[Any], minute: datetime, hour: datetime) -> None:
    """Set the marks back when the database's clock was: else what comes until it has passed them would be late."""
    sql = queries("aggregates")
    ahead = connection.execute(sql["far_ahead"], {"until": minute, "margin": PATIENCE}).fetchone()
    if ahead and ahead[0]:
        connection.execute(MINUTES.query("forget_beyond"), {"until": minute})
        connection.execute(HOURS.query("forget_beyond"), {"until": hour})
        connection.execute(sql["set_marks_back"], {"minute": minute, "hour": hour})


def _advance(connection: Connection[Any], width: Width, until: datetime, bounds: Bounds, done: Refreshed) -> None:
    for since, end in _windows(connection, width, until):
        if bounds.reached():
            return
        if width is MINUTES:
            connection.execute(queries("aggregates")["partitions"], ([since],))
        with connection.transaction():
            done.buckets += connection.execute(width.query("advance"), {"since": since, "until": end}).rowcount
            connection.execute(width.query("set_mark"), {"until": end})
    connection.execute(width.query("set_mark"), {"until": until})


def _windows(connection: Connection[Any], width: Width, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    row = connection.execute(width.query("mark")).fetchone()
    assert row is not None, "the migration has put the one row there"
    for partition in partitions_of(connection, "reading"):
        since, end = max(partition.first, row[0]), min(partition.beyond, until)
        while since < end:
            step = min(since + width.window, end)
            yield since, step
            since = step


def _gather_late(connection: Connection[Any], bounds: Bounds) -> None:
    notes = 1
    while notes and not bounds.reached():
        row = connection.execute(queries("aggregates")["gather_late"], {"most": LATE_NOTES}).fetchone()
        notes = row[0] if row else 0


def _redo_late(connection: Connection[Any], bounds: Bounds, done: Refreshed, which: dict[str, object]) -> None:
    sql = queries("aggregates")
    days = [row[0] for row in connection.execute(sql["late_days"])]
    if days:
        connection.execute(sql["partitions"], (days,))
    while days and not bounds.reached():
        with connection.transaction():
            hours = connection.execute(sql["take_late"], which).fetchall()
            if not hours:
                return
            columns = {"channels": [row[0] for row in hours], "hours": [row[1] for row in hours]}
            for width in (MINUTES, HOURS):
                made, stored = connection.execute(width.query("redo"), columns).fetchall()[0]
                done.buckets += stored
                done.too_late += made - stored
            done.late_hours += len(hours)
