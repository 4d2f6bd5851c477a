"""Whether the hub is watched: agents, sensors, detectors, alarms, the ledger and the routes to people.

Every function works inside `translated()`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from hubwatch_store.database import DatabaseConnection, fetch

Row = dict[str, Any]
MOST_AGENTS, MOST_ROUTES, MOST_SENSORS = 1_000, 200, 5_000
"""Rows that are read at most; whoever shows as many says that there may be more."""


@dataclass(frozen=True, slots=True)
class HubWork:
    """How long ago a frame of a hub was stored and its detectors wrote something; None: never."""

    hub: str
    heard_s: float | None
    judged_s: float | None


@dataclass(frozen=True, slots=True)
class Beat:
    """A process that does work that only one may do, and the oldest finding that waits for an alarm."""

    kind: str
    hubs: Sequence[str] | None
    """Empty: every hub."""
    beats: int
    waits: int | None


async def work(connection: DatabaseConnection) -> list[HubWork]:
    """Return by hub when it was last heard and judged."""
    return [HubWork(**row) for row in await fetch(connection, "console", "work")]


async def beats(connection: DatabaseConnection) -> list[Beat]:
    """Return the processes that say that they work; whether they do shows only when it is asked again."""
    return [Beat(**row) for row in await fetch(connection, "console", "beats")]


async def agents(connection: DatabaseConnection, seen: Sequence[str] | None) -> list[Row]:
    """Return the agents of the hubs that somebody sees."""
    return await fetch(connection, "console", "agents", seen=_list(seen), most=MOST_AGENTS)


async def gaps(connection: DatabaseConnection, seen: Sequence[str] | None) -> dict[str, int]:
    """Count the frames that are not stored, by cause."""
    return {row["cause"]: row["frames"] for row in await fetch(connection, "console", "gaps", seen=_list(seen))}


async def routes(connection: DatabaseConnection, seen: Sequence[str] | None) -> list[Row]:
    """Return by route what became of the messages of the last day, with those that wait for longer."""
    return await fetch(connection, "console", "undelivered", seen=_list(seen), most=MOST_ROUTES)


async def dead_man(connection: DatabaseConnection) -> Row | None:
    """Return what came of the last beat of the dead man, None where none is set."""
    rows = await fetch(connection, "console", "dead_man")
    return rows[0] if rows else None


async def sensors(connection: DatabaseConnection, seen: Sequence[str] | None, hub: str | None = None) -> list[Row]:
    """Return each sensor with what shows whether it is seen: its newest reading, its agent, what is expected.

    At most `MOST_SENSORS`; `more_sensors` says how many there are beside.
    """
    return await _sensors(connection, seen, hub, None)


async def more_sensors(
    connection: DatabaseConnection, shown: int, seen: Sequence[str] | None, hub: str | None = None
) -> int:
    """Return how many sensors there are beside those that are shown."""
    if shown < MOST_SENSORS:
        return 0
    (row,) = await fetch(connection, "console", "sensors_there", seen=_list(seen), hub=hub)
    return max(0, int(row["sensors"]) - shown)


async def every_sensor(connection: DatabaseConnection) -> AsyncIterator[list[Row]]:
    """Yield all sensors there are, as `sensors` does, so many at a time."""
    after: list[str] | None = None
    while rows := await _sensors(connection, None, None, after):
        yield rows
        if len(rows) < MOST_SENSORS:
            return
        last = rows[-1]
        after = [last["hub"], last["zone"] or "", last["sensor"]]


async def _sensors(
    connection: DatabaseConnection, seen: Sequence[str] | None, hub: str | None, after: list[str] | None
) -> list[Row]:
    return await fetch(connection, "console", "sensors", seen=_list(seen), hub=hub, after=after, most=MOST_SENSORS)


def _list(seen: Sequence[str] | None) -> list[str] | None:
    return None if seen is None else list(seen)
