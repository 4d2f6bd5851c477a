"""Answers about alarms, what nobody is told of, and acts that wait for a second person."""

from __future__ import annotations

from typing import Any

from hubwatch_console.routes.answers.words import (
    AlarmType,
    Count,
    Exercise,
    Hub,
    Moment,
    Next,
    Number,
    Person,
    Priority,
    SaidAnswer,
    Sensor,
    Text,
    Zone,
)
from hubwatch_core.alarm import Adjudication
from hubwatch_core.words import AlarmState


class AlarmAnswer(SaidAnswer):
    """An alarm as it stands."""

    id: Number
    title: Text
    """What it is, for people."""
    type: AlarmType
    hub: Hub
    zone: Zone | None
    sensor: Sensor
    subject: Text | None
    """Whom or what it is about, such as the pseudonym of a badge."""
    priority: Priority
    state: AlarmState
    since: Moment
    last_active: Moment
    returned: Moment | None
    """When its condition was gone; null while it is there."""
    closed: Moment | None
    score: float
    peak: float
    """The highest score of all its detections."""
    why: Text
    late: bool
    """Whether it was found long after it happened."""
    detections: Count
    active: Count
    """How many of them have not ended."""
    acknowledged_by: Person | None
    acknowledged: Moment | None
    shelved_until: Moment | None
    incident: Number | None
    exercise: Exercise


class AlarmChangeAnswer(AlarmAnswer):
    """An alarm after an act."""

    changed: bool
    """Whether the act changed anything; false when it was so already."""


class ListedAlarmAnswer(AlarmAnswer):
    """An alarm in a list, and whether people were told of it."""

    told: Moment | None
    untold_since: Moment | None
    undelivered_by: list[str]
    """Routes that have not delivered."""
    given_up: bool
    tries: Count
    cause: Number | None
    """The alarm that is the cause of this one, where it is a symptom."""


class AlarmListAnswer(SaidAnswer):
    """A page of alarms, in the order in which they want attention."""

    alarms: list[ListedAlarmAnswer]
    more: Count
    """How many come after this page; of closed ones up to 10 000 are counted."""
    at_least: bool
    """Whether that bound was reached, so that there may be more than `more`."""
    floods: list[Hub]
    """Hubs with more alarms than somebody can read."""
    next: Next


class JournalEntryAnswer(SaidAnswer):
    """What happened to an alarm."""

    at: Moment
    action: str
    by: Person
    from_state: AlarmState | None
    to_state: AlarmState
    note: Text | None
    detection: str | None
    verified: bool | None
    """Whether the person had shown who they are; null for the system."""


class AdjudicationAnswer(SaidAnswer):
    """What people found an alarm to be."""

    at: Moment
    verdict: Adjudication
    by: Person
    note: Text | None


class AlarmDetailsAnswer(AlarmAnswer):
    """Everything about one alarm."""

    do: Any
    """What to do first."""
    journal: list[JournalEntryAnswer]
    notifications: list[dict[str, Any]]
    """Each attempt to tell people of it."""
    adjudication: AdjudicationAnswer | None


class VerdictAnswer(SaidAnswer):
    """What somebody has said an alarm was."""

    alarm: Number
    verdict: Adjudication
    by: Person


class ApprovalAskedAnswer(SaidAnswer):
    """An act that waits for a second person."""

    approval: Number


class ApprovalAnswer(SaidAnswer):
    """An act that waits for a second person, or what came of it."""

    id: Number
    act: str
    hub: Hub | None
    subject: Text
    details: dict[str, Any]
    reason: Text
    asked_by: Person
    asked: Moment
    expires: Moment
    decision: str | None
    """`approved`, `refused` or `expired`; null while it waits."""
    decided_by: Person | None
    note: Text | None
    done: bool


class ApprovalListAnswer(SaidAnswer):
    """A page of acts, those that wait first."""

    approvals: list[ApprovalAnswer]
    next: Next


class SuppressedAnswer(SaidAnswer):
    """Something that nobody is told of."""

    hub: Hub
    what: str
    """`alarm`, or `expected` for what was said to be expected."""
    id: Number
    kind: str
    zone: Zone | None
    sensor: Sensor | None
    types: list[str]
    priority: Priority
    since: Moment | None
    until: Moment | None
    by: Person | None
    reason: Text | None
    agreed_by: Person | None


class SuppressionListAnswer(SaidAnswer):
    """A page of what nobody is told of."""

    suppressions: list[SuppressedAnswer]
    next: Next


class SuppressionAnswer(SaidAnswer):
    """What is expected from now on."""

    suppression: Number
    since: Moment
    until: Moment


class LiftedAnswer(SaidAnswer):
    """What is expected no more."""

    suppression: Number
    by: Person | None
