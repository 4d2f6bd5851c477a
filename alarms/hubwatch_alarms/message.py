"""What a responder is told: what, where, since when, how sure, why, how urgent, what to do, and who has it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from hubwatch_alarms.instructions import Instruction
from hubwatch_core.clock import to_datetime
from hubwatch_core.words import AlarmState, Priority
from hubwatch_store.alarm_rows import Action, Alarm

PRESENCE = {
    AlarmState.UNACKNOWLEDGED: "still there",
    AlarmState.ACKNOWLEDGED: "still there",
    AlarmState.RETURNED: "gone",
    AlarmState.NORMAL: "gone",
    AlarmState.SHELVED: "shelved",
}


@dataclass(frozen=True, slots=True)
class Message:
    """One thing to tell over one route; `id` is the same at every attempt, so a receiver can drop repeats.

    `alarm` is read anew for every attempt: a message that comes late still says rightly who has the alarm.
    """

    id: str
    event: Action
    at: int
    """When the event happened, microseconds UTC."""
    by: str
    note: str | None
    alarm: Alarm
    instruction: Instruction

    def json(self) -> bytes:
        """Encode as the webhook's body, version 1; its keys are explained in docs/reference/alarms.md."""
        alarm = self.alarm
        body = {
            "v": 1,
            "id": self.id,
            "event": self.event,
            "at": _iso(self.at),
            "by": self.by,
            "note": self.note,
            "text": self.text,
            "do": self.instruction.do,
            "alarm": {
                "id": alarm.id,
                "title": self.instruction.title,
                "type": alarm.type,
                "hub": alarm.hub,
                "zone": alarm.zone,
                "sensor": alarm.sensor,
                "subject": alarm.subject,
                "priority": alarm.priority,
                "state": alarm.state,
                "since": _iso(alarm.opened),
                "last_active": _iso(alarm.last_active),
                "returned": _iso(alarm.returned),
                "score": alarm.score,
                "why": alarm.why,
                "late": alarm.late,
                "detections": alarm.detections,
                "acknowledged_by": alarm.acknowledged_by,
                "acknowledged": _iso(alarm.acknowledged),
                "shelved_until": _iso(alarm.shelved_until),
                "incident": alarm.incident,
            },
        }
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()

    @property
    def text(self) -> str:
        """Say it in a few lines for a phone."""
        alarm = self.alarm
        urgency = Priority(alarm.priority).name
        place = " / ".join(part for part in (alarm.hub, alarm.zone, alarm.sensor) if part)
        subject = f" ({alarm.subject})" if alarm.subject else ""
        what = f"{self.instruction.title}{subject}"
        return "\n".join(
            [
                f"{urgency} {str(self.event).replace('_', ' ').upper()}: {what}",
                f"Where: {place}",
                f"Since: {_short(alarm.opened)}, {PRESENCE[alarm.state]}",
                f"Why: {alarm.why} (score {alarm.score:.3g}, {_times(alarm.detections)})",
                f"Do: {self.instruction.do}",
                f"Who has it: {who_has(alarm)}",
                f"Alarm {alarm.id}",
            ]
        )


def who_has(alarm: Alarm) -> str:
    """Say who has taken the alarm, or that nobody has."""
    if alarm.acknowledged_by is None:
        return "nobody yet"
    return f"{alarm.acknowledged_by}, since {_short(alarm.acknowledged)}"


def _times(detections: int) -> str:
    return "seen once" if detections == 1 else f"seen {detections} times"


def _iso(t_us: int | None) -> str | None:
    return None if t_us is None else to_datetime(t_us).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _short(t_us: int | None) -> str:
    return "an unknown time" if t_us is None else f"{to_datetime(t_us):%Y-%m-%d %H:%M:%S} UTC"
