"""What a responder is told: what, where, since when, how sure, why, how urgent, what to do, and who has it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from hubwatch_alarms.facts import facts_of, iso
from hubwatch_alarms.instructions import Instruction
from hubwatch_core.alarm import Action, Alarm
from hubwatch_core.clock import clock_text
from hubwatch_core.plain_text import one_line
from hubwatch_core.words import Priority

VERSION = 1
"""Version of the webhook body; new keys may come within it, none changes its meaning or goes."""


@dataclass(frozen=True, slots=True)
class AlarmMessage:
    """One thing to tell over one route; `id` is the same at every attempt, so a receiver can drop repeats.

    `alarm` is read anew for every attempt: a message that comes late still says rightly who has the alarm.
    """

    id: str
    event: Action
    at: int
    """When the event happened, microseconds UTC."""
    by: str
    """The person who did it, or "system"."""
    note: str | None
    alarm: Alarm
    instruction: Instruction

    def json(self) -> bytes:
        """Encode as the webhook's body, version 1; its keys are explained in docs/howto/receive-webhooks.md."""
        body = {
            "v": VERSION,
            "id": self.id,
            "event": self.event,
            "at": iso(self.at),
            "by": self.by,
            "note": self.note,
            "text": self.text,
            "do": self.instruction.do,
            "alarm": facts_of(self.alarm, self.instruction.title),
        }
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()

    @property
    def text(self) -> str:
        """Return it in a few lines for a phone, the most needed first."""
        alarm = self.alarm
        urgency = Priority(alarm.priority).name
        happened = str(self.event).replace("_", " ")
        subject = f" ({one_line(alarm.subject)})" if alarm.subject else ""
        return "\n".join(
            [
                f"{urgency}: {self.instruction.title}{subject} – {happened}",
                f"Where: {where(alarm)}",
                f"Since: {clock_text(alarm.opened)}, {presence(alarm)}",
                f"Why: {one_line(alarm.why)} (score {alarm.score:.3g}, {seen_text(alarm)})",
                f"Do: {self.instruction.do}",
                f"Who has it: {who_has(alarm)}",
                f"Alarm {alarm.id}",
            ]
        )


def where(alarm: Alarm) -> str:
    """Return the names of the place from the hub down to the sensor."""
    return " / ".join(part for part in (alarm.hub, alarm.zone, alarm.sensor) if part)


def presence(alarm: Alarm) -> str:
    """Return whether the condition is still there."""
    return "still there" if alarm.active else f"gone at {clock_text(alarm.returned)}"


def who_has(alarm: Alarm) -> str:
    """Return who has taken the alarm, or that nobody has."""
    if alarm.acknowledged_by is None:
        return "nobody yet"
    return f"{one_line(alarm.acknowledged_by)}, since {clock_text(alarm.acknowledged)}"


def seen_text(alarm: Alarm) -> str:
    """Return how many detections the alarm stands for."""
    return "seen once" if alarm.detections == 1 else f"seen {alarm.detections} times"
