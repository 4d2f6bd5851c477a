"""Incidents in the database: alarms that belong together."""

from __future__ import annotations

from dataclasses import dataclass

from hubwatch_core.clock import to_datetime, to_us
from hubwatch_store.database import DatabaseConnection, fetch, write


@dataclass(frozen=True, slots=True)
class NearbyAlarm:
    """An alarm of an open incident, as far as belonging together goes; `opened` in microseconds."""

    incident: int
    zone: str | None
    priority: int
    opened: int


async def neighbours(connection: DatabaseConnection, hub: str, since: int, until: int) -> list[NearbyAlarm]:
    """Return the alarms of a hub's open incidents that opened between two moments, newest first."""
    rows = await fetch(
        connection, "incidents", "neighbours", hub=hub, since=to_datetime(since), until=to_datetime(until)
    )
    return [NearbyAlarm(row["incident"], row["zone"], row["priority"], to_us(row["opened"])) for row in rows]


async def open_incident(connection: DatabaseConnection, hub: str, opened: int, title: str) -> int:
    """Begin an incident with one alarm; return its number."""
    (row,) = await fetch(connection, "incidents", "open", hub=hub, opened=to_datetime(opened), title=title)
    return int(row["id"])


async def join_incident(connection: DatabaseConnection, incident: int, opened: int) -> None:
    """Count one more alarm, open since `opened`, in an incident."""
    await write(connection, "incidents", "join", id=incident, opened=to_datetime(opened))


async def close_when_done(connection: DatabaseConnection, incident: int, at: int) -> None:
    """Close an incident when none of its alarms is open."""
    await write(connection, "incidents", "close_when_done", id=incident, at=to_datetime(at))


async def reopen_incident(connection: DatabaseConnection, incident: int) -> None:
    """Open an incident again, because one of its alarms is open again."""
    await write(connection, "incidents", "reopen", id=incident)
