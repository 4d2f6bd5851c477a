"""One alarm: its evidence drawn, what to do, how the device is, what was before, who was told, what people may do."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response

from hubwatch_alarms import acts, views
from hubwatch_alarms.mover import AlarmChange
from hubwatch_alarms.people import check_duration, parse_adjudication, parse_duration_s, parse_note, parse_reason
from hubwatch_console.access import SharedParts
from hubwatch_console.pages import alarm_evidence, surroundings
from hubwatch_console.pages.queue import Seeing
from hubwatch_console.pages.rendering import Page, render
from hubwatch_console.pages.visiting import VisitorWho
from hubwatch_console.routes.bodies import AlarmNumber
from hubwatch_core.permission import UserAct, shelving
from hubwatch_store.alarms import alarms
from hubwatch_store.console import behind, queue
from hubwatch_store.database import translated
from hubwatch_store.users import KnownCaller

router = APIRouter(prefix="/alarms", include_in_schema=False)

Shelving = Annotated[KnownCaller, Depends(VisitorWho(UserAct.ALARM_SHELVE))]
Unshelving = Annotated[KnownCaller, Depends(VisitorWho(UserAct.ALARM_UNSHELVE))]
Closing = Annotated[KnownCaller, Depends(VisitorWho(UserAct.ALARM_CLOSE))]
Adjudicating = Annotated[KnownCaller, Depends(VisitorWho(UserAct.ALARM_ADJUDICATE))]


@router.get("/{alarm}")
async def show_alarm(request: Request, alarm: AlarmNumber, caller: Seeing, parts: SharedParts) -> Response:
    """Show everything about one alarm."""
    page = Page(request, caller)
    with translated():
        async with parts.pool.connection() as connection:
            last = await queue.last_move(connection)
            whole = await views.details(connection, alarm, caller.person)
            found = whole.alarm
            evidence = await alarm_evidence.of(connection, parts, page, found)
            places = [found.sensor, *([found.zone] if found.zone else [])]
            cameras = await behind.cameras(connection, found.hub, places)
    return render(
        request, "alarm.html", caller, whole=whole, alarm=found, last=last, cameras=cameras, evidence=evidence,
        instruction=parts.instructions.of(found.type, found.hub), titles=parts.instructions,
        shelve_act=str(shelving(found.type)), map=evidence.map, near_words=surroundings.HOW,
    )  # fmt: skip


@router.post("/{alarm}/shelve")
async def shelve(request: Request, alarm: AlarmNumber, caller: Shelving, parts: SharedParts) -> Response:
    """Set an alarm aside for a time; where that needs a second person, it waits for one."""
    form = request.state.form
    duration_s = parse_duration_s(form.get("for", ""))
    check_duration(parts.settings.shelving, duration_s)
    note = parse_reason(form.get("note", ""), "note")
    async with alarms.moving(parts.pool) as connection:
        change = await acts.shelve(
            connection, caller.person, alarm, duration_s, note, parts.settings.login.approval_s,
            parts.settings.shelving.critical_max_s,
        )  # fmt: skip
    if isinstance(change, AlarmChange):
        return _back(request, caller, alarm)
    return render(request, "waits.html", caller, status=202, approval=change, alarm=alarm, live=False)


@router.post("/{alarm}/unshelve")
async def unshelve(request: Request, alarm: AlarmNumber, caller: Unshelving, parts: SharedParts) -> Response:
    """Take an alarm off the shelf."""
    note = parse_note(request.state.form.get("note"), "note")
    async with alarms.moving(parts.pool) as connection:
        await acts.unshelve(connection, caller.person, alarm, note)
    return _back(request, caller, alarm)


@router.post("/{alarm}/close")
async def close(request: Request, alarm: AlarmNumber, caller: Closing, parts: SharedParts) -> Response:
    """End an alarm whatever its condition does."""
    reason = parse_reason(request.state.form.get("note", ""), "note")
    async with alarms.moving(parts.pool) as connection:
        await acts.close(connection, caller.person, alarm, reason)
    return _back(request, caller, alarm)


@router.post("/{alarm}/adjudicate")
async def adjudicate(request: Request, alarm: AlarmNumber, caller: Adjudicating, parts: SharedParts) -> Response:
    """Say what an alarm was."""
    note = parse_note(request.state.form.get("note"), "note")
    verdict = parse_adjudication(request.state.form.get("verdict", ""), note)
    async with alarms.moving(parts.pool) as connection:
        await acts.adjudicate(connection, caller.person, alarm, verdict, note)
    return _back(request, caller, alarm)


def _back(request: Request, caller: KnownCaller, alarm: int) -> Response:
    return RedirectResponse(Page(request, caller).path(f"/alarms/{alarm}"), 303)
