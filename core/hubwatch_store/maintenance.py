"""What a database needs from time to time: aggregates brought up to date, the ledger folded and looked through, old
data deleted. One process at a time.

Collectors run it as a part; where none should, `hubwatch db maintain` does the same from cron.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from prometheus_client import Counter, Gauge
from psycopg import Connection, OperationalError
from psycopg.types.json import Jsonb

from hubwatch_core.errors import HubwatchError
from hubwatch_core.logs import get_logger
from hubwatch_core.service import Context, Part
from hubwatch_store import aggregates, dead_letter_bounds, folding, integrity, retention
from hubwatch_store.aggregates import Refreshed
from hubwatch_store.bounds import Bounds
from hubwatch_store.config import DatabaseSection
from hubwatch_store.errors import translated
from hubwatch_store.pool import connect, connect_sync, hang_up
from hubwatch_store.queries import queries
from hubwatch_store.retention import Deleted

REFRESH_EVERY_S = 60.0
RETENTION_EVERY = timedelta(hours=6)
"""Days are what rules count in, so a few times a day is often enough."""

NAME = "hubwatch maintenance"

RUN_S = 300.0
"""How long a run inside a collector may take; the next one goes on where it stopped."""

CANCEL_S = 1.0
"""How long the server may take to hear that a statement is to end, and to end it, before we hang up."""

_log = get_logger("maintenance")


@dataclass(slots=True)
class Done:
    """What one run did; `deleted` is None when retention was not due."""

    refreshed: Refreshed = field(default_factory=Refreshed)
    deleted: Deleted | None = None
    folded: int = 0
    unexplained: int = 0
    trimmed: int = 0


@dataclass(frozen=True, slots=True)
class Upkeep:
    """How well a database is kept; `maintained` is whether its aggregates are ours to make."""

    maintained: bool
    holds: int
    behind_s: float | None
    late_hours: int
    retention: datetime | None


def upkeep(connection: Connection[Any]) -> Upkeep:
    """Tell how well a migrated database is kept."""
    with translated():
        row = connection.execute(queries("maintenance")["upkeep"]).fetchone()
        assert row is not None, "the migration has put the one row there"
        return Upkeep(aggregates.maintained(connection), *row)


def maintain(
    settings: DatabaseSection, bounds: Bounds | None = None, *, dry_run: bool = False, when_due: bool = False
) -> Done | None:
    """Refresh aggregates and apply retention; None when another process is at it.

    With `dry_run` nothing is changed and `deleted` says what would be. With `when_due` retention waits until
    `RETENTION_EVERY` after the last, and late hours until they get no more readings. Raises Transient when the
    database is away or a writer blocks us for too long.
    """
    with connect_sync(settings, NAME) as connection:
        return maintain_on(connection, bounds or Bounds(), dry_run=dry_run, when_due=when_due)


def maintain_on(
    connection: Connection[Any], bounds: Bounds, *, dry_run: bool = False, when_due: bool = False
) -> Done | None:
    """Do the same on a connection of the caller's, who closes it afterwards: that gives the turn to others."""
    with translated():
        connection.execute("SET statement_timeout = 0")
        if dry_run:
            return Done(deleted=retention.apply(connection, bounds, dry_run=True))
        if not _one(connection, "try_lock"):
            return None
        done = Done(_refresh(connection, bounds, patient=when_due), unexplained=integrity.tell_unexplained(connection))
        done.folded = folding.fold(connection, bounds)
        done.trimmed = _trim(connection)
        if not when_due or _one(connection, "due", RETENTION_EVERY):
            done.deleted = _delete(connection, bounds)
    return done


def _refresh(connection: Connection[Any], bounds: Bounds, *, patient: bool) -> Refreshed:
    with _lock_timeout(connection):
        refreshed = aggregates.refresh(connection, bounds, patient=patient)
    if refreshed.too_late:
        _log.warning(
            "late readings are in no aggregate: those of their buckets were deleted", buckets=refreshed.too_late
        )
        began = _one(connection, "now")
        detail = Jsonb({"too_late": refreshed.too_late})
        connection.execute(queries("maintenance")["record"], (began, "too_late", True, detail))
    return refreshed


def _trim(connection: Connection[Any]) -> int:
    began = _one(connection, "now")
    trimmed = dead_letter_bounds.trim(connection)
    if trimmed:
        _log.warning("dead letters beyond their bounds were deleted", letters=trimmed)
        connection.execute(queries("maintenance")["record"], (began, "dead_letters", True, Jsonb({"letters": trimmed})))
    return trimmed


def _delete(connection: Connection[Any], bounds: Bounds) -> Deleted:
    began = _one(connection, "now")
    deleted = retention.apply(connection, bounds)
    detail = {
        "rows": [[layer, kind, rows] for (layer, kind), rows in sorted(deleted.rows.items()) if rows],
        "pieces": dict(deleted.pieces),
        "rewritten": deleted.rewritten,
        "postponed": deleted.postponed,
    }
    connection.execute(queries("maintenance")["record"], (began, "retention", deleted.complete, Jsonb(detail)))
    return deleted


@contextmanager
def _lock_timeout(connection: Connection[Any]) -> Iterator[None]:
    connection.execute(f"SET lock_timeout = '{retention.LOCK_WAIT}'")
    yield
    connection.execute("RESET lock_timeout")


def _one(connection: Connection[Any], name: str, *values: object) -> Any:
    row = connection.execute(queries("maintenance")[name], values).fetchone()
    assert row is not None, "these queries always give one row"
    return row[0]


def part(settings: DatabaseSection, context: Context) -> Part:
    """Give the part that maintains while its process runs; of several processes one does it, the others stand by."""
    return Part("maintenance", _Keeper(settings, context).run)


class _Keeper:
    def __init__(self, settings: DatabaseSection, context: Context) -> None:
        self._settings = settings
        self._away = False
        registry = context.registry
        self._rows = Counter("hubwatch_store_deleted_rows", "Rows deleted by retention", ["layer"], registry=registry)
        self._too_late = Counter(
            "hubwatch_store_too_late_buckets", "Buckets late readings could not be counted in", registry=registry
        )
        self._folded = Counter("hubwatch_store_folded_frames", "Frames folded in the ledger", registry=registry)
        self._trimmed = Counter("hubwatch_store_deleted_dead_letters", "Dead letters deleted", registry=registry)
        self._unexplained = Gauge(
            "hubwatch_store_unexplained_frames", "Frames missing that nothing explains", registry=registry
        )
        self._last = Gauge("hubwatch_store_maintained_time_seconds", "When maintenance last ran", registry=registry)

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self._once(stop)
            try:
                await asyncio.wait_for(stop.wait(), REFRESH_EVERY_S)
            except TimeoutError:
                continue

    async def _once(self, stop: asyncio.Event) -> None:
        try:
            done = await self._maintain(stop)
        except HubwatchError as error:
            # Whatever it is, it is no reason for a collector to stop storing.
            if not self._away and not stop.is_set():
                _log.warning("maintenance has to wait", reason=str(error))
            self._away = True
            return
        if self._away:
            _log.info("maintenance goes on")
        self._away = False
        if done is not None:
            self._tell(done)

    async def _maintain(self, stop: asyncio.Event) -> Done | None:
        if not await self._there(stop):
            return None
        connection = await asyncio.to_thread(connect_sync, self._settings, NAME)
        bounds = Bounds(RUN_S, stop.is_set)
        working = asyncio.create_task(asyncio.to_thread(maintain_on, connection, bounds, when_due=True))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                await self._interrupt(connection, working)
            return await working
        finally:
            stopping.cancel()
            connection.close()

    async def _interrupt(self, connection: Connection[Any], working: asyncio.Task[Done | None]) -> None:
        """End what runs: one statement, such as the rewriting of a large piece, may take longer than a stop may."""
        with suppress(OperationalError):
            await asyncio.to_thread(connection.cancel_safe, timeout=CANCEL_S)
        await asyncio.wait([working], timeout=CANCEL_S)
        hang_up(connection)

    async def _there(self, stop: asyncio.Event) -> bool:
        """Tell whether the database can be reached, without a thread that a stop would have to wait for."""
        connecting = asyncio.create_task(connect(self._settings, NAME))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([connecting, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not connecting.done():
            connecting.cancel()
            await asyncio.wait([connecting])
            return False
        await connecting.result().close()
        return True

    def _tell(self, done: Done) -> None:
        self._last.set_to_current_time()
        self._folded.inc(done.folded)
        self._trimmed.inc(done.trimmed)
        self._unexplained.set(done.unexplained)
        self._too_late.inc(done.refreshed.too_late)
        if done.deleted is None:
            return
        for (layer, _), rows in done.deleted.rows.items():
            self._rows.labels(layer).inc(rows)
        rows = sum(done.deleted.rows.values())
        if rows or done.deleted.pieces:
            _log.info("deleted what was past its rule", rows=rows, pieces=sum(done.deleted.pieces.values()))
