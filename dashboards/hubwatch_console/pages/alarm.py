"""One alarm: its evidence drawn, what to do, how the device is, what was before, who was told."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from markupsafe import Markup

from hubwatch_alarms import acts, views
from hubwatch_console.access import SharedParts
from hubwatch_console.pages import drawing
from hubwatch_console.pages.alarm_handling import offered
from hubwatch_console.pages.queue import Seeing
from hubwatch_console.pages.rendering import Page, render
from hubwatch_console.routes.bodies import AlarmNumber
from hubwatch_core.alarm import Alarm
from hubwatch_core.clock import to_datetime
from hubwatch_core.plain_text import one_line
from hubwatch_store.console import AlarmDetection, behind, queue
from hubwatch_store.database import DatabaseConnection, translated

router = APIRouter(prefix="/alarms", include_in_schema=False)

BEFORE, AFTER = timedelta(minutes=5), timedelta(minutes=2)
LONGEST = timedelta(hours=1)
"""Of what a sensor said, as much is shown and handed out."""

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet takes for the beginning of a formula."""


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
            channels = await behind.channels(connection, found.hub, found.sensor)
            history = await behind.history(connection, found.hub, found.sensor, alarm)
            places = [found.sensor, *([found.zone] if found.zone else [])]
            cameras = await behind.cameras(connection, found.hub, places)
            offer = await offered(connection, parts, whole)
            drawings = await _drawings(connection, page, found, detected, events)
    return render(
        request, "alarm.html", caller, whole=whole, alarm=found, last=last,
        instruction=parts.instructions.of(found.type), detected=detected, drawings=drawings, events=events,
        channels=channels, history=history, cameras=cameras, titles=parts.instructions,
        offer=offer, facts=facts_of_evidence(detected[0].evidence) if detected else [],
    )  # fmt: skip


@router.get("/{alarm}/readings.csv")
async def readings(alarm: AlarmNumber, caller: Seeing, parts: SharedParts) -> Response:
    """Return what the sensor measured around an alarm, for an expert who is asked."""
    with translated():
        async with parts.pool.connection() as connection:
            found = await acts.existing(connection, alarm, caller.person)
            since, until = around(found)
            rows = await behind.readings(connection, found.hub, found.sensor, since, until)
    text = io.StringIO()
    write = csv.writer(text)
    write.writerow(["time", "hub", "sensor", "channel", "value", "quality", "reason"])
    for row in rows:
        value = "" if row["value"] is None else repr(row["value"])
        hub, sensor, channel, reason = map(plain_cell, (found.hub, found.sensor, row["channel"], row["reason"] or ""))
        write.writerow([row["time"].isoformat(), hub, sensor, channel, value, row["quality"], reason])
    name = f"alarm-{alarm}-readings.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


def around(alarm: Alarm) -> tuple[datetime, datetime]:
    """Return the stretch of time in which an alarm is looked at."""
    began, last = to_datetime(alarm.opened), to_datetime(alarm.last_active)
    return began - BEFORE, min(last + AFTER, began + LONGEST)


def facts_of_evidence(evidence: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what an evidence says in single numbers and words, for people."""
    return [
        (name.replace("_", " "), one_line(str(value))[:200])
        for name, value in evidence.items()
        if isinstance(value, str | int | float) and name != "rule"
    ][:24]


def plain_cell(foreign: str) -> str:
    """Return foreign text so that a spreadsheet takes it for text and not for a formula."""
    line = one_line(foreign)
    return f"'{line}" if foreign.startswith(FORMULA) or line.startswith(FORMULA) else line


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
