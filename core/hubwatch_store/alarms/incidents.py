"""Incidents in the database: alarms that belong together, as they stand, and what happened in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hubwatch_core.alarm import Alarm
from hubwatch_core.clock import to_datetime, to_us
from hubwatch_store.alarms import closed_pages
from hubwatch_store.alarms.alarms import alarm_of
from hubwatch_store.database import DatabaseConnection, fetch, write

MOST_NEAR = 100
"""Alarms that are looked at one by one for what belongs together; of more, the newest of each zone are looked up."""
FIRST_MEMBERS = 60
"""Alarms of an incident whose places tell how it moved; of a flood the first ones say where it came from."""


@dataclass(frozen=True, slots=True)
class NearbyAlarm:
    """An alarm of an open incident, as far as belonging together goes; `opened` in microseconds."""

    incident: int
    zone: str | None
    priority: int
    opened: int


@dataclass(frozen=True, slots=True)
class StandingIncident:
    """An incident as it stands."""

    id: int
    hub: str
    opened: datetime
    closed: datetime | None
    title: str
    alarms: int
    """How many alarms it has had."""
    priority: int
    """That of the most severe of them."""
    open: int
    untaken: int
    """How many of its open alarms nobody has taken."""
    zones: Sequence[str] | None
    assigned: str | None
    """Who has promised to see to it."""
    comments: int
    """Those since a person last closed it."""
    merged_into: int | None
    verdict: str | None
    judged: datetime | None
    judged_by: str | None
    exercise: int | None
    """The drill that it belongs to."""

    @property
    def state(self) -> str:
        """Return `open`, `waiting` (no alarm of it is open, and a person has to close it), `closed` or `merged`."""
        if self.merged_into is not None:
            return "merged"
        if self.closed is not None:
            return "closed"
        return "open" if self.open else "waiting"


@dataclass(frozen=True, slots=True)
class Member:
    """An alarm of an incident, as far as its title goes; `opened` in microseconds."""

    alarm: int
    type: str
    zone: str | None
    sensor: str
    priority: int
    opened: int


@dataclass(frozen=True, slots=True)
class Membership:
    """An incident with its title and severity as they were, and alarms that say what these are to be."""

    id: int
    hub: str
    title: str
    priority: int | None
    title_due: bool
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class Happened:
    """One row of an incident's timeline."""

    at: datetime
    what: str
    """detection, move, notification, answer, comment, act, adjudication, command or level."""
    key: str
    """Tells rows of one moment apart."""
    alarm: int | None
    by: str
    action: str
    text: str | None
    details: Mapping[str, Any]


async def list_incidents(
    connection: DatabaseConnection, *, hub: str | None, most: int, seen: Sequence[str] | None = None,
    closed: bool = False,
) -> list[StandingIncident]:  # fmt: skip
    """Return up to `most` incidents, the most urgent first, of the hubs that are `seen` where that is given.

    Closed ones only when asked for, after those that are open, the newest first.
    """
    found = await page_of_incidents(connection, hub=hub, most=most, seen=seen, closed=closed)
    return [incident for incident, _ in found]


async def page_of_incidents(
    connection: DatabaseConnection, *, hub: str | None, most: int, seen: Sequence[str] | None = None,
    closed: bool = False, after: Sequence[int] | None = None,
) -> list[tuple[StandingIncident, list[int]]]:  # fmt: skip
    """Return the same, each with its place in that order: those `after` a place where that is given."""
    place = None if after is None else list(after)
    return await _listed(connection, hub=hub, most=most, seen=seen, closed=closed, id=None, after=place)


async def incident_by_id(connection: DatabaseConnection, incident: int) -> StandingIncident | None:
    """Return one incident, open or closed."""
    found = await _listed(connection, hub=None, most=1, seen=None, closed=True, id=incident, after=None)
    return found[0][0] if found else None


async def _listed(connection: DatabaseConnection, **values: Any) -> list[tuple[StandingIncident, list[int]]]:
    seen = values["seen"]
    values["seen"] = None if seen is None else list(seen)
    values |= closed_pages.before(values["after"])
    rows = await fetch(connection, "incidents", "list_incidents", **values)
    return [(StandingIncident(**{name: row[name] for name in row if name != "place"}), row["place"]) for row in rows]


async def hub_of(connection: DatabaseConnection, incident: int) -> str | None:
    """Return the hub of an incident, None when there is none of that number."""
    rows = await fetch(connection, "incidents", "one", id=incident)
    return rows[0]["hub"] if rows else None


async def open_alarms(connection: DatabaseConnection, incident: int) -> list[Alarm]:
    """Return the open alarms of an incident, the most urgent first."""
    return [alarm_of(row) for row in await fetch(connection, "incidents", "open_alarms", id=incident)]


async def alarms_of(connection: DatabaseConnection, incident: int, most: int) -> list[Alarm]:
    """Return up to `most` alarms of an incident, those that are open first, the most urgent among them first."""
    return [alarm_of(row) for row in await fetch(connection, "incidents", "alarms_of", id=incident, most=most)]


async def timeline(
    connection: DatabaseConnection, incident: int, most: int, after: tuple[datetime, str] | None = None
) -> list[Happened]:
    """Return up to `most` rows of what happened in an incident, in order, after the moment and key of one."""
    at, key = (None, None) if after is None else after
    rows = await fetch(connection, "incidents", "timeline", id=incident, most=most, after_at=at, after_key=key)
    return [Happened(**row) for row in rows]


async def timeline_back(
    connection: DatabaseConnection, incident: int, most: int, before: tuple[datetime, str] | None = None
) -> list[Happened]:
    """Return up to `most` rows of what happened in an incident, the newest first, before the moment and key of one."""
    at, key = (None, None) if before is None else before
    rows = await fetch(connection, "incidents", "timeline_back", id=incident, most=most, before_at=at, before_key=key)
    return [Happened(**row) for row in rows]


async def people(connection: DatabaseConnection, incident: int, most: int) -> list[str]:
    """Return up to `most` persons who did something in an incident or with its alarms, the last to do so first."""
    return [row["by"] for row in await fetch(connection, "incidents", "people", id=incident, most=most)]


async def neighbours(
    connection: DatabaseConnection, hub: str, since: int, until: int, exercise: int | None = None,
    most: int = MOST_NEAR,
) -> list[NearbyAlarm]:  # fmt: skip
    """Return the alarms of a hub's open incidents that opened between two moments, the newest first: real ones, or
    those of a drill. Where `most` or more opened then, only the newest few of each zone, critical or not.
    """
    values = {"hub": hub, "since": to_datetime(since), "until": to_datetime(until), "exercise": exercise}
    rows = await fetch(connection, "incidents", "neighbours", **values, most=most)
    if len(rows) >= most:
        rows = await fetch(connection, "incidents", "neighbours_by_zone", **values)
    return [NearbyAlarm(row["incident"], row["zone"], row["priority"], to_us(row["opened"])) for row in rows]


async def of_cause(connection: DatabaseConnection, alarm: Alarm) -> int | None:
    """Return the open incident of the alarm that a new one is a symptom of, None where there is none."""
    rows = await fetch(
        connection, "incidents", "of_cause", hub=alarm.hub, zone=alarm.zone, sensor=alarm.sensor, type=alarm.type,
        exercise=alarm.exercise,
    )  # fmt: skip
    return rows[0]["incident"] if rows else None


async def open_incident(
    connection: DatabaseConnection, hub: str, opened: int, title: str, priority: int, exercise: int | None = None
) -> int:
    """Begin an incident with one alarm; return its number. The title of a drill's says that it is an exercise."""
    values = {"hub": hub, "opened": to_datetime(opened), "title": title, "priority": priority, "exercise": exercise}
    (row,) = await fetch(connection, "incidents", "open", **values)
    return int(row["id"])


async def join_incident(connection: DatabaseConnection, incident: int, opened: int) -> None:
    """Count one more alarm, open since `opened`, in an incident."""
    await write(connection, "incidents", "join", id=incident, opened=to_datetime(opened))


async def close_when_done(connection: DatabaseConnection, incident: int, at: int) -> None:
    """Close an incident when none of its alarms is open, nobody has it and no comment on it waits for a closing."""
    await write(connection, "incidents", "close_when_done", id=incident, at=to_datetime(at))


async def reopen_incident(connection: DatabaseConnection, incident: int, alarm: int) -> None:
    """Open an incident again, because one of its alarms is open again."""
    await write(connection, "incidents", "reopen", id=incident, alarm=alarm)


async def titles_due(connection: DatabaseConnection, most: int) -> list[int]:
    """Return up to `most` incidents whose alarms have changed hands since their title was made."""
    return [row["id"] for row in await fetch(connection, "incidents", "titles_due", most=most)]


async def memberships(connection: DatabaseConnection, incidents: Sequence[int]) -> list[Membership]:
    """Return some incidents with the alarms that began first, and those that are most severe, in the order of time."""
    rows = await fetch(connection, "incidents", "members", ids=list(incidents), first=FIRST_MEMBERS)
    found: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["incident"], []).append(row)
    return [
        Membership(
            number, of[0]["hub"], of[0]["title"], of[0]["former"], of[0]["title_due"],
            tuple(Member(each["alarm"], each["type"], each["zone"], each["sensor"], each["priority"],
                         to_us(each["opened"])) for each in of),
        )
        for number, of in found.items()
    ]  # fmt: skip


async def entitle(connection: DatabaseConnection, incident: int, title: str, priority: int) -> None:
    """Give an incident the title and the severity that its alarms have now."""
    await write(connection, "incidents", "entitle", id=incident, title=title, priority=priority)
