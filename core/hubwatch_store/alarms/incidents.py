"""Incidents in the database: alarms that belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from hubwatch_core.alarm import Alarm
from hubwatch_core.clock import to_datetime, to_us
from hubwatch_store.alarms.alarms import alarm_of
from hubwatch_store.database import DatabaseConnection, fetch, write


@dataclass(frozen=True, slots=True)
class NearbyAlarm:
    """An alarm of an open incident, as far as belonging together goes; `opened` in microseconds."""

    incident: int
    zone: str | None
    priority: int
    opened: int


@dataclass(frozen=True, slots=True)
class OpenIncident:
    """An incident that is open, as it stands."""

    id: int
    hub: str
    opened: datetime
    title: str
    alarms: int
    """How many alarms it has had."""
    open: int
    priority: int
    """That of its most urgent open alarm."""
    untaken: int
    """How many of its open alarms nobody has taken."""
    zones: Sequence[str] | None


async def list_incidents(
    connection: DatabaseConnection, *, hub: str | None, most: int, seen: Sequence[str] | None = None
) -> list[OpenIncident]:
    """Return up to `most` open incidents, the most urgent first, of the hubs that are `seen` where that is given."""
    values = {"hub": hub, "most": most, "seen": None if seen is None else list(seen)}
    return [OpenIncident(**row) for row in await fetch(connection, "incidents", "list_incidents", **values)]


async def hub_of(connection: DatabaseConnection, incident: int) -> str | None:
    """Return the hub of an incident, None when there is none of that number."""
    rows = await fetch(connection, "incidents", "one", id=incident)
    return rows[0]["hub"] if rows else None


async def open_alarms(connection: DatabaseConnection, incident: int) -> list[Alarm]:
    """Return the open alarms of an incident, the most urgent first."""
    return [alarm_of(row) for row in await fetch(connection, "incidents", "open_alarms", id=incident)]


async def neighbours(
    connection: DatabaseConnection, hub: str, since: int, until: int, exercise: int | None = None
) -> list[NearbyAlarm]:
    """Return the newest alarm of each zone, critical or not, of those of a hub's open incidents that opened between two
    moments, the newest first: real ones, or those of a drill.
    """
    rows = await fetch(
        connection, "incidents", "neighbours", hub=hub, since=to_datetime(since), until=to_datetime(until),
        exercise=exercise,
    )  # fmt: skip
    return [NearbyAlarm(row["incident"], row["zone"], row["priority"], to_us(row["opened"])) for row in rows]


async def open_incident(
    connection: DatabaseConnection, hub: str, opened: int, title: str, exercise: int | None = None
) -> int:
    """Begin an incident with one alarm; return its number. The title of a drill's says that it is an exercise."""
    (row,) = await fetch(
        connection, "incidents", "open", hub=hub, opened=to_datetime(opened), title=title, exercise=exercise
    )
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
