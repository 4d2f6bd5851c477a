"""Answers about incidents, handovers and exercises."""

from __future__ import annotations

from typing import Any

from pydantic import RootModel

from hubwatch_console.routes.answers.alarms import AlarmAnswer
from hubwatch_console.routes.answers.words import (
    Count,
    Exercise,
    Hub,
    Moment,
    Next,
    Number,
    Person,
    Priority,
    SaidAnswer,
    Seconds,
    Sensor,
    Text,
    Zone,
)


class IncidentAnswer(SaidAnswer):
    """An incident as it stands."""

    id: Number
    hub: Hub
    title: Text
    state: str
    """`open`, `waiting` (for a person to close it), `closed` or `merged`."""
    priority: Priority
    opened: Moment
    closed: Moment | None
    alarms: Count
    open: Count
    untaken: Count
    """How many of its open alarms nobody has taken."""
    zones: list[Zone]
    assigned: Person | None
    comments: Count
    merged_into: Number | None
    verdict: str | None
    judged: Moment | None
    judged_by: Person | None
    exercise: Exercise


class IncidentListAnswer(SaidAnswer):
    """A page of incidents, the most urgent first."""

    incidents: list[IncidentAnswer]
    next: Next


class IncidentDetailsAnswer(IncidentAnswer):
    """An incident with its alarms."""

    of_it: list[AlarmAnswer]
    more: Count
    """Alarms of it that are not shown."""


class IncidentClosedAnswer(IncidentAnswer):
    """An incident that was closed."""

    ended: list[Number]
    """Alarms that ended with it."""


class IncidentTakenAnswer(SaidAnswer):
    """The alarms of an incident that somebody has taken."""

    incident: Number
    acknowledged: list[Number]


class HappenedAnswer(SaidAnswer):
    """A row of a timeline."""

    at: Moment
    what: str
    action: str
    by: Person | None
    text: Text | None
    alarm: Number | None
    details: dict[str, Any]


class TimelineAnswer(SaidAnswer):
    """A page of what happened in an incident."""

    incident: Number
    title: Text
    rows: list[HappenedAnswer]
    next: Next


class HandoverAnswer(SaidAnswer):
    """Who has drafted and signed a handover."""

    id: Number
    hub: Hub
    state: str
    """`draft`, `signed` or `taken over`."""
    drafted: Moment
    drafted_by: Person
    left_by: Person | None
    left_at: Moment | None
    left_verified: bool | None
    taken_by: Person | None
    taken_at: Moment | None
    taken_verified: bool | None
    digest: str
    """What is signed: of all that is shown."""


class HandoverListAnswer(SaidAnswer):
    """A page of handovers, the newest first."""

    handovers: list[HandoverAnswer]
    next: Next


class HandoverWholeAnswer(HandoverAnswer):
    """A handover with all that it lists."""

    facts: dict[str, Any]
    notes: str
    text: str


class DrillAnswer(SaidAnswer):
    """An exercise."""

    drill: Number
    title: Text
    scenario: str
    hub: Hub
    zone: Zone | None
    began: Moment
    until: Moment
    by: Person
    verified: bool
    note: Text | None
    ended: Moment | None
    ended_by: Person | None


class DrillListAnswer(SaidAnswer):
    """A page of exercises, the newest first."""

    drills: list[DrillAnswer]
    next: Next


class DrillToldAnswer(SaidAnswer):
    """Somebody who was told of an alarm of an exercise."""

    event: str
    route: str
    person: Person | None
    outcome: str
    tries: Count
    after_s: Seconds | None
    error: Text | None


class DrillAlarmAnswer(SaidAnswer):
    """An alarm that an exercise made up, and how it went."""

    alarm: Number
    title: Text
    type: str
    zone: Zone | None
    sensor: Sensor
    priority: Priority
    state: str
    opened: Moment
    told: list[DrillToldAnswer]
    escalated: Count
    answered_by: Person | None
    answer: str | None
    answered_after_s: Seconds | None


class DrillReportAnswer(DrillAnswer):
    """How an exercise went."""

    steps: Count
    made_up: Count
    alarms: list[DrillAlarmAnswer]
    told: Count
    answered: Count


class ScenarioAnswer(SaidAnswer):
    """What can be tried."""

    title: Text
    about: Text
    for_s: Seconds
    own: bool
    """Whether it is of the hub's own file."""


class ScenariosAnswer(RootModel[dict[str, ScenarioAnswer]]):
    """What can be tried, by name."""
