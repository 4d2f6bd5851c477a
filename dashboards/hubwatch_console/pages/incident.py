"""Incidents: those that are open, and one with its alarms and all that happened to them, in order."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import RedirectResponse, Response

from hubwatch_alarms import acts
from hubwatch_alarms.people import parse_note
from hubwatch_console.access import SharedParts
from hubwatch_console.pages.incident_map import MappedAlarm, incident_map
from hubwatch_console.pages.queue import Acknowledging, HubName, Seeing, doubts_of
from hubwatch_console.pages.rendering import Page, render
from hubwatch_console.routes.alarms import seen_by
from hubwatch_console.routes.bodies import AlarmNumber
from hubwatch_core.alarm import WAITING
from hubwatch_core.permission import UserAct, may
from hubwatch_store.alarms import alarms, incidents
from hubwatch_store.console import IncidentFacts, behind, queue
from hubwatch_store.database import DatabaseConnection, translated
from hubwatch_store.users import KnownCaller

router = APIRouter(prefix="/incidents", include_in_schema=False)

MOST = 200


@router.get("")
async def show_incidents(request: Request, caller: Seeing, parts: SharedParts, hub: HubName = None) -> Response:
    """Show the open incidents of the hubs that one sees, the most urgent first."""
    with translated():
        async with parts.pool.connection() as connection:
            last = await queue.last_move(connection)
            hubs = await queue.hubs(connection, seen_by(caller.person))
            found = await incidents.list_incidents(connection, hub=hub or None, most=MOST, seen=seen_by(caller.person))
    doubts = {each.hub: doubts_of(parts, each.hub) for each in hubs if hub in {None, "", each.hub}}
    return render(request, "incidents.html", caller, found=found, last=last, doubts=doubts)


@router.get("/{incident}")
async def show_incident(request: Request, incident: AlarmNumber, caller: Seeing, parts: SharedParts) -> Response:
    """Show one incident."""
    with translated():
        async with parts.pool.connection() as connection:
            last = await queue.last_move(connection)
            found = await _existing(connection, caller, incident)
            its_alarms = await behind.incident_alarms(connection, incident)
            moves = await behind.incident_moves(connection, incident)
    site = None if parts.feed is None else parts.feed.site(found.hub)
    placed = [MappedAlarm(a.id, a.type, a.sensor, a.zone, a.opened, a.priority, a.exercise) for a in its_alarms]
    people = sorted({each["by"] for each in moves if each["verified"] is not None})
    return render(
        request, "incident.html", caller, incident=found, alarms=its_alarms, moves=moves, people=people, last=last,
        map=incident_map(site, placed, Page(request, caller)),
        untaken=sum(each.state in WAITING for each in its_alarms), titles=parts.instructions,
    )  # fmt: skip


@router.post("/{incident}/acknowledge")
async def acknowledge(request: Request, incident: AlarmNumber, caller: Acknowledging, parts: SharedParts) -> Response:
    """Take every alarm of an incident that nobody has taken."""
    note = parse_note(request.state.form.get("note"), "note")
    async with alarms.moving(parts.pool) as connection:
        await acts.acknowledge_incident(connection, caller.person, incident, note)
    return RedirectResponse(Page(request, caller).path(f"/incidents/{incident}"), 303)


async def _existing(connection: DatabaseConnection, caller: KnownCaller, incident: int) -> IncidentFacts:
    found = await behind.incident(connection, incident)
    if found is None or not may(caller.person, UserAct.ALARM_SEE, found.hub):
        raise HTTPException(404, f"there is no incident {incident}")
    return found
