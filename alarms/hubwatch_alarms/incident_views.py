"""Incidents as people look at them: as they stand, and what happened in them in the order of time, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from hubwatch_alarms.facts import facts_of, iso
from hubwatch_alarms.incident_acts import existing
from hubwatch_alarms.instructions import Instructions
from hubwatch_core.clock import to_us
from hubwatch_core.errors import BadCall
from hubwatch_core.permission import Actor
from hubwatch_store.alarms import Happened, StandingIncident, incidents
from hubwatch_store.database import DatabaseConnection, one_state

MOST_ALARMS = 200
"""Alarms of an incident that are shown with it; the rest is counted."""
MOST_ROWS = 500
"""Rows of a page of a timeline."""


async def listed(
    connection: DatabaseConnection, *, hub: str | None, most: int, seen: Sequence[str] | None = None,
    closed: bool = False,
) -> list[dict[str, object]]:  # fmt: skip
    """Read incidents as JSON values, the most urgent first, closed ones last; inside `translated()`."""
    return [facts for facts, _ in await page_of(connection, hub=hub, most=most, seen=seen, closed=closed)]


async def page_of(
    connection: DatabaseConnection, *, hub: str | None, most: int, seen: Sequence[str] | None = None,
    closed: bool = False, after: Sequence[int] | None = None,
) -> list[tuple[dict[str, object], list[int]]]:  # fmt: skip
    """Read the same, each with its place in that order: those `after` a place where that is given."""
    found = await incidents.page_of_incidents(
        connection, hub=hub, most=most, seen=seen, closed=closed, after=after
    )  # fmt: skip
    return [(facts_of_incident(each), place) for each, place in found]


async def details(
    connection: DatabaseConnection, incident: int, instructions: Instructions, person: Actor | None = None
) -> dict[str, object]:
    """Read an incident that a person sees, with its alarms, as JSON values; raises NoSuchIncident."""
    async with one_state(connection):
        found = await existing(connection, incident, person)
        members = await incidents.alarms_of(connection, incident, MOST_ALARMS)
    shown = [facts_of(alarm, instructions.of(alarm.type, alarm.hub).title) for alarm in members]
    return facts_of_incident(found) | {"of_it": shown, "more": max(0, found.alarms - len(shown))}


async def timeline(
    connection: DatabaseConnection, incident: int, *, after: str | None, most: int, person: Actor | None = None
) -> dict[str, object]:
    """Read a page of what happened in an incident that a person sees, as JSON values; raises NoSuchIncident.

    `after` is the `next` of the page before. Its `next` is null when there is no more now.
    """
    found = await existing(connection, incident, person)
    rows = await incidents.timeline(connection, incident, most + 1, None if after is None else place_of(after))
    page = rows[:most]
    return {
        "incident": incident,
        "title": found.title,
        "rows": [facts_of_happened(row) for row in page],
        "next": cursor_of(page[-1]) if len(rows) > most else None,
    }


def facts_of_incident(found: StandingIncident) -> dict[str, object]:
    """Return an incident as JSON values."""
    return {
        "id": found.id,
        "hub": found.hub,
        "title": found.title,
        "state": found.state,
        "priority": found.priority,
        "opened": _moment(found.opened),
        "closed": _moment(found.closed),
        "alarms": found.alarms,
        "open": found.open,
        "untaken": found.untaken,
        "zones": list(found.zones or ()),
        "assigned": found.assigned,
        "comments": found.comments,
        "merged_into": found.merged_into,
        "verdict": found.verdict,
        "judged": _moment(found.judged),
        "judged_by": found.judged_by,
        "exercise": found.exercise,
    }


def facts_of_happened(row: Happened) -> dict[str, object]:
    """Return a row of a timeline as JSON values."""
    return {
        "at": _moment(row.at),
        "what": row.what,
        "action": row.action,
        "by": row.by,
        "text": row.text,
        "alarm": row.alarm,
        "details": dict(row.details),
    }


def cursor_of(row: Happened) -> str:
    """Return what names a row's place in its timeline."""
    return f"{_moment(row.at)}~{row.key}"


def place_of(cursor: str) -> tuple[datetime, str]:
    """Read where a page ended; raises BadCall for what none has given."""
    at, _, key = cursor.partition("~")
    try:
        moment = datetime.fromisoformat(at)
        to_us(moment)
    except (ValueError, OverflowError):
        raise BadCall("this is no place in a timeline: take the `next` of the page before") from None
    if not key or "\0" in key:
        raise BadCall("this is no place in a timeline: take the `next` of the page before")
    return moment, key


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else iso(to_us(moment))
