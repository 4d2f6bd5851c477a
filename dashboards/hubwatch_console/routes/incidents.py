"""Incidents: those that are open, and taking all of one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from hubwatch_alarms import acts, views
from hubwatch_alarms.people import parse_note
from hubwatch_console.access import Allowed, SharedParts
from hubwatch_console.routes.alarms import seen_by
from hubwatch_console.routes.bodies import AlarmNumber, NoteBody
from hubwatch_core.permission import UserAct
from hubwatch_store.alarms import alarms
from hubwatch_store.database import translated
from hubwatch_store.users import KnownCaller

router = APIRouter(prefix="/incidents", tags=["incidents"])

Seeing = Annotated[KnownCaller, Depends(Allowed(UserAct.ALARM_SEE))]
Acknowledging = Annotated[KnownCaller, Depends(Allowed(UserAct.ALARM_ACKNOWLEDGE))]


@router.get("")
async def list_incidents(
    caller: Seeing,
    parts: SharedParts,
    hub: Annotated[str | None, Query(max_length=63)] = None,
    most: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> list[dict[str, object]]:
    """Return the open incidents of the hubs that one sees, the most urgent first."""
    with translated():
        async with parts.pool.connection() as connection:
            return await views.open_incidents(connection, hub=hub, most=most, seen=seen_by(caller.person))


@router.post("/{incident}/acknowledge")
async def acknowledge(
    incident: AlarmNumber, body: NoteBody, caller: Acknowledging, parts: SharedParts
) -> dict[str, object]:
    """Take every alarm of an incident that nobody has taken."""
    note = parse_note(body.note, "note")
    async with alarms.moving(parts.pool) as connection:
        changes = await acts.acknowledge_incident(connection, caller.person, incident, note)
    return {"incident": incident, "acknowledged": [change.alarm.id for change in changes]}
