"""The rates of false alarms that detectors can be set to, and how many opportunities for one a hub gives in a day."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hubwatch_core.words import SensorKind
from hubwatch_site import HubSite

DAYS_PER_YEAR = 365.25


@dataclass(frozen=True, slots=True)
class CountedSensor:
    """A sensor as far as opportunities need it."""

    sensor: str
    kind: SensorKind
    criticality: int = 1
    """Of its zone."""
    gauges: int = 1
    """Channels that measure."""
    samples_per_day: float = 0.0
    """Of the channels that measure, by their periods."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a hub gives to judge in a day; None is what nobody has said."""

    sensors: Sequence[CountedSensor] = ()
    site: HubSite | None = None
    vehicles_per_day: float | None = None
    badge_uses_per_day: float | None = None
    people_per_day: float | None = None

    def of(self, kind: SensorKind | None) -> list[CountedSensor]:
        """Return the sensors of a kind, or all."""
        return [each for each in self.sensors if kind is None or each.kind is kind]


class RateForm(StrEnum):
    """What the number in a field says."""

    PER_OPPORTUNITY = "per opportunity"
    PER_YEAR = "per opportunity and year"
    DAYS_BETWEEN = "days between"

    def rate_of(self, value: float) -> float:
        """Return the false alarms an opportunity (and day, where one is a sensor) that the field's value stands for."""
        match self:
            case RateForm.PER_YEAR:
                return value / DAYS_PER_YEAR
            case RateForm.DAYS_BETWEEN:
                return 1 / value
        return value

    def value_of(self, rate: float) -> float:
        """Return what the field must say for this rate."""
        match self:
            case RateForm.PER_YEAR:
                return rate * DAYS_PER_YEAR
            case RateForm.DAYS_BETWEEN:
                return 1 / rate
        return rate


@dataclass(frozen=True, slots=True)
class Rate:
    """A field of a detector's configuration that says how many false alarms are allowed."""

    field: str
    types: tuple[str, ...]
    """The detections it decides on."""
    kind: SensorKind | None
    """The sensors whose zones' criticality counts; None for all."""
    per: str
    """What one opportunity is, in words."""
    count: Callable[[Traffic], float | None]
    """Opportunities a day at a hub that has such sensors; None where that is not known."""
    by_hand: tuple[str, ...] = ()
    """Fields that set the threshold itself, and go before this one."""
    form: RateForm = RateForm.PER_OPPORTUNITY
    needs: str = ""
    """What must be said of a hub before its opportunities are known."""
    loosest: float | None = None
    """The highest value that a budget may set; None where the field's own limit is meant. How far it was measured."""
    is_bound: bool = False
    """Whether the rate is one that false alarms stay below, because opportunities or chances are counted high."""

    def opportunities(self, traffic: Traffic) -> float | None:
        """Return the opportunities a day at a hub: 0 where there is nothing to judge, None where it is not known."""
        return self.count(traffic) if traffic.of(self.kind) else 0.0

    def is_by_hand(self, config: Any) -> bool:
        """Return whether somebody has written this rate, or its threshold, into the configuration."""
        said = config.model_fields_set
        return self.field in said or any(name in said and getattr(config, name) for name in self.by_hand)

    def threshold_by_hand(self, config: Any) -> str | None:
        """Return the field that sets the threshold whatever the rate; None where the rate decides."""
        return next((name for name in self.by_hand if getattr(config, name)), None)


def every(kind: SensorKind) -> Callable[[Traffic], float]:
    """Return a count of one opportunity a day for each sensor of a kind."""
    return lambda traffic: float(len(traffic.of(kind)))


def every_channel(kind: SensorKind) -> Callable[[Traffic], float]:
    """Return a count of one opportunity a day for each channel that measures, of the sensors of a kind."""
    return lambda traffic: float(sum(each.gauges for each in traffic.of(kind)))


def vehicles(times: float = 1.0) -> Callable[[Traffic], float | None]:
    """Return a count of so many opportunities for each vehicle."""
    return lambda traffic: None if traffic.vehicles_per_day is None else times * traffic.vehicles_per_day


def badge_uses(times: float = 1.0) -> Callable[[Traffic], float | None]:
    """Return a count of so many opportunities for each use of a badge."""
    return lambda traffic: None if traffic.badge_uses_per_day is None else times * traffic.badge_uses_per_day


def people(traffic: Traffic) -> float | None:
    """Return one opportunity a day for each person who comes."""
    return traffic.people_per_day


def readers(traffic: Traffic) -> float:
    """Return one opportunity a day for each reader: those the site names, one for a door of which it names none."""
    doors = traffic.site.doors if traffic.site is not None else ()
    named = {each.sensor: (each.readers.in_, each.readers.out) for each in doors if each.readers is not None}
    ends = [named.get(each.sensor, ("",)) for each in traffic.of(SensorKind.ACCESS)]
    return float(sum(end is not None for each in ends for end in each))


def samples(traffic: Traffic) -> float:
    """Return the samples of a day."""
    return sum(each.samples_per_day for each in traffic.sensors)


EXACT = "exact rule: needs no share"
"""Of types that are found by a rule: what it says is so, whatever the readings' noise."""
DEVICES_OWN = "the device's own alarm: its rate is set at the device"

FITTED = "no share: its rate is chosen when the model is fitted (--false-share)"


def no_rate(*fields: str) -> str:
    """Return what is said of types that fields decide on which are no rate."""
    return f"no share: {' and '.join(fields)} {'is' if len(fields) == 1 else 'are'} no rate"
