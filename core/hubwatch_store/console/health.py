"""Whether the hub is watched: agents, sensors, detectors, alarms, the ledger and the routes to people.

Every function works inside `translated()`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hubwatch_store.database import DatabaseConnection, fetch

Row = dict[str, Any]


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
    return await fetch(connection, "console", "agents", seen=_list(seen))


async def gaps(connection: DatabaseConnection, seen: Sequence[str] | None) -> dict[str, int]:
    """Count the frames that are not stored, by cause."""
    return {row["cause"]: row["frames"] for row in await fetch(connection, "console", "gaps", seen=_list(seen))}


async def routes(connection: DatabaseConnection, seen: Sequence[str] | None) -> list[Row]:
    """Return what became of the messages of the last day, by route."""
    return await fetch(connection, "console", "undelivered", seen=_list(seen))


async def dead_man(connection: DatabaseConnection) -> Row | None:
    """Return what came of the last beat of the dead man, None where none is set."""
    rows = await fetch(connection, "console", "dead_man")
    return rows[0] if rows else None


async def sensors(connection: DatabaseConnection, seen: Sequence[str] | None, hub: str | None = None) -> list[Row]:
    """Return each sensor with what shows whether it is seen: its newest reading, its agent, what is expected."""
    return await fetch(connection, "console", "sensors", seen=_list(seen), hub=hub)


def _list(seen: Sequence[str] | None) -> list[str] | None:
    return None if seen is None else list(seen)
