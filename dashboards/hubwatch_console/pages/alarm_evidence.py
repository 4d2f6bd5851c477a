"""What is behind an alarm, as its page shows it: drawings, facts in words, the device, what stands around, what was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from markupsafe import Markup

from hubwatch_console.access import Parts
from hubwatch_console.pages import drawing, evidence, surroundings, words
from hubwatch_console.pages.downloads import around, occupancies_of
from hubwatch_console.pages.incident_map import IncidentMap, MappedAlarm, incident_map
from hubwatch_console.pages.rendering import Page
from hubwatch_console.pages.sight import SILENT_AFTER_S, cause_of
from hubwatch_console.pages.surroundings import NearbySensor
from hubwatch_core.alarm import Alarm
from hubwatch_core.clock import to_datetime, to_us
from hubwatch_core.words import Quality
from hubwatch_store.console import AlarmDetection, behind
from hubwatch_store.database import DatabaseConnection

MOST_SAID = 40
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AlarmEvidence:
    """Everything that an alarm's page says beside the alarm itself."""

    drawings: Sequence[tuple[str, Markup]]
    facts: Sequence[tuple[str, str]]
    occupancies: Sequence[AlarmDetection]
    said: Sequence[Row]
    """What the sensor said around it, in order."""
    device: Row | None
    channels: Sequence[Row]
    cause: str | None
    """Why the device is not seen now; None where it is."""
    nearby: Sequence[tuple[NearbySensor, Row]]
    """What stands around it, each as it was when the alarm began."""
    map: IncidentMap | None
    history: Sequence[Row]
    verdicts: Mapping[str, int]
    """How often people found former alarms to be what."""


async def of(connection: DatabaseConnection, parts: Parts, page: Page, alarm: Alarm) -> AlarmEvidence:
    """Return what is behind an alarm."""
    detected = await behind.detections(connection, alarm.id)
    events = await behind.events(connection, alarm.hub, alarm.sensor, *around(alarm))
    device = await behind.device(connection, alarm.hub, alarm.sensor)
    channels = await behind.channels(connection, alarm.hub, alarm.sensor)
    cause = None if device is None else cause_of(_now(device, channels))
    history = await behind.history(connection, alarm.hub, alarm.sensor, alarm.id)
    nearby = await _nearby(connection, parts, alarm)
    site = None if parts.feed is None else parts.feed.site(alarm.hub)
    alarmed = [_mapped(row) for _, row in nearby if row["alarm"] is not None]
    own = MappedAlarm(alarm.id, alarm.type, alarm.sensor, alarm.zone, alarm.opened, alarm.priority, alarm.exercise)
    return AlarmEvidence(
        drawings=await _drawings(connection, page, alarm, detected, events),
        facts=evidence.facts_of(detected[0].evidence, page) if detected else [],
        occupancies=occupancies_of(alarm, None if device is None else device["kind"], detected),
        said=events[-MOST_SAID:], device=device, channels=channels,
        cause=cause if device is None or device["gone"] is None else "gone", nearby=nearby,
        map=incident_map(site, [own, *alarmed], page, moves=False), history=history,
        verdicts=Counter(row["verdict"] for row in history if row["verdict"]),
    )  # fmt: skip


def was_seen(row: Row) -> bool | None:
    """Return whether a sensor was seen at a moment; None where no reading of then is stored, any more or at all."""
    if row["age_s"] is None:
        return None
    return bool(row["age_s"] <= (row["max_age_s"] or SILENT_AFTER_S) and row["quality"] != Quality.BAD)


async def _nearby(connection: DatabaseConnection, parts: Parts, alarm: Alarm) -> list[tuple[NearbySensor, Row]]:
    site = None if parts.feed is None else parts.feed.site(alarm.hub)
    if site is None:
        return []
    zones = await behind.zones_of(connection, alarm.hub)
    near = surroundings.around(site, alarm.sensor, alarm.zone, zones)
    names, opened = [each.sensor for each in near], to_datetime(alarm.opened)
    rows = await behind.nearby(connection, alarm.hub, names, opened, alarm.exercise)
    by_sensor = {row["sensor"]: {**row, "seen": was_seen(row)} for row in rows}
    return [(each, by_sensor[each.sensor]) for each in near if each.sensor in by_sensor]


def _mapped(row: Row) -> MappedAlarm:
    opened = to_us(row["opened"])
    return MappedAlarm(
        row["alarm"], row["alarm_type"], row["sensor"], row["zone"], opened, row["priority"], row["exercise"]
    )


def _now(device: Row, channels: Sequence[Row]) -> dict[str, Any]:
    """Return what shows whether a device is seen now, of its believable channel that was read last."""
    read = [each for each in channels if each["age_s"] is not None]
    newest = min(read, key=lambda each: (each["quality"] == Quality.BAD, each["age_s"]), default=None)
    told = {"age_s": None, "quality": None} if newest is None else newest
    return {
        "age_s": told["age_s"], "quality": told["quality"], "agent_heard_s": device["agent_heard_s"],
        "agent_state": device["agent_state"], "channels": bool(channels), "max_age_s": device["max_age_s"],
        "expected": device["expected"],
    }  # fmt: skip


async def _drawings(
    connection: DatabaseConnection,
    page: Page,
    alarm: Alarm,
    detected: Sequence[AlarmDetection],
    events: list[dict[str, Any]],
) -> list[tuple[str, Markup]]:
    """Return what can be drawn of the evidence: the profile or series, a fence, and what the sensor said."""
    found: list[tuple[str, Markup]] = []
    kept: Mapping[str, Any] = detected[0].evidence if detected else {}
    _ = page.text
    names = {"seen": _("counts"), "model": _("model without a source"), "background": _("background")}
    profile = drawing.profile_of(kept, names)
    if profile:
        title = _("Profile of the passage")
        found.append((title, drawing.lines(title, profile, unit=_("counts"), across="s")))
    chance, allowed = kept.get("chance"), kept.get("allowed", kept.get("chance_allowed"))
    if drawing.is_chance(chance) and drawing.is_chance(allowed):
        title = _("How seldom it is by chance, and what is allowed")
        is_, limit_is = _("found"), _("threshold")
        said = f"{is_}: {evidence.odds(chance, page)}", f"{limit_is}: {evidence.odds(allowed, page)}"
        found.append((title, drawing.odds(title, (said[0], chance), (said[1], allowed))))
    series = drawing.series_of(kept)
    if series:
        title, limit = _("What was judged"), drawing.threshold_of(kept)
        named = None if limit is None else (_("threshold"), limit)
        found.append((title, drawing.lines(title, series, across=_("samples"), limit=named)))
    if alarm.type.startswith("perimeter."):
        title = _("Fence sections")
        sections = await behind.sections(connection, alarm.hub)
        found.append((title, drawing.fence(title, sections, _fence_alarms(alarm, kept))))
    if events:
        title = _("What the sensor said")
        since, until = around(alarm)
        found.append((title, drawing.timeline(title, _rows_of(events, page), since, until, to_datetime(alarm.opened))))
    return [(title, drawn) for title, drawn in found if drawn]


def _rows_of(events: Sequence[Row], page: Page) -> list[tuple[str, list[tuple[datetime, str]]]]:
    """Return events by type in words, the types in the order in which they first came."""
    rows: dict[str, list[tuple[datetime, str]]] = {}
    for event in events:
        word = page.text(words.EVENT[event["type"]]) if event["type"] in words.EVENT else event["type"]
        said = " ".join([f"{event['time']:%H:%M:%S} UTC", word, event["subject"] or ""])
        rows.setdefault(word, []).append((event["time"], said))
    return list(rows.items())[:12]


def _fence_alarms(alarm: Alarm, kept: Mapping[str, Any]) -> dict[str, list[float]]:
    """Return by section when it alarmed, in seconds after the first."""
    found: dict[str, list[float]] = {alarm.sensor: []}
    series = kept.get("series")
    for each in series if isinstance(series, list) else ():
        if isinstance(each, list) and len(each) == 2 and drawing.is_number(each[1]):
            found.setdefault(str(each[0]), []).append(float(each[1]))
    return found
