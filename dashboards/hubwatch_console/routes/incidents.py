"""Incidents: look at them, and what people do with them, by the same functions as the commands."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from hubwatch_alarms import acts, incident_acts, incident_views
from hubwatch_alarms.people import parse_adjudication, parse_note, parse_reason
from hubwatch_console.access import Allowed, SharedParts
from hubwatch_console.paging import PageWanted, paged
from hubwatch_console.polled import polled
from hubwatch_console.routes.alarms import seen_by
from hubwatch_console.routes.answers.described import gives
from hubwatch_console.routes.answers.incidents import (
    IncidentAnswer,
    IncidentClosedAnswer,
    IncidentDetailsAnswer,
    IncidentListAnswer,
    IncidentTakenAnswer,
    TimelineAnswer,
)
from hubwatch_console.routes.bodies import (
    AlarmNumber,
    AssignBody,
    CommentBody,
    IncidentCloseBody,
    MergeBody,
    NoteBody,
    SplitBody,
)
from hubwatch_core.permission import UserAct
from hubwatch_store.alarms import alarms
from hubwatch_store.database import translated
from hubwatch_store.users import KnownCaller

router = APIRouter(prefix="/incidents", tags=["incidents"])

Seeing = Annotated[KnownCaller, Depends(Allowed(UserAct.ALARM_SEE))]
Acknowledging = Annotated[KnownCaller, Depends(Allowed(UserAct.ALARM_ACKNOWLEDGE))]
Commenting = Annotated[KnownCaller, Depends(Allowed(UserAct.INCIDENT_COMMENT))]
Assigning = Annotated[KnownCaller, Depends(Allowed(UserAct.INCIDENT_ASSIGN))]
Merging = Annotated[KnownCaller, Depends(Allowed(UserAct.INCIDENT_MERGE))]
Splitting = Annotated[KnownCaller, Depends(Allowed(UserAct.INCIDENT_SPLIT))]
Closing = Annotated[KnownCaller, Depends(Allowed(UserAct.INCIDENT_CLOSE))]
Wanted = Annotated[PageWanted, paged("incidents", *[int] * 6, default=200, limit=1000)]


@router.get("", **gives(IncidentListAnswer, is_polled=True))
async def list_incidents(
    request: Request,
    caller: Seeing,
    parts: SharedParts,
    wanted: Wanted,
    hub: Annotated[str | None, Query(max_length=63)] = None,
    closed: bool = False,
) -> Response:
    """Return the incidents of the hubs that one sees, the most urgent first; with `closed` those after them, too."""
    with translated():
        async with parts.pool.connection() as connection:
            found = await incident_views.page_of(
                connection, hub=hub, most=wanted.most + 1, seen=seen_by(caller.person), closed=closed,
                after=wanted.place,
            )  # fmt: skip
    page, after = wanted.page(found, lambda each: each[1])
    return polled(request, {"incidents": [facts for facts, _ in page], "next": after})


@router.get("/{incident}", **gives(IncidentDetailsAnswer))
async def show_incident(incident: AlarmNumber, caller: Seeing, parts: SharedParts) -> dict[str, object]:
    """Return an incident as it stands, with its alarms."""
    with translated():
        async with parts.pool.connection() as connection:
            return await incident_views.details(connection, incident, parts.instructions, caller.person)


@router.get("/{incident}/timeline", **gives(TimelineAnswer))
async def show_timeline(
    incident: AlarmNumber,
    caller: Seeing,
    parts: SharedParts,
    cursor: Annotated[str | None, Query(max_length=300, description="The `next` of the page before.")] = None,
    after: Annotated[str | None, Query(max_length=300, description="The same, by its former name.")] = None,
    most: Annotated[int, Query(ge=1, le=incident_views.MOST_ROWS)] = 100,
) -> dict[str, object]:
    """Return what happened in an incident in the order of time, a page of it; `next` is the `after` of the next one."""
    with translated():
        async with parts.pool.connection() as connection:
            return await incident_views.timeline(
                connection, incident, after=cursor or after, most=most, person=caller.person
            )


@router.post("/{incident}/acknowledge", **gives(IncidentTakenAnswer))
async def acknowledge(
    incident: AlarmNumber, body: NoteBody, caller: Acknowledging, parts: SharedParts
) -> dict[str, object]:
    """Take every alarm of an incident that nobody has taken."""
    note = parse_note(body.note, "note")
    async with alarms.moving(parts.pool) as connection:
        changes = await acts.acknowledge_incident(connection, caller.person, incident, note)
    return {"incident": incident, "acknowledged": [change.alarm.id for change in changes]}


@router.post("/{incident}/comment", **gives(IncidentAnswer))
async def comment(
    incident: AlarmNumber, body: CommentBody, caller: Commenting, parts: SharedParts
) -> dict[str, object]:
    """Say something of an incident; from then on only a person closes it."""
    text = parse_reason(body.text, "text")
    async with alarms.moving(parts.pool) as connection:
        found = await incident_acts.comment(connection, caller.person, incident, text)
    return incident_views.facts_of_incident(found)


@router.post("/{incident}/assign", **gives(IncidentAnswer))
async def assign(incident: AlarmNumber, body: AssignBody, caller: Assigning, parts: SharedParts) -> dict[str, object]:
    """Give an incident to somebody, or to nobody."""
    note = parse_note(body.note, "note")
    async with alarms.moving(parts.pool) as connection:
        found = await incident_acts.assign(connection, caller.person, incident, body.to, note)
    return incident_views.facts_of_incident(found)


@router.post("/{incident}/merge", **gives(IncidentAnswer))
async def merge(incident: AlarmNumber, body: MergeBody, caller: Merging, parts: SharedParts) -> dict[str, object]:
    """Make another incident a part of this one."""
    note = parse_note(body.note, "note")
    async with alarms.moving(parts.pool) as connection:
        found = await incident_acts.merge(connection, caller.person, incident, body.other, note)
    return incident_views.facts_of_incident(found)


@router.post("/{incident}/split", **gives(IncidentAnswer))
async def split(incident: AlarmNumber, body: SplitBody, caller: Splitting, parts: SharedParts) -> dict[str, object]:
    """Make an incident of its own of some of its alarms, and return that one."""
    note = parse_note(body.note, "note")
    async with alarms.moving(parts.pool) as connection:
        made = await incident_acts.split(connection, caller.person, incident, body.alarms, note)
    return incident_views.facts_of_incident(made)


@router.post("/{incident}/close", **gives(IncidentClosedAnswer))
async def close(
    incident: AlarmNumber, body: IncidentCloseBody, caller: Closing, parts: SharedParts
) -> dict[str, object]:
    """Say what an incident was, which ends it; of a closed one, say it anew."""
    note = parse_note(body.note, "note")
    verdict = parse_adjudication(body.verdict, note, "note")
    async with alarms.moving(parts.pool) as connection:
        found, ended = await incident_acts.close(
            connection, caller.person, incident, verdict, note, end_alarms=body.end_alarms
        )
    return incident_views.facts_of_incident(found) | {"ended": [change.alarm.id for change in ended]}
