"""Findings of detectors in the database, stored together with the state they came out of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg.types.json import Jsonb

from hubwatch_core.clock import to_datetime
from hubwatch_core.wire import Clear, Detection
from hubwatch_store.detector_state import StateKey, StateRow, save_states
from hubwatch_store.errors import translated
from hubwatch_store.pool import Connection, Pool
from hubwatch_store.queries import queries


@dataclass(frozen=True, slots=True)
class Harvest:
    """What belongs into one transaction: findings in their order, states that changed, states that are gone."""

    findings: Sequence[Detection | Clear] = ()
    states: Sequence[StateRow] = ()
    gone: Sequence[StateKey] = ()


async def keep(pool: Pool, harvest: Harvest) -> None:
    """Store a harvest whole or not at all; storing a finding again changes nothing.

    The database tells `hubwatch_detections` of what is new. Raises Transient when the database is away, and Refused
    when it will not have this data.
    """
    with translated():
        async with pool.connection() as connection, connection.transaction():
            await _add(connection, [each for each in harvest.findings if isinstance(each, Detection)])
            await _end(connection, [each for each in harvest.findings if isinstance(each, Clear)])
            await save_states(connection, harvest.states, harvest.gone)


async def _add(connection: Connection, detections: Sequence[Detection]) -> None:
    if detections:
        await connection.cursor().executemany(queries("detections")["add"], [_row(each) for each in detections])


async def _end(connection: Connection, ends: Sequence[Clear]) -> None:
    rows = [(each.id, to_datetime(each.end), to_datetime(each.detected)) for each in ends]
    if rows:
        await connection.cursor().executemany(queries("detections")["end"], rows)


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
