"""Incidents: those that are open or were, and one with its alarms and all that happened in it, the newest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from hubwatch_alarms import incident_acts, incident_views
from hubwatch_console.access import Parts, SharedParts
from hubwatch_console.pages.incident_map import MappedAlarm, incident_map
from hubwatch_console.pages.queue import HubName, Seeing, doubts_of
from hubwatch_console.pages.rendering import Page, render
from hubwatch_console.routes.alarms import seen_by
from hubwatch_console.routes.bodies import AlarmNumber
from hubwatch_core.permission import UserAct, may
from hubwatch_store.alarms import Happened, incidents
from hubwatch_store.console import behind, queue
from hubwatch_store.database import DatabaseConnection, translated
from hubwatch_store.users import KnownCaller, directory

router = APIRouter(prefix="/incidents", include_in_schema=False)

MOST = 200
ROWS = 100
"""Rows of a timeline on one page."""
MOST_SINCE = 20
"""Rows that tell what has happened meanwhile; the timeline below has them all."""
MOST_PEOPLE = 50

Place = Annotated[str | None, Query(max_length=300)]

TOLD_MEANWHILE = frozenset({"detection", "move", "comment", "act", "adjudication", "level"})


@router.get("")
async def show_incidents(
    request: Request, caller: Seeing, parts: SharedParts, hub: HubName = None, closed: bool = False
) -> Response:
    """Show the open incidents of the hubs that one sees, the most urgent first; with `closed` those after them, too."""
    with translated():
        async with parts.pool.connection() as connection:
            last = await queue.last_move(connection)
            hubs = await queue.hubs(connection, seen_by(caller.person))
            found = await incidents.list_incidents(
                connection, hub=hub or None, most=MOST + 1, seen=seen_by(caller.person), closed=closed
            )
    doubts = {each.hub: doubts_of(parts, each.hub) for each in hubs if hub in {None, "", each.hub}}
    return render(
        request, "incidents.html", caller, found=found[:MOST], more=len(found) > MOST, last=last, doubts=doubts,
        closed=closed, hub=hub or "",
    )  # fmt: skip


@router.get("/{incident}")
async def show_incident(
    request: Request, incident: AlarmNumber, caller: Seeing, parts: SharedParts, before: Place = None,
    since: Place = None,
) -> Response:  # fmt: skip
    """Show one incident; `before` is a place in its timeline, `since` one after which others did something."""
    return await show(request, caller, parts, incident, before=before, since=since)


async def show(
    request: Request, caller: KnownCaller, parts: Parts, incident: int, *, before: str | None = None,
    since: str | None = None, refused: str | None = None, status: int = 200, typed: Mapping[str, str] | None = None,
) -> Response:  # fmt: skip
    """Show an incident as it stands; after a refusal with its words, what happened meanwhile, and what was typed."""
    with translated():
        async with parts.pool.connection() as connection, connection.transaction():
            last = await queue.last_move(connection)
            found = await incident_acts.existing(connection, incident, caller.person)
            its_alarms = await behind.incident_alarms(connection, incident)
            place = None if before is None else incident_views.place_of(before)
            rows = await incidents.timeline_back(connection, incident, ROWS + 1, place)
            newest = rows[:1] if before is None else await incidents.timeline_back(connection, incident, 1)
            people = await incidents.people(connection, incident, MOST_PEOPLE)
            after = [] if since is None else await others_since(connection, incident, since, caller.person.name)
            colleagues = await _colleagues(connection, found.hub, caller)
    timeline = rows[:ROWS]
    site = None if parts.feed is None else parts.feed.site(found.hub)
    placed = [MappedAlarm(a.id, a.type, a.sensor, a.zone, a.opened, a.priority, a.exercise) for a in its_alarms]
    return render(
        request, "incident.html", caller, status=status, here=None if refused is None else f"/incidents/{incident}",
        incident=found, alarms=its_alarms, timeline=timeline,
        earlier=incident_views.cursor_of(timeline[-1]) if len(rows) > ROWS else None, before=before,
        place=incident_views.cursor_of(newest[0]) if newest else "", people=people, last=last, colleagues=colleagues,
        meanwhile=after, refused=refused, typed=typed or {}, titles=parts.instructions,
        map=incident_map(site, placed, Page(request, caller)),
    )  # fmt: skip


async def others_since(connection: DatabaseConnection, incident: int, place: str, person: str) -> list[Happened]:
    """Return what others than a person did in an incident after a place in its timeline, and what was found."""
    rows = await incidents.timeline(connection, incident, 2 * MOST_SINCE, incident_views.place_of(place))
    return [each for each in rows if each.what in TOLD_MEANWHILE and each.by != person][:MOST_SINCE]


async def _colleagues(connection: DatabaseConnection, hub: str, caller: KnownCaller) -> Sequence[str]:
    """Return who may take alarms at a hub, for whoever may give an incident to them."""
    if not may(caller.person, UserAct.INCIDENT_ASSIGN, hub):
        return []
    return await directory.names_reaching(connection, UserAct.ALARM_ACKNOWLEDGE, hub, MOST)
