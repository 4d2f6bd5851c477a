"""What a database needs from time to time: aggregates brought up to date, the ledger compacted and checked, old
data deleted. One process at a time.

`service.py` runs it inside every collector; where none should, `hubwatch db maintain` does the same from cron.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from hubwatch_core.logs import get_logger
from hubwatch_store.audit import AuditSection, sign_daily
from hubwatch_store.database import DatabaseSection, connect_sync, translated
from hubwatch_store.database.sql_files import queries
from hubwatch_store.ingest import dead_letters, evidence, mistrust, recent
from hubwatch_store.keeping import Deleted, compaction, privacy, retention
from hubwatch_store.series import Bounds, Refreshed, aggregates
from hubwatch_store.upkeep.refused_frames import report_refused_frames
from hubwatch_store.upkeep.unexplained_gaps import report_unexplained_gaps

DAY = timedelta(days=1)
RETENTION_EVERY = timedelta(hours=6)
"""Days are what rules count in, so a few times a day is often enough."""

NAME = "hubwatch maintenance"

_log = get_logger("maintenance")


@dataclass(slots=True)
class Done:
    """What one run did; `deleted` is None when retention was not due."""

    refreshed: Refreshed = field(default_factory=Refreshed)
    deleted: Deleted | None = None
    folded: int = 0
    unexplained: int = 0
    refused: int = 0
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
    """Return how well a migrated database is kept."""
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
    connection: Connection[Any], bounds: Bounds, *, dry_run: bool = False, when_due: bool = False,
    heads: AuditSection | None = None,
) -> Done | None:  # fmt: skip
    """Do the same on a connection of the caller's, who closes it afterwards: that gives the turn to others. With
    `heads` the end of the journal of acts is signed once a day.
    """
    with translated():
        connection.execute("SET statement_timeout = 0")
        if dry_run:
            return Done(deleted=retention.apply(connection, bounds, dry_run=True))
        if not _one(connection, "try_lock"):
            return None
        done = Done(unexplained=report_unexplained_gaps(connection))
        done.refused = report_refused_frames(connection, _one(connection, "now"))
        mistrust.end_what_is_over(connection)
        done.refreshed = _refresh(connection, bounds, patient=when_due)
        done.folded = compaction.fold(connection, bounds)
        done.trimmed = _trim(connection)
        recent.trim(connection)
        if not when_due or _one(connection, "due", RETENTION_EVERY):
            done.deleted = _delete(connection, bounds)
            evidence.trim(connection)
    if heads is not None and heads.key_file is not None:
        sign_daily(connection, heads.key_file, heads.heads)  # last: a bad key keeps nothing else from being done
    return done


def _refresh(connection: Connection[Any], bounds: Bounds, *, patient: bool) -> Refreshed:
    with _lock_timeout(connection):
        refreshed = aggregates.refresh(connection, bounds, patient=patient)
    if refreshed.too_late:
        _log.warning(
            "late readings not aggregated: the readings of their buckets are deleted", buckets=refreshed.too_late
        )
        began = _one(connection, "now")
        detail = Jsonb({"too_late": refreshed.too_late})
        connection.execute(queries("maintenance")["record"], (began, "too_late", True, detail))
    return refreshed


def _trim(connection: Connection[Any]) -> int:
    began = _one(connection, "now")
    trimmed = dead_letters.trim(connection)
    if trimmed:
        _log.warning("dead letters beyond their bounds were deleted", letters=trimmed)
        connection.execute(queries("maintenance")["record"], (began, "dead_letters", True, Jsonb({"letters": trimmed})))
    return trimmed


def _delete(connection: Connection[Any], bounds: Bounds) -> Deleted:
    began = _one(connection, "now")
    behind = retention.advance_clock(connection)
    if behind > timedelta(0):
        _log.warning("the clock leapt ahead: retention follows by two days a run", behind_days=round(behind / DAY, 1))
    deleted = retention.apply(connection, bounds)
    nameless = privacy.expire(connection)
    detail = {
        "rows": [[layer, kind, rows] for (layer, kind), rows in sorted(deleted.rows.items()) if rows],
        "partitions": dict(deleted.partitions),
        "rewritten": deleted.rewritten,
        "postponed": deleted.postponed,
        "nameless": nameless,
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
