"""Hands out what a sensor measured around an alarm as a table (CSV), and an occupancy of a portal as N42."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import Response

from hubwatch_alarms import acts
from hubwatch_console.access import SharedParts
from hubwatch_console.pages import n42
from hubwatch_console.pages.queue import Seeing
from hubwatch_console.routes.bodies import AlarmNumber
from hubwatch_core.alarm import Alarm
from hubwatch_core.clock import to_datetime
from hubwatch_core.plain_text import one_line
from hubwatch_core.words import Quality
from hubwatch_store.console import AlarmDetection, behind
from hubwatch_store.database import DatabaseConnection, translated

router = APIRouter(prefix="/alarms", include_in_schema=False)

BEFORE, AFTER = timedelta(minutes=5), timedelta(minutes=2)
LONGEST = timedelta(hours=1)
"""Of what a sensor said, as much is shown and handed out."""
EMPTY_BEFORE, EMPTY_AFTER = timedelta(seconds=15), timedelta(seconds=10)
"""The empty portal before and after an occupancy: what the counts are held against."""
LONGEST_OCCUPANCY = timedelta(minutes=5)
PORTAL = "radiation_portal"

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet takes for the beginning of a formula."""
HEADER = ("time_utc", "hub", "sensor", "channel", "value", "unit", "quality", "reason")

WhichDetection = Annotated[str | None, Query(max_length=64)]


@router.get("/{alarm}/readings.csv")
async def readings(alarm: AlarmNumber, caller: Seeing, parts: SharedParts) -> Response:
    """Return what the sensor measured around an alarm, for an expert who is asked."""
    with translated():
        async with parts.pool.connection() as connection:
            found = await acts.existing(connection, alarm, caller.person)
            began = to_datetime(found.opened)
            rows = await behind.readings(connection, found.hub, found.sensor, *around(found), near=began)
    written = await asyncio.to_thread(
        _table, found, rows, is_cut=to_datetime(found.last_active) + AFTER > began + LONGEST
    )
    return _file(f"alarm-{alarm}-readings.csv", "text/csv; charset=utf-8", written)


@router.get("/{alarm}/occupancy.csv")
async def occupancy_table(
    alarm: AlarmNumber, caller: Seeing, parts: SharedParts, detection: WhichDetection = None
) -> Response:
    """Return what a portal measured while a vehicle was in it, and shortly before and after."""
    with translated():
        async with parts.pool.connection() as connection:
            found = await acts.existing(connection, alarm, caller.person)
            one = await _detection(connection, found, detection)
            since, until, is_cut = whole_of(one, found)
            rows = await behind.readings(connection, found.hub, found.sensor, since, until, near=one.start)
    written = await asyncio.to_thread(_table, found, rows, is_cut=is_cut)
    return _file(f"alarm-{alarm}-occupancy.csv", "text/csv; charset=utf-8", written)


@router.get("/{alarm}/occupancy.n42")
async def occupancy_document(
    alarm: AlarmNumber, caller: Seeing, parts: SharedParts, detection: WhichDetection = None
) -> Response:
    """Return an occupancy as ANSI N42.42-2011 (IEC 62755), which the programs of experts read."""
    with translated():
        async with parts.pool.connection() as connection:
            found = await acts.existing(connection, alarm, caller.person)
            one = await _detection(connection, found, detection)
            device = await behind.device(connection, found.hub, found.sensor)
            since, until, is_cut = whole_of(one, found)
            rows = await behind.readings(connection, found.hub, found.sensor, since, until, near=one.start)
    written = await asyncio.to_thread(_document, found, one, device, rows, is_cut=is_cut)
    if not written:
        raise HTTPException(404, "no counts of this occupancy are stored")
    return _file(f"alarm-{alarm}-occupancy.n42", "application/xml; charset=utf-8", written)


def around(alarm: Alarm) -> tuple[datetime, datetime]:
    """Return the stretch of time in which an alarm is looked at."""
    began, last = to_datetime(alarm.opened), to_datetime(alarm.last_active)
    return began - BEFORE, min(last + AFTER, began + LONGEST)


def whole_of(detection: AlarmDetection, alarm: Alarm) -> tuple[datetime, datetime, bool]:
    """Return from when to when an occupancy is handed out with the empty portal around it, and whether that cuts it."""
    latest = detection.start + LONGEST_OCCUPANCY
    # What has not ended yet is handed out as far as it goes.
    until = latest if detection.end is None else min(detection.end + EMPTY_AFTER, latest)
    return detection.start - EMPTY_BEFORE, until, ended(detection, alarm) > latest


def ended(detection: AlarmDetection, alarm: Alarm) -> datetime:
    """Return when an occupancy ended; of one that has not, when it was last there."""
    # An alarm may last for longer than the vehicle stood in the portal.
    return detection.end or max(detection.detected, to_datetime(alarm.last_active))


def occupancies_of(alarm: Alarm, kind: str | None, detected: Sequence[AlarmDetection]) -> list[AlarmDetection]:
    """Return the detections that are each of one occupancy of a portal; none of another kind of sensor."""
    if kind != PORTAL or not alarm.type.startswith("radiation."):
        return []
    return [each for each in detected if each.type.startswith("radiation.")]


def plain_cell(foreign: str) -> str:
    """Return foreign text so that a spreadsheet takes it for text and not for a formula."""
    line = one_line(foreign)
    return f"'{line}" if foreign.startswith(FORMULA) or line.startswith(FORMULA) else line


async def _detection(connection: DatabaseConnection, alarm: Alarm, wanted: str | None) -> AlarmDetection:
    """Return the detection that is asked for, the newest where none is; raises 404 where it is of no occupancy."""
    device = await behind.device(connection, alarm.hub, alarm.sensor)
    detected = await behind.detections(connection, alarm.id)
    for each in occupancies_of(alarm, None if device is None else device["kind"], detected):
        if wanted in {None, "", each.id}:
            return each
    raise HTTPException(404, "this alarm has no such occupancy of a radiation portal")


def _table(alarm: Alarm, rows: Sequence[Mapping[str, Any]], *, is_cut: bool) -> bytes:
    text = io.StringIO()
    write = csv.writer(text)
    write.writerow(HEADER)
    hub, sensor = plain_cell(alarm.hub), plain_cell(alarm.sensor)
    for row in rows[: behind.MOST_READINGS]:
        value = "" if row["value"] is None else repr(row["value"])
        channel, unit, reason = (plain_cell(row[name] or "") for name in ("channel", "unit", "reason"))
        quality = Quality(row["quality"]).name.lower()
        time = row["time"].astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        write.writerow([time, hub, sensor, channel, value, unit, quality, reason])
    if is_cut or len(rows) > behind.MOST_READINGS:
        # Who reads the table must not take it for the whole.
        write.writerow(["NOT ALL", hub, sensor, "", "", "", "", "there is more before or after these readings"])
    return text.getvalue().encode()


def _document(
    alarm: Alarm, detection: AlarmDetection, device: Mapping[str, Any] | None, rows: Sequence[Mapping[str, Any]], *,
    is_cut: bool,
) -> bytes:  # fmt: skip
    samples = [
        n42.CountSample(row["time"], row["channel"], row["unit"] or "", row["value"], row["quality"], row["reason"],
                        None if row["period_us"] is None else row["period_us"] / 1e6)
        for row in rows[: behind.MOST_READINGS]
    ]  # fmt: skip
    occupancy = n42.PortalOccupancy(
        hub=alarm.hub, zone=alarm.zone, sensor=alarm.sensor, profile=None if device is None else device["profile"],
        software=None if device is None else device["software"], alarm=alarm.id, detection=detection.id,
        type=detection.type, why=detection.why, exercise=alarm.exercise is not None, began=detection.start,
        ended=ended(detection, alarm), judged=detection.detected,
        detector=detection.detector, detector_version=detection.version, evidence=detection.evidence, samples=samples,
        is_cut=is_cut or len(rows) > behind.MOST_READINGS,
    )  # fmt: skip
    return n42.document(occupancy)


def _file(name: str, kind: str, content: bytes) -> Response:
    """Return a file to keep; its name is made of a number and our own words."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"}
    return Response(content, media_type=kind, headers=headers)
