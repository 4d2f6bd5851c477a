"""One alarm: its evidence drawn, what to do, how the device is, what was before, who was told, what people may do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse, Response
from markupsafe import Markup

from hubwatch_alarms import acts, views
from hubwatch_alarms.mover import AlarmChange
from hubwatch_alarms.people import check_duration, parse_adjudication, parse_duration_s, parse_note, parse_reason
from hubwatch_console.access import SharedParts
from hubwatch_console.pages import drawing
from hubwatch_console.pages.downloads import around, occupancies_of
from hubwatch_console.pages.queue import Seeing
from hubwatch_console.pages.rendering import Page, render
from hubwatch_console.pages.visiting import VisitorWho
from hubwatch_console.routes.bodies import AlarmNumber
from hubwatch_core.alarm import Alarm
from hubwatch_core.clock import to_datetime
from hubwatch_core.permission import UserAct, shelving
from hubwatch_core.plain_text import one_line
from hubwatch_store.alarms import alarms
from hubwatch_store.console import AlarmDetection, behind, queue
from hubwatch_store.database import DatabaseConnection, translated
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
            detected = await behind.detections(connection, alarm)
            since, until = around(found)
            events = await behind.events(connection, found.hub, found.sensor, since, until)
            device = await behind.device(connection, found.hub, found.sensor)
            channels = await behind.channels(connection, found.hub, found.sensor)
            history = await behind.history(connection, found.hub, found.sensor, alarm)
            places = [found.sensor, *([found.zone] if found.zone else [])]
            cameras = await behind.cameras(connection, found.hub, places)
            drawings = await _drawings(connection, page, found, detected, events)
    return render(
        request, "alarm.html", caller, whole=whole, alarm=found, last=last,
        instruction=parts.instructions.of(found.type), detected=detected, drawings=drawings, events=events,
        channels=channels, history=history, cameras=cameras, titles=parts.instructions,
        shelve_act=str(shelving(found.type)), facts=facts_of_evidence(detected[0].evidence) if detected else [],
        device=device, occupancies=occupancies_of(found, None if device is None else device["kind"], detected),
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


def facts_of_evidence(evidence: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what an evidence says in single numbers and words, for people."""
    return [
        (name.replace("_", " "), one_line(str(value))[:200])
        for name, value in evidence.items()
        if isinstance(value, str | int | float) and name != "rule"
    ][:24]


async def _drawings(
    connection: DatabaseConnection,
    page: Page,
    alarm: Alarm,
    detected: Sequence[AlarmDetection],
    events: list[dict[str, Any]],
) -> list[tuple[str, Markup]]:
    """Return what can be drawn of the evidence: the profile or series, a fence, and what the sensor said."""
    found: list[tuple[str, Markup]] = []
    evidence: Mapping[str, Any] = detected[0].evidence if detected else {}
    _ = page.text
    names = {"seen": _("counts"), "model": _("model without a source"), "background": _("background")}
    profile = drawing.profile_of(evidence, names)
    if profile:
        title = _("Profile of the passage")
        found.append((title, drawing.lines(title, profile, unit=_("counts"), across="s")))
    series = drawing.series_of(evidence)
    if series:
        title, limit = _("What was judged"), drawing.threshold_of(evidence)
        named = None if limit is None else (_("threshold"), limit)
        found.append((title, drawing.lines(title, series, across=_("samples"), limit=named)))
    if alarm.type.startswith("perimeter."):
        title = _("Fence sections")
        sections = await behind.sections(connection, alarm.hub)
        found.append((title, drawing.fence(title, sections, _fence_alarms(alarm, evidence))))
    if events:
        title = _("What the sensor said")
        since, until = around(alarm)
        found.append((title, drawing.timeline(title, _rows_of(events), since, until, to_datetime(alarm.opened))))
    return [(title, drawn) for title, drawn in found if drawn]


def _rows_of(events: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[tuple[datetime, str]]]]:
    """Return events by type, the types in the order in which they first came."""
    rows: dict[str, list[tuple[datetime, str]]] = {}
    for event in events:
        said = " ".join([f"{event['time']:%H:%M:%S}", event["type"], event["subject"] or ""])
        rows.setdefault(event["type"], []).append((event["time"], said))
    return list(rows.items())[:12]


def _fence_alarms(alarm: Alarm, evidence: Mapping[str, Any]) -> dict[str, list[float]]:
    """Return by section when it alarmed, in seconds after the first."""
    found: dict[str, list[float]] = {alarm.sensor: []}
    series = evidence.get("series")
    for each in series if isinstance(series, list) else ():
        if isinstance(each, list) and len(each) == 2 and drawing.is_number(each[1]):
            found.setdefault(str(each[0]), []).append(float(each[1]))
    return found


def _back(request: Request, caller: KnownCaller, alarm: int) -> Response:
    return RedirectResponse(Page(request, caller).path(f"/alarms/{alarm}"), 303)
