"""Answers about a hub: whether it is watched, its devices, what is kept of whom."""

from __future__ import annotations

from typing import Any

from hubwatch_console.routes.answers.words import (
    Agent,
    Count,
    Days,
    Exercise,
    Hub,
    Moment,
    Next,
    Number,
    Person,
    Priority,
    SaidAnswer,
    Seconds,
    Secret,
    Sensor,
    Text,
    Zone,
)


class WatchedHubAnswer(SaidAnswer):
    """A hub, and why it is not known that all is well there; no doubts, and alarms are looked for."""

    hub: Hub
    name: Text
    level: Count
    doubts: list[str]
    """`not_asked`, `nothing_heard`, `not_judged`, `no_alarms` or `alarms_wait`."""


class AgentHealthAnswer(SaidAnswer):
    """An agent as it was heard last."""

    hub: Hub
    agent: Agent
    state: str | None
    software: str | None
    heard: Moment | None
    state_since: Moment | None
    late: Moment | None
    """When it last sent what had waited long."""
    sensors: Count


class RouteHealthAnswer(SaidAnswer):
    """What became of the messages of the last day that went over a route, and of those that wait for longer."""

    route: str
    failing: Count
    waiting: Count
    given_up: Count
    delivered: Count
    last: Moment | None
    oldest: Moment | None
    """Since when the oldest message waits."""


class HealthAnswer(SaidAnswer):
    """Whether everything works that watches the hubs that one sees."""

    hubs: list[WatchedHubAnswer]
    agents: list[AgentHealthAnswer]
    missing_frames: dict[str, int]
    """Frames that are not stored, by cause."""
    routes: list[RouteHealthAnswer]
    whole: bool
    """False where there is more than is listed."""


class BlindSensorAnswer(SaidAnswer):
    """A sensor that cannot be seen now."""

    sensor: Sensor
    kind: str
    agent: Agent | None
    cause: str
    reason: str | None
    last_reading: Moment | None
    until: Moment | None
    by: Person | None
    alarm: Number | None
    alarm_type: str | None
    priority: Priority | None
    exercise: Exercise


class BlindZoneAnswer(SaidAnswer):
    """A zone with sensors that cannot be seen now."""

    hub: Hub
    zone: Zone
    sensors: Count
    blind: list[BlindSensorAnswer]


class BlindAnswer(SaidAnswer):
    """What cannot be seen now; an empty list says so only of hubs without doubts."""

    hubs: list[WatchedHubAnswer]
    zones: list[BlindZoneAnswer]
    sensors: Count
    """How many were looked at."""
    whole: bool
    """False where there are more sensors than were looked at."""


class LevelAnswer(SaidAnswer):
    """The security level of a hub, and the act that set it."""

    hub: Hub
    level: Count
    since: Moment | None
    by: Person | None
    note: Text | None
    until: Moment | None


class CheckAnswer(SaidAnswer):
    """What is to be done at a security level, and who has ticked it."""

    id: str
    """Its id in the site's file."""
    text: Text
    done: bool
    """Whether it is ticked."""
    by: Person | None
    at: Moment | None
    note: Text | None


class ChecklistAnswer(SaidAnswer):
    """What is to be done at a hub at its security level."""

    hub: Hub
    level: Count
    began: Number | None
    """The change of the level with which the list began; null where it was never changed."""
    known: bool
    """False while the site of the hub is not known."""
    left: Count | None
    """How many are to be done still; null while that is not known."""
    checks: list[CheckAnswer]
    """What is to be done."""


class LevelChangeAnswer(SaidAnswer):
    """A security level that was set."""

    hub: Hub
    level: Count
    former: Count


class KeyAnswer(SaidAnswer):
    """A key of an agent; not its certificate."""

    hub: Hub
    agent: Agent
    serial: str
    enrolled: Moment
    expires: Moment
    revoked: Moment | None
    revoked_by: Person | None
    reason: Text | None
    good: bool
    renewal_asked: bool


class PendingTokenAnswer(SaidAnswer):
    """Leave to enrol that nobody has used yet."""

    hub: Hub
    agent: Agent
    by: Person
    expires: Moment


class KeyListAnswer(SaidAnswer):
    """A page of keys, and all leave that nobody has used yet."""

    keys: list[KeyAnswer]
    tokens: list[PendingTokenAnswer]
    next: Next


class EnrolTokenAnswer(SaidAnswer):
    """Leave to enrol an agent, once; it is shown once."""

    token: Secret
    expires: Moment


class ForgottenAgentAnswer(SaidAnswer):
    """The sensors that no agent lists any more."""

    gone: list[Sensor]


class SiteAppliedAnswer(SaidAnswer):
    """A site that is in force."""

    hub: Hub
    version: Count
    new: bool
    written: Any
    removed: Any


class HoldAnswer(SaidAnswer):
    """A legal hold."""

    hold: Number


class SurroundingsAnswer(SaidAnswer):
    """What a list of cardholders may name."""

    zones: list[Zone]
    shifts: list[str]
    time_zone: str | None
    count: Count


class ImportedAnswer(SaidAnswer):
    """A list of cardholders that is in force."""

    version: Count
    cardholders: Count
    written: Count
    removed: Count


class RuleAnswer(SaidAnswer):
    """For how many days what is kept of a kind; null is for ever."""

    kind: str
    raw: Days | None
    minute: Days | None
    hour: Days | None
    event: Days | None
    why: Text | None


class EvidenceAnswer(SaidAnswer):
    """How much around a detection is kept, and for how many days; null is for ever."""

    before_s: Seconds
    after_s: Seconds
    days: Days | None


class RetentionAnswer(SaidAnswer):
    """The rules in force."""

    rules: list[RuleAnswer]
    evidence: EvidenceAnswer
    person_days: Days | None


class RuleChangeAnswer(RuleAnswer):
    """A rule, and what it was before."""

    former: RuleAnswer | None


class EvidenceChangeAnswer(EvidenceAnswer):
    """The rule for evidence, and what it was before."""

    former: EvidenceAnswer


class PersonDaysAnswer(SaidAnswer):
    """For how many days detections and alarms name persons, and what that was before."""

    former: Days | None
    days: Days | None


class PersonAnswer(SaidAnswer):
    """All that is stored about a person."""

    events: list[Any]
    detections: list[Any]
    alarms: list[Any]
    cardholder: list[Any]
    names: list[Any] | None = None
    """Left out where the console may not read them."""


class ErasureAnswer(SaidAnswer):
    """Who had somebody forgotten, when and why."""

    id: Number
    at: Moment
    by: Person
    reason: Text
    counts: dict[str, int] | None
    """Rows by table; null while it is under way."""


class ErasureListAnswer(SaidAnswer):
    """A page of records, the newest first."""

    erasures: list[ErasureAnswer]
    next: Next


class DeadLetterAnswer(SaidAnswer):
    """A message that could not be processed."""

    id: Number
    topic: str
    reason: Text
    hub: Hub | None
    agent: Agent | None
    first_seen: Moment
    last_seen: Moment
    count: Count
    bytes: Count
    replayed: Moment | None
    waits: bool
    """Whether a collector is to try it again."""
    still_dead: Text | None


class DeadLetterWholeAnswer(DeadLetterAnswer):
    """A message that could not be processed, whole."""

    payload: str
    """In base64: it may be anything."""


class DeadLetterListAnswer(SaidAnswer):
    """A page of dead letters, the newest first."""

    letters: list[DeadLetterAnswer]
    count: Count
    """How many there are in all."""
    next: Next


class ReplayAskedAnswer(SaidAnswer):
    """How many are to be tried again."""

    asked: Count
