"""What detectors remember, saved so that a restart continues where they stood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

from hubwatch_store.database import Pool, translated
from hubwatch_store.database.sql_files import queries
from hubwatch_store.detections.detector_journal import drop_entries
from hubwatch_store.ownership import still_ours

ROWS = 500
"""States a statement stores, so that making one ready does not hold up what else the process does."""


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
    """Return the states of `hubs`, or of all hubs when none is named. Raises Transient or Permanent."""
    with translated():
        async with pool.connection() as connection:
            cursor = await connection.execute(queries("detector_state")["load"], {"hubs": list(hubs) or None})
            rows = cast("list[tuple[str, str, str, str, int, bytes]]", await cursor.fetchall())
    return [StateRow(StateKey(*row[:4]), row[4], row[5]) for row in rows]


@dataclass(frozen=True, slots=True)
class StateSnapshot:
    """The states of a hub that changed, those that are gone, and the place in the journal up to which they hold all."""

    hub: str
    states: Sequence[StateRow]
    gone: Sequence[StateKey]
    until: int


async def keep_snapshot(pool: Pool, snapshot: StateSnapshot, owner: str | None = None) -> None:
    """Store a snapshot whole or not at all, and remove from the journal what it holds.

    Raises as `keep`. With the token of an `owner`, nothing is stored once another process has its work.
    """
    sql = queries("detector_state")
    with translated():
        async with pool.connection() as connection, connection.transaction():
            await still_ours(connection, owner)
            for first in range(0, len(snapshot.states), ROWS):
                rows = snapshot.states[first : first + ROWS]
                values = {"version": [row.version for row in rows], "state": [row.state for row in rows]}
                await connection.execute(sql["save"], _columns([row.key for row in rows]) | values)
            if snapshot.gone:
                await connection.execute(sql["drop"], _columns(snapshot.gone))
            await drop_entries(connection, snapshot.hub, snapshot.until)


def _columns(keys: Sequence[StateKey]) -> dict[str, Sequence[object]]:
    return {name: [getattr(key, name) for key in keys] for name in StateKey._fields}
