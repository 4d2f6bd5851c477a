"""Alarms, their journal and what makes them, as values; times are microseconds UTC since 1970."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hubwatch_core.words import AlarmState, Priority

SYSTEM = "system"
"""Who made a move that no person made; no person may act under this name."""


class Action(StrEnum):
    """What happened to an alarm; the word of its journal entry, and what a route subscribes to."""

    OPENED = "opened"
    """A condition was detected that no open alarm stood for."""
    REPEATED = "repeated"
    """One more detection of the same condition; counted, nobody is told again."""
    RECURRED = "recurred"
    """The condition came back after a quiet time, and the alarm had not been acknowledged."""
    RAISED = "raised"
    """A more urgent detection of the same condition; nobody has the alarm at its new priority."""
    RETURNED = "returned"
    """The condition has gone."""
    CLOSED = "closed"
    """Gone and acknowledged, or ended by a person or because what watched it is gone; then the note says why."""
    ACKNOWLEDGED = "acknowledged"
    """A person took it."""
    SHELVED = "shelved"
    """A person set it aside until a stated time."""
    UNSHELVED = "unshelved"
    """A person took it off the shelf."""
    SHELF_EXPIRED = "shelf_expired"
    """Its time on the shelf ran out."""
    ESCALATED = "escalated"
    """Nobody has acknowledged it in time, and the next are told; the alarm stands as before."""
    SUPPRESSED = "suppressed"
    """It is expected from now on: planned works have begun, or a rule holds."""
    TAKEN_OUT = "taken_out"
    """What reports it was taken out of service."""
    RELEASED = "released"
    """It is not expected any more, or in service again."""
    REOPENED = "reopened"
    """The condition came back soon after somebody had acknowledged it and the alarm had closed; they have it again."""
    REALARMED = "realarmed"
    """Nobody has taken it for as long as its type allows."""


class Adjudication(StrEnum):
    """What a person found an alarm to be."""

    REAL = "real"
    """An incident."""
    INNOCENT = "innocent"
    """What was found was there, and may be there: a patient, a cargo of tiles, a colleague with a key."""
    FALSE = "false"
    """Nothing of it was there: noise, weather, an animal, a faulty device."""
    TEST = "test"
    """Somebody tried the system."""
    TAMPER = "tamper"
    """Somebody tampered with the device."""
    OTHER = "other"
    """None of these; the note says what."""


@dataclass(frozen=True, slots=True)
class DetectedCondition:
    """A detection as far as alarms need it: without the evidence."""

    id: str
    type: str
    hub: str
    sensor: str
    subject: str | None
    start: int
    end: int | None
    """None while the condition lasts."""
    detected: int
    score: float
    """That of the moment in which it was made."""
    priority: int
    late: bool
    why: str
    peak: float = 0.0
    """The highest score up to its end, where it has ended."""
    exercise: int | None = None
    """The drill that made it up; None is what is real."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm as it stands; there is at most one open alarm per (hub, sensor, type, subject) and drill."""

    id: int
    hub: str
    zone: str | None
    sensor: str
    type: str
    subject: str | None
    priority: int
    """The most urgent priority of its detections; 1 is the most urgent."""
    state: AlarmState
    opened: int
    """Since when the condition is there: the earliest start of its detections."""
    last_active: int
    """The latest moment at which the condition is known to have been there."""
    detections: int
    """How many detections it stands for."""
    active: int
    """How many of them have not ended."""
    why: str
    """The detector's sentence, of the most urgent and among those the newest detection."""
    score: float
    """The score of that detection."""
    late: bool
    """Whether that detection was made from readings that arrived late."""
    returned: int | None = None
    acknowledged: int | None = None
    acknowledged_by: str | None = None
    closed: int | None = None
    shelved_until: int | None = None
    incident: int | None = None
    peak: float = 0.0
    """The highest score of all its detections, each up to its end."""
    returns_at: int | None = None
    """When it returns, where its condition has gone and may come back until then."""
    realarm: int | None = None
    """When it is told again, where nobody takes it until then."""
    unseen: bool = False
    """Whether it was opened while it was expected or out of service, so that nobody was told of it."""
    latching: bool = False
    """Whether it stays, once its condition has gone, until somebody has reset it."""
    exercise: int | None = None
    """The drill whose alarm it is; None is what is real. It never stands for detections of another kind."""


SET_ASIDE = frozenset({AlarmState.SHELVED, AlarmState.SUPPRESSED, AlarmState.OUT_OF_SERVICE})
"""States in which nobody is told of an alarm, and nobody has to take it."""


WAITING = frozenset({AlarmState.UNACKNOWLEDGED, AlarmState.RETURNED})
"""States in which an alarm waits for a person."""

TOLD = (
    Action.OPENED, Action.RAISED, Action.RECURRED, Action.SHELF_EXPIRED, Action.RELEASED, Action.REALARMED,
)  # fmt: skip
"""What people are told of: after these nobody has the alarm, or nobody at its priority."""


EXERCISE = "EXERCISE"
"""The first word of all that people see of an exercise."""


def mark(alarm: Alarm) -> str:
    """Return what goes before everything that is said of an alarm: nothing for one that is real."""
    return "" if alarm.exercise is None else f"{EXERCISE}: "


def never_folded(type_: str, priority: int) -> bool:
    """Return whether each finding of that kind is to be told: of priority 1, duress, or tampering."""
    return priority == Priority.CRITICAL or type_.rpartition(".")[2] in {"duress", "tamper"}


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One line of an alarm's journal, written once and never changed; `at` is when the move was made."""

    action: Action
    at: int
    from_state: AlarmState | None
    """None when the move made the alarm."""
    to_state: AlarmState
    by: str = SYSTEM
    """The person who did it, or SYSTEM."""
    note: str | None = None
    detection: str | None = None
    verified: bool | None = None
    """Whether that person had shown who they are; None where no person acted."""
