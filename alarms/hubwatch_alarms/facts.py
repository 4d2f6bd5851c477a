"""An alarm as JSON: the same keys in webhooks and in `hubwatch alarms list --json`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from hubwatch_core.alarm import Action, Alarm, JournalEntry, mark
from hubwatch_core.clock import to_datetime, to_us
from hubwatch_core.words import AlarmState
from hubwatch_store.alarms import Adjudicated, Telling


def facts_of(alarm: Alarm, title: str) -> dict[str, object]:
    """Return everything known of an alarm; times are ISO 8601 UTC with microseconds."""
    return {
        "id": alarm.id,
        "title": f"{mark(alarm)}{title}",
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
        "peak": alarm.peak,
        "why": alarm.why,
        "late": alarm.late,
        "detections": alarm.detections,
        "active": alarm.active,
        "acknowledged_by": alarm.acknowledged_by,
        "acknowledged": iso(alarm.acknowledged),
        "shelved_until": iso(alarm.shelved_until),
        "incident": alarm.incident,
        "exercise": alarm.exercise,
    }


def facts_of_telling(telling: Telling) -> dict[str, object]:
    """Return whether people were told of an alarm."""
    return {
        "told": iso(telling.told),
        "untold_since": iso(telling.untold_since),
        "undelivered_by": list(telling.routes),
        "given_up": telling.given_up,
        "tries": telling.tries,
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


def entry_of_facts(facts: Mapping[str, Any]) -> JournalEntry:
    """Return a journal entry of its JSON."""
    before = facts["from_state"]
    return JournalEntry(
        action=Action(facts["action"]),
        at=us(facts["at"]) or 0,
        from_state=None if before is None else AlarmState(before),
        to_state=AlarmState(facts["to_state"]),
        by=facts["by"],
        note=facts["note"],
        detection=facts["detection"],
        verified=facts["verified"],
    )


def adjudicated_of_facts(facts: Mapping[str, Any]) -> Adjudicated:
    """Return what people found an alarm to be, of its JSON."""
    return Adjudicated(datetime.fromisoformat(facts["at"]), facts["verdict"], facts["by"], facts["note"])


def facts_of_adjudication(was: Adjudicated) -> dict[str, object]:
    """Return what people found an alarm to be."""
    return {"at": iso(to_us(was.at)), "verdict": was.verdict, "by": was.by, "note": was.note}


def alarm_of_facts(facts: Mapping[str, Any]) -> Alarm:
    """Return an alarm of its JSON; what that does not say is left as it is at the beginning."""
    returned, closed = us(facts["returned"]), us(facts["closed"])
    return Alarm(
        id=facts["id"],
        hub=facts["hub"],
        zone=facts["zone"],
        sensor=facts["sensor"],
        type=facts["type"],
        subject=facts["subject"],
        priority=facts["priority"],
        state=AlarmState(facts["state"]),
        opened=us(facts["since"]) or 0,
        last_active=us(facts["last_active"]) or 0,
        detections=facts["detections"],
        # A hub of an older version says neither this nor the peak.
        active=facts.get("active", int(returned is None and closed is None)),
        why=facts["why"],
        score=facts["score"],
        peak=facts.get("peak", 0.0),
        late=facts["late"],
        returned=returned,
        acknowledged=us(facts["acknowledged"]),
        acknowledged_by=facts["acknowledged_by"],
        closed=closed,
        shelved_until=us(facts["shelved_until"]),
        incident=facts["incident"],
        exercise=facts["exercise"],
    )


def telling_of_facts(facts: Mapping[str, Any]) -> Telling:
    """Return whether people were told of an alarm, of its JSON."""
    told, untold_since = us(facts["told"]), us(facts["untold_since"])
    return Telling(told, untold_since, facts["tries"], facts["given_up"], tuple(facts["undelivered_by"]))


def us(text: str | None) -> int | None:
    """Return a moment of ISO 8601 in microseconds."""
    return None if text is None else to_us(datetime.fromisoformat(text))


def iso(t_us: int | None) -> str | None:
    """Return a moment as ISO 8601 with microseconds and Z, as both people and programs read it."""
    return None if t_us is None else to_datetime(t_us).isoformat(timespec="microseconds").replace("+00:00", "Z")
