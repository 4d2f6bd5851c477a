"""What detectors remember, saved so that a restart continues where they stood."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

from hubwatch_store.errors import translated
from hubwatch_store.pool import Connection, Pool
from hubwatch_store.queries import queries


class StateKey(NamedTuple):
    """What a state belongs to; `sensor` is empty for detectors of a whole hub, `lane` is live or late."""

    hub: str
    detector: str
    sensor: str
    lane: str


class StateRow(NamedTuple):
    """One saved state; `version` is the detector's, whose other versions cannot read it."""

    key: StateKey
    version: int
    state: bytes


async def load_states(pool: Pool, hubs: Sequence[str] = ()) -> list[StateRow]:
    """Give the states of `hubs`, or of all hubs when none is named. Raises Transient or Permanent."""
    with translated():
        async with pool.connection() as connection:
            cursor = await connection.execute(queries("detector_state")["load"], {"hubs": list(hubs) or None})
            rows = cast("list[tuple[str, str, str, str, int, bytes]]", await cursor.fetchall())
    return [StateRow(StateKey(*row[:4]), row[4], row[5]) for row in rows]


async def save_states(connection: Connection, rows: Sequence[StateRow], gone: Sequence[StateKey]) -> None:
    """Store `rows` in place of what was there, and remove `gone`, inside the caller's transaction."""
    sql = queries("detector_state")
    if rows:
        values = {"version": [row.version for row in rows], "state": [row.state for row in rows]}
        await connection.execute(sql["save"], _columns([row.key for row in rows]) | values)
    if gone:
        await connection.execute(sql["drop"], _columns(gone))


def _columns(keys: Sequence[StateKey]) -> dict[str, Sequence[object]]:
    return {name: [getattr(key, name) for key in keys] for name in StateKey._fields}
