"""What a responder is told: what, where, since when, how sure, why, how urgent, what to do, and who has it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from hubwatch_alarms.facts import facts_of, iso
from hubwatch_alarms.instructions import Instruction
from hubwatch_core.alarm import EXERCISE, Action, Alarm, mark
from hubwatch_core.clock import SECOND_US, clock_text, to_datetime
from hubwatch_core.plain_text import one_line
from hubwatch_core.words import Priority

UTC = ZoneInfo("UTC")
SHORT_CHARACTERS = 160
"""One text message of a mobile network."""
MOST_OTHERS = 10
"""Alarms of the same incident that a text lists; the rest is counted."""
BACKLOG_US = 10 * 60 * SECOND_US
"""What is told so long after it happened is marked as old. Our choice: longer than two tries of a slow route take, and
far shorter than the outage of a link."""
VERSION = 1
"""Version of the webhook body; new keys may come within it, none changes its meaning or goes."""


@dataclass(frozen=True, slots=True)
class OtherAlarm:
    """An alarm of the same incident that a message tells of, too."""

    id: int
    priority: int
    title: str
    zone: str | None
    sensor: str

    @property
    def line(self) -> str:
        """Return it in one line."""
        place = " / ".join(part for part in (self.zone, self.sensor) if part)
        return f"Also: {Priority(self.priority).name} {self.title}, {place} (alarm {self.id})"


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
    person: str | None = None
    """Who is told, where it is somebody in particular."""
    to: str | None = None
    """Where that person is on the route."""
    zone: ZoneInfo = UTC
    """Whose clock people read: the hub's."""
    now: int | None = None
    """When it is told; None is when the event happened."""
    link: str | None = None
    """Where this person can acknowledge."""
    first_at: int | None = None
    """When the alarm's first journal entry was written; None where it is this one."""
    others: tuple[OtherAlarm, ...] = ()
    """What is told with it, of the same incident; the most urgent first."""
    carries: tuple[str, ...] = ()
    """The ids of the messages that are told with it."""
    attempt: int = 1
    """Which attempt it is, of that of its messages that was tried most often: after the first it may be a repeat."""

    @property
    def exercise(self) -> bool:
        """Return whether it is only an exercise."""
        return self.alarm.exercise is not None

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
            "short": self.short,
            "person": self.person,
            "exercise": self.exercise,
            "others": [other.id for other in self.others],
            "carries": list(self.carries),
            "attempt": self.attempt,
            "do": self.do,
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
                f"{mark(alarm)}{self._age}{urgency}: {self.instruction.title}{subject} – {happened}{self._more}",
                f"Where: {where(alarm)}",
                f"Since: {self._clock(alarm.opened)}, {self._presence}",
                f"Why: {one_line(alarm.why)} (score {alarm.score:.3g}, {seen_text(alarm)})",
                f"Do: {self.do}",
                f"Who has it: {self._holder}",
                f"Alarm {alarm.id}",
                *([] if self.attempt == 1 else [f"Attempt {self.attempt}: this may have reached you before"]),
                *(other.line for other in self.others[:MOST_OTHERS]),
                *([f"… and {len(self.others) - MOST_OTHERS} more"] if len(self.others) > MOST_OTHERS else []),
                *([] if self.link is None else [f"Acknowledge{self._all}: {self.link}"]),
            ]
        )

    @property
    def short(self) -> str:
        """Return it in one line of at most 160 characters: what, where, since when, how sure, what to do."""
        alarm = self.alarm
        place = "/".join(part for part in (alarm.hub, alarm.zone or alarm.sensor) if part)
        since = to_datetime(alarm.opened).astimezone(self.zone)
        times = "" if alarm.detections == 1 else f" x{alarm.detections}"
        facts = f", {cut(place, 50)}, since {since:%d %b %H:%M %Z}, score {alarm.score:.3g}{times}. "
        more = f" +{len(self.others)}" if self.others else ""
        what = f"{mark(alarm)}{self._age}{Priority(alarm.priority).name}{more}: {self.instruction.title}"
        head = cut(what, SHORT_CHARACTERS - len(facts)) + facts
        return (head + cut(self.do, SHORT_CHARACTERS - len(head))).rstrip()

    @property
    def do(self) -> str:
        """Return what to do; in an exercise nobody calls others without saying that it is one."""
        return f"Say {EXERCISE} to whomever you call. {self.instruction.do}" if self.exercise else self.instruction.do

    @property
    def _age(self) -> str:
        """Say first of what is told long after it happened how old it is."""
        now = self.at if self.now is None else self.now
        began = self.alarm.opened if self.event is Action.OPENED else self.at
        old_us = now - min(began, self.at)
        return f"{age_text(old_us)} OLD – " if old_us > BACKLOG_US else ""

    @property
    def _more(self) -> str:
        if not self.others:
            return ""
        return f" – and {len(self.others)} more of incident {self.alarm.incident}"

    @property
    def _all(self) -> str:
        return f" all {len(self.others) + 1}" if self.others else ""

    @property
    def _presence(self) -> str:
        return "still there" if self.alarm.active else f"gone at {self._clock(self.alarm.returned)}"

    @property
    def _holder(self) -> str:
        alarm = self.alarm
        if alarm.acknowledged_by is None:
            return who_has(alarm)
        return f"{one_line(alarm.acknowledged_by)}, since {self._clock(alarm.acknowledged)}"

    def _clock(self, t_us: int | None) -> str:
        if t_us is None:
            return clock_text(t_us)
        return f"{to_datetime(t_us).astimezone(self.zone):%Y-%m-%d %H:%M:%S %Z}"


def cut(text: str, most: int) -> str:
    """Return a text in at most so many characters; what is left out is shown by an ellipsis."""
    return text if len(text) <= most else f"{text[: max(0, most - 1)]}…"[: max(0, most)]


def age_text(span_us: int) -> str:
    """Return how long ago something was, in its largest unit."""
    minutes = span_us // (60 * SECOND_US)
    if minutes < 120:
        return f"{minutes} MIN"
    return f"{minutes // 60} H" if minutes < 48 * 60 else f"{minutes // (24 * 60)} DAYS"


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
