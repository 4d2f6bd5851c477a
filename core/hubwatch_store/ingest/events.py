"""Events of frames, and what agents declare by them about their own losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from psycopg.types.json import Jsonb

from hubwatch_core.clock import to_datetime
from hubwatch_core.packed_frame import AnyFrame
from hubwatch_core.wire import Event, Seq, Ulid
from hubwatch_store.database import DatabaseConnection
from hubwatch_store.database.sql_files import queries
from hubwatch_store.ingest.meanings import SensorKey
from hubwatch_store.series import Meanings, meaning_at

EVICTED = "agent.evicted"
"""Event type by which an agent declares frames it threw away because its spool was full."""


class Eviction(msgspec.Struct, frozen=True):
    """Attributes of an `agent.evicted` event."""

    epoch: Ulid
    first_seq: Seq
    last_seq: Seq
    readings: int
    reason: str


async def copy_events(
    connection: DatabaseConnection, frames: Sequence[AnyFrame], sensors: Mapping[SensorKey, Meanings]
) -> None:
    """Store the events of `frames`, inside the caller's transaction."""
    rows = [(frame, event) for frame in frames for event in frame.events]
    if not rows:
        return
    async with connection.cursor().copy(queries("events")["copy"]) as copy:
        for frame, event in rows:
            device = None if event.device is None else to_datetime(event.device)
            moment, sensor = to_datetime(event.t), meaning_at(sensors[frame.hub, event.sensor], frame.sent)
            await copy.write_row((moment, sensor, event.type, event.subject, Jsonb(event.attrs), device, frame.late))


async def record_evictions(connection: DatabaseConnection, frames: Sequence[AnyFrame]) -> None:
    """Keep what `frames` declare as thrown away, inside the caller's transaction."""
    sql = queries("events")
    for frame in frames:
        for event in frame.events:
            gone = _eviction(event) if event.type == EVICTED else None
            if gone is not None:
                key = (frame.hub, frame.agent, gone.epoch)
                await connection.execute(queries("identities")["make_epochs"], [[name] for name in key])
                what = (gone.first_seq, gone.last_seq, gone.readings, gone.reason)
                await connection.execute(sql["evict"], (*what, *key))


def _eviction(event: Event) -> Eviction | None:
    """Read a declaration; one that cannot be read declares nothing, and its frames stay unexplained."""
    try:
        gone = msgspec.convert(event.attrs, Eviction)
    except msgspec.ValidationError:
        return None
    return gone if gone.first_seq <= gone.last_seq else None
