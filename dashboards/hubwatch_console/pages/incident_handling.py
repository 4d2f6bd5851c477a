"""What people do with an incident on its page, by the same functions as the API and the commands.

A refusal shows the incident as it stands now: in words, with what has happened since the page was looked at.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from hubwatch_alarms import acts, incident_acts, incident_views
from hubwatch_alarms.people import parse_adjudication, parse_note, parse_reason
from hubwatch_console.access import Parts, SharedParts
from hubwatch_console.pages.incident import others_since, show
from hubwatch_console.pages.queue import Acknowledging
from hubwatch_console.pages.rendering import Page
from hubwatch_console.pages.trouble import status_in_place
from hubwatch_console.pages.visiting import VisitorWho
from hubwatch_console.routes.bodies import AlarmNumber
from hubwatch_core.errors import BadCall, Permanent
from hubwatch_core.permission import UserAct
from hubwatch_store.alarms import alarms
from hubwatch_store.database import DatabaseConnection, translated
from hubwatch_store.users import KnownCaller

router = APIRouter(prefix="/incidents", include_in_schema=False)

CHOSEN = re.compile(r"alarm-([0-9]{1,18})")
"""A ticked alarm, as the form names it."""
NUMBER = re.compile(r"#?([0-9]{1,18})")
MOST_PLACE = 300
MOST_NAME = 63

Commenting = Annotated[KnownCaller, Depends(VisitorWho(UserAct.INCIDENT_COMMENT))]
Assigning = Annotated[KnownCaller, Depends(VisitorWho(UserAct.INCIDENT_ASSIGN))]
Merging = Annotated[KnownCaller, Depends(VisitorWho(UserAct.INCIDENT_MERGE))]
Splitting = Annotated[KnownCaller, Depends(VisitorWho(UserAct.INCIDENT_SPLIT))]
Closing = Annotated[KnownCaller, Depends(VisitorWho(UserAct.INCIDENT_CLOSE))]

Form = Mapping[str, str]
Act = Callable[[DatabaseConnection, Form], Awaitable[int]]
"""Does something as a form says; returns the incident that is looked at then."""


@router.post("/{incident}/acknowledge")
async def acknowledge(request: Request, incident: AlarmNumber, caller: Acknowledging, parts: SharedParts) -> Response:
    """Take every alarm of an incident that nobody has taken."""

    async def act(connection: DatabaseConnection, form: Form) -> int:
        await acts.acknowledge_incident(connection, caller.person, incident, parse_note(form.get("note"), "note"))
        return incident

    return await _do(request, caller, parts, incident, act)


@router.post("/{incident}/comment")
async def comment(request: Request, incident: AlarmNumber, caller: Commenting, parts: SharedParts) -> Response:
    """Say something of an incident; from then on only a person closes it."""

    async def act(connection: DatabaseConnection, form: Form) -> int:
        text = parse_reason(form.get("text", ""), "text")
        await incident_acts.comment(connection, caller.person, incident, text)
        return incident

    return await _do(request, caller, parts, incident, act)


@router.post("/{incident}/assign")
async def assign(request: Request, incident: AlarmNumber, caller: Assigning, parts: SharedParts) -> Response:
    """Give an incident to whom the form names, take it (`whom` is `me`), or take it from everybody (`nobody`)."""

    async def act(connection: DatabaseConnection, form: Form) -> int:
        whom, note = form.get("whom"), parse_note(form.get("note"), "note")
        if whom not in {"me", "nobody", "other"}:
            raise BadCall("say whom: me, nobody or other")
        to = {"me": caller.person.name, "nobody": None, "other": form.get("to", "").strip()}[whom]
        if to is not None and not (0 < len(to) <= MOST_NAME and to.isprintable()):
            raise BadCall("name the person who is to have it")
        await incident_acts.assign(connection, caller.person, incident, to, note)
        return incident

    return await _do(request, caller, parts, incident, act)


@router.post("/{incident}/merge")
async def merge(request: Request, incident: AlarmNumber, caller: Merging, parts: SharedParts) -> Response:
    """Make this incident a part of another one, which is looked at from then on."""

    async def act(connection: DatabaseConnection, form: Form) -> int:
        note, into = parse_note(form.get("note"), "note"), NUMBER.fullmatch(form.get("into", "").strip())
        if into is None:
            raise BadCall("say the number of the incident that this one is a part of")
        return (await incident_acts.merge(connection, caller.person, int(into[1]), incident, note)).id

    return await _do(request, caller, parts, incident, act)


@router.post("/{incident}/split")
async def split(request: Request, incident: AlarmNumber, caller: Splitting, parts: SharedParts) -> Response:
    """Make an incident of its own of the alarms that are ticked, which is looked at from then on."""

    async def act(connection: DatabaseConnection, form: Form) -> int:
        chosen = [int(found[1]) for name in form if (found := CHOSEN.fullmatch(name))]
        if not chosen:
            raise BadCall("tick the alarms that do not belong to it")
        note = parse_note(form.get("note"), "note")
        return (await incident_acts.split(connection, caller.person, incident, chosen, note)).id

    return await _do(request, caller, parts, incident, act)


@router.post("/{incident}/close")
async def close(request: Request, incident: AlarmNumber, caller: Closing, parts: SharedParts) -> Response:
    """Say what an incident was, which ends it; of a closed one, say it anew."""

    async def act(connection: DatabaseConnection, form: Form) -> int:
        note = parse_note(form.get("note"), "note")
        verdict = parse_adjudication(form.get("verdict", ""), note, "note")
        ending = form.get("end_alarms") == "yes"
        await incident_acts.close(connection, caller.person, incident, verdict, note, end_alarms=ending)
        return incident

    return await _do(request, caller, parts, incident, act)


async def _do(request: Request, caller: KnownCaller, parts: Parts, incident: int, act: Act) -> Response:
    """Do it, or say why not; either way say what others did since the page was looked at."""
    form: Form = request.state.form
    seen = form.get("seen", "")[:MOST_PLACE] or None
    if seen is not None:
        incident_views.place_of(seen)
    try:
        async with alarms.moving(parts.pool) as connection:
            after = await act(connection, form)
    except Permanent as error:
        status = status_in_place(error)
        return await show(request, caller, parts, incident, since=seen, refused=str(error), status=status, typed=form)
    if seen is None or after != incident:
        since = None
    else:
        with translated():
            async with parts.pool.connection() as connection:
                others = await others_since(connection, incident, seen, caller.person.name)
        since = seen if others else None
    return RedirectResponse(Page(request, caller).path(f"/incidents/{after}", since=since), 303)
