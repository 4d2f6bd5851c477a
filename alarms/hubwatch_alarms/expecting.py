"""Whether an alarm is expected where it is: by planned works, by what is out of service, or by design."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from hubwatch_alarms.priorities import DesignRule
from hubwatch_alarms.triggers import Aside
from hubwatch_core.alarm import Alarm, never_folded
from hubwatch_core.clock import clock_text, to_us
from hubwatch_core.words import AlarmState
from hubwatch_store.alarms import ExpectedAlarms, ExpectedKind, OpenCause, expected


@dataclass(frozen=True, slots=True)
class Place:
    """Where an alarm is, of which type, and how urgent."""

    hub: str
    zone: str | None
    sensor: str
    type: str
    priority: int


@dataclass(frozen=True, slots=True)
class Expectations:
    """Everything that is expected at one moment."""

    records: tuple[ExpectedAlarms, ...] = ()
    causes: frozenset[OpenCause] = frozenset()
    design: tuple[DesignRule, ...] = field(default=())

    def hubs(self) -> frozenset[str]:
        """Return the hubs where something is expected."""
        return frozenset(record.hub for record in self.records) | {cause.hub for cause in self.causes}

    def after(self, opened: Alarm) -> Expectations:
        """Return what is expected once an alarm has opened: it may be the cause of what comes with it."""
        is_cause = any(opened.type in rule.while_open for rule in self.design)
        aside = opened.state in {AlarmState.SUPPRESSED, AlarmState.OUT_OF_SERVICE}
        if not is_cause or aside or not opened.active or opened.exercise is not None:
            return self
        cause = OpenCause(opened.hub, opened.zone, opened.sensor, opened.type)
        return replace(self, causes=self.causes | {cause})

    def aside(self, place: Place) -> Aside | None:
        """Return why an alarm is expected, None when it is not: out of service goes before works, and these before
        what is so by design. That much is set aside is never expected.
        """
        if place.type == expected.BURST:
            return None
        for kind, state in _STATES:
            for record in self.records:
                if record.kind is kind and _covers(record, place):
                    return Aside(state, reason_of(record))
        for rule in self.design:
            if self._holds(rule, place):
                return Aside(AlarmState.SUPPRESSED, f"by design: {rule.name}")
        return None

    def _holds(self, rule: DesignRule, place: Place) -> bool:
        if never_folded(place.type, place.priority) or not _meant(rule, place):
            return False
        if rule.while_maintenance:
            zones = [record for record in self.records if record.kind is ExpectedKind.MAINTENANCE]
            return any(_is_at(record, place) for record in zones)
        causes = [cause for cause in self.causes if cause.hub == place.hub and cause.type in rule.while_open]
        return any(rule.within == "hub" or (cause.zone is not None and cause.zone == place.zone) for cause in causes)


_STATES = (
    (ExpectedKind.OUT_OF_SERVICE, AlarmState.OUT_OF_SERVICE),
    (ExpectedKind.WORKS, AlarmState.SUPPRESSED),
)


def reason_of(record: ExpectedAlarms) -> str:
    """Return in a line what a record says."""
    words = str(record.kind).replace("_", " ")
    second = "" if record.agreed_by is None else f" and {record.agreed_by}"
    return f"{words} {record.id} of {record.by}{second}, until {clock_text(to_us(record.ends))}: {record.reason}"


def is_of(type_: str, wanted: Iterable[str]) -> bool:
    """Return whether a type is one of some types or of a family of them."""
    return any(type_ == each or type_.startswith(f"{each}.") for each in wanted)


def _covers(record: ExpectedAlarms, place: Place) -> bool:
    if never_folded(place.type, place.priority) and not record.critical:
        return False
    return _is_at(record, place) and (not record.types or is_of(place.type, record.types))


def _is_at(record: ExpectedAlarms, place: Place) -> bool:
    return record.hub == place.hub and record.zone in {None, place.zone} and record.sensor in {None, place.sensor}


def _meant(rule: DesignRule, place: Place) -> bool:
    return (
        is_of(place.type, rule.types)
        and rule.hub in {None, place.hub}
        and _among(place.zone, rule.zones)
        and _among(place.sensor, rule.sensors)
    )


def _among(name: str | None, names: Sequence[str]) -> bool:
    return not names or name in names
