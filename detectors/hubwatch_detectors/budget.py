"""The false alarms a day that staff of a hub accept, as they are shared among its detectors (`sharing.py`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from hubwatch_detectors.rates import Rate


class SetBy(StrEnum):
    """Who decides on a rate."""

    BUDGET = "budget"
    HAND = "hand"
    DEFAULT = "default"
    """Neither: nothing to judge at the hub, or it is not known how much."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """One rate of a detector at a hub; counts of alarms are a day, of the whole hub."""

    detector: str
    rate: Rate
    set_by: SetBy
    value: float
    """What the field says, for a sensor in a zone of mean criticality."""
    share: float
    """Its part of the budget; 0 where it has none."""
    opportunities: float | None
    """A day; None where that is not known."""
    threshold: str | None = None
    """The field that sets the threshold by hand, whatever the rate; what is to be expected is not known then."""
    limited: bool = False
    """Whether the field may not say as much, or as little, as the share allows."""

    @property
    def expected(self) -> float | None:
        """Return how many false alarms a day follow from the rate in force, at most where it is a bound.

        None where that is not known.
        """
        if self.threshold is not None or self.opportunities is None:
            return None
        return self.rate.form.rate_of(self.value) * self.opportunities


@dataclass(frozen=True, slots=True)
class Budget:
    """What is allowed at one hub."""

    false_alarms_per_day: float
    """As it stands in the configuration."""
    scale: float
    """What the security level multiplies it by."""
    allowances: tuple[Allowance, ...] = ()
    criticality: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By detector and sensor: that of the sensor's zone over the mean; of detectors that judge each sensor alone."""
    limits: Mapping[str, Mapping[str, tuple[float, float]]] = field(default_factory=dict)
    """By detector and field: between what its value may lie."""

    def values(self, detector: str, sensor: str) -> dict[str, float]:
        """Return what the budget sets of a detector's configuration, for one sensor or for the hub (empty)."""
        mine = [each for each in self._of(detector) if each.set_by is SetBy.BUDGET]
        return {each.rate.field: self._value(each, sensor) for each in mine}

    def evidence(self, detector: str, sensor: str) -> dict[str, dict[str, Any]]:
        """Return by type of detection what is said in its evidence."""
        told: dict[str, dict[str, Any]] = {}
        for each in self._of(detector):
            said: dict[str, Any] = {"set_by": str(each.set_by)}
            if each.threshold is not None:
                said["threshold"] = each.threshold
            else:
                said[each.rate.field] = _short(self._value(each, sensor))
            if each.set_by is SetBy.BUDGET:
                said |= {"share_per_day": _short(each.share), "per": each.rate.per}
            told |= dict.fromkeys(each.rate.types, said)
        return told

    def scaled(self, detector: str, factor: float) -> Budget:
        """Return it with the rates of a detector times a factor; thresholds that were set by hand stay."""

        def times(each: Allowance) -> Allowance:
            if each.detector != detector or each.threshold is not None:
                return each
            wished = each.rate.form.value_of(each.rate.form.rate_of(each.value) * factor)
            value = within(wished, self.limits[detector][each.rate.field])
            share = each.share if each.set_by is SetBy.BUDGET else 0.0
            return replace(each, value=value, set_by=SetBy.BUDGET, share=share, limited=value != wished)

        return replace(self, allowances=tuple(map(times, self.allowances)))

    def _of(self, detector: str) -> Iterator[Allowance]:
        return (each for each in self.allowances if each.detector == detector)

    def _value(self, allowance: Allowance, sensor: str) -> float:
        more = self.criticality.get(allowance.detector, {}).get(sensor, 1.0)
        if not allowance.share or allowance.set_by is not SetBy.BUDGET or more == 1:
            return allowance.value
        form = allowance.rate.form
        limits = self.limits[allowance.detector][allowance.rate.field]
        return within(form.value_of(form.rate_of(allowance.value) * more), limits)


def within(value: float, limits: tuple[float, float]) -> float:
    """Return a value, or the limit that it is beyond."""
    return min(max(value, limits[0]), limits[1])


def _short(value: float) -> float:
    return float(f"{value:.4g}")
