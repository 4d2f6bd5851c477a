"""An alarm as JSON: the same keys in webhooks and in `hubwatch alarms list --json`."""

from __future__ import annotations

from hubwatch_core.alarm import Alarm, JournalEntry
from hubwatch_core.clock import to_datetime, to_us
from hubwatch_store.alarms import Adjudicated, Telling


def facts_of(alarm: Alarm, title: str) -> dict[str, object]:
    """Return everything known of an alarm; times are ISO 8601 UTC with microseconds."""
    return {
        "id": alarm.id,
        "title": title,
        "type": alarm.type,
        "hub": alarm.hub,
        "zone": alarm.zone,
        "sensor": alarm.sensor,
        "subject": alarm.subject,
        "priority": alarm.priority,
        "state": alarm.state,
        "since": iso(alarm.opened),
        "last_active": iso(alarm.last_active),
        "returned": iso(alarm.returned),
        "closed": iso(alarm.closed),
        "score": alarm.score,
        "why": alarm.why,
        "late": alarm.late,
        "detections": alarm.detections,
        "acknowledged_by": alarm.acknowledged_by,
        "acknowledged": iso(alarm.acknowledged),
        "shelved_until": iso(alarm.shelved_until),
        "incident": alarm.incident,
    }


def facts_of_telling(telling: Telling) -> dict[str, object]:
    """Return whether people were told of an alarm."""
    return {
        "told": iso(telling.told),
        "untold_since": iso(telling.untold_since),
        "undelivered_by": list(telling.routes),
        "given_up": telling.given_up,
    }


def facts_of_entry(entry: JournalEntry) -> dict[str, object]:
    """Return a journal entry."""
    return {
        "at": iso(entry.at),
        "action": entry.action,
        "by": entry.by,
        "from_state": entry.from_state,
        "to_state": entry.to_state,
        "note": entry.note,
        "detection": entry.detection,
        "verified": entry.verified,
    }


def facts_of_adjudication(was: Adjudicated) -> dict[str, object]:
    """Return what people found an alarm to be."""
    return {"at": iso(to_us(was.at)), "verdict": was.verdict, "by": was.by, "note": was.note}


def iso(t_us: int | None) -> str | None:
    """Return a moment as ISO 8601 with microseconds and Z, as both people and programs read it."""
    return None if t_us is None else to_datetime(t_us).isoformat(timespec="microseconds").replace("+00:00", "Z")
