"""Findings of detectors in the database, stored together with the input they came out of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

from psycopg.types.json import Jsonb

from hubwatch_core.clock import to_datetime
from hubwatch_core.wire import Clear, Detection
from hubwatch_store.database import DatabaseConnection, Pool, translated
from hubwatch_store.database.sql_files import queries
from hubwatch_store.detections.detector_journal import JournalRow, add_entries
from hubwatch_store.ownership import still_ours


@dataclass(frozen=True, slots=True)
class DetectionBatch:
    """What belongs into one transaction: findings in their order, and what they were found in."""

    findings: Sequence[Detection | Clear] = ()
    journal: Sequence[JournalRow] = ()


async def keep(pool: Pool, batch: DetectionBatch, owner: str | None = None) -> dict[str, int]:
    """Store a batch whole or not at all; storing a finding again changes nothing. Return the journal's place by hub.

    The database tells `hubwatch_detections` of what is new. Raises Transient when the database is away, DatabaseRefused
    when it will not have this data. With the token of an `owner`, nothing is stored once another process has its work.
    """
    with translated():
        async with pool.connection() as connection, connection.transaction():
            await still_ours(connection, owner)
            await _add(connection, [each for each in batch.findings if isinstance(each, Detection)])
            await _end(connection, [each for each in batch.findings if isinstance(each, Clear)])
            return await add_entries(connection, batch.journal)


class Unended(NamedTuple):
    """A detection that has not ended, and who made it."""

    id: str
    hub: str
    sensor: str
    detector: str
    version: int


async def unended(pool: Pool, hubs: Sequence[str] = ()) -> list[Unended]:
    """Return what has not ended at `hubs`, or at all hubs when none is named. Raises Transient or Permanent."""
    with translated():
        async with pool.connection() as connection:
            cursor = await connection.execute(queries("detections")["unended"], {"hubs": list(hubs) or None})
            return [Unended(*cast("Unended", row)) for row in await cursor.fetchall()]


async def _add(connection: DatabaseConnection, detections: Sequence[Detection]) -> None:
    if detections:
        await connection.cursor().executemany(queries("detections")["add"], [_row(each) for each in detections])


async def _end(connection: DatabaseConnection, ends: Sequence[Clear]) -> None:
    rows = [(each.id, to_datetime(each.end), to_datetime(each.detected), each.why, each.score) for each in ends]
    if rows:
        await connection.cursor().executemany(queries("detections")["end_because"], rows)


def _row(each: Detection) -> tuple[object, ...]:
    return (
        each.id,
        each.type,
        each.hub,
        each.sensor,
        each.subject,
        to_datetime(each.start),
        None if each.end is None else to_datetime(each.end),
        to_datetime(each.detected),
        each.score,
        int(each.priority),
        each.detector,
        each.version,
        each.late,
        each.why,
        Jsonb(each.evidence),
    )
