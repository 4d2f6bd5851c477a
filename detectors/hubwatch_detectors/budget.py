"""Shares the false alarms a day that staff of a hub accept among its detectors, as rates that those can be set to.

A detector's part is in proportion to its weight, times the mean criticality of the zones that it watches; detectors
without an opportunity at the hub get none. Each of its rates gets an equal part. Where every sensor is judged on its
own, those in zones of a higher criticality get more of it. The security level multiplies the whole. What somebody has
set by hand stays: its part is kept for it, and not given to others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import annotated_types
from pydantic import Field

from hubwatch_core.config import ConfigId, Section
from hubwatch_detectors.rates import Rate, Traffic

if TYPE_CHECKING:
    from hubwatch_detectors.contract import DetectorConfig, Spec

INSIDE = 1e-9
"""How far inside a limit that may not be reached, as a share of it."""


class BudgetSection(Section):
    """The false alarms that staff of one hub accept, and what passes there; what is not said is not shared out."""

    hub: ConfigId = Field(description="The hub.")
    false_alarms_per_day: float = Field(
        gt=0, le=1000, description="False alarms a day that its staff accept, at security level 1.", examples=[2.0]
    )
    vehicles_per_day: float | None = Field(
        None, gt=0, description="Vehicles through all its portals in a day.", examples=[800.0]
    )
    badge_uses_per_day: float | None = Field(
        None, gt=0, description="Uses of badges at all its readers in a day.", examples=[5000.0]
    )
    people_per_day: float | None = Field(
        None, gt=0, description="People with badges who come in a day.", examples=[400.0]
    )
    weights: dict[str, Annotated[float, Field(ge=0, le=1e6)]] = Field(
        default_factory=dict,
        description="Weights of detectors by name, 1 where none is said; 0 leaves one as it is.",
        examples=[{"radiation_portal": 3.0}],
    )

    def traffic(self, counted: Traffic) -> Traffic:
        """Return what is known of a hub with what this section says of it."""
        return Traffic(
            counted.sensors, counted.site, self.vehicles_per_day, self.badge_uses_per_day, self.people_per_day
        )


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
        """Return how many false alarms a day follow from the rate in force; None where that is not known."""
        if self.threshold is not None or self.opportunities is None:
            return None
        return self.rate.form.rate(self.value) * self.opportunities


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

    def _of(self, detector: str) -> Iterator[Allowance]:
        return (each for each in self.allowances if each.detector == detector)

    def _value(self, allowance: Allowance, sensor: str) -> float:
        more = self.criticality.get(allowance.detector, {}).get(sensor, 1.0)
        if allowance.set_by is not SetBy.BUDGET or more == 1:
            return allowance.value
        form = allowance.rate.form
        limits = self.limits[allowance.detector][allowance.rate.field]
        return _within(form.value(form.rate(allowance.value) * more), limits)


def shared(
    section: BudgetSection,
    specs: Sequence[Spec[Any]],
    configs: Mapping[str, DetectorConfig],
    counted: Traffic,
    scale: float = 1.0,
) -> Budget:
    """Return what each detector is allowed; `counted` are the sensors and the site, `scale` is the level's."""
    traffic = section.traffic(counted)
    running = [spec for spec in specs if spec.rates and configs[spec.name].enabled]
    parts = {spec.name: _part(section, spec, traffic) for spec in running}
    whole, total = section.false_alarms_per_day * scale, sum(parts.values())
    allowances: list[Allowance] = []
    for spec in running:
        counts = [rate.count(traffic) for rate in spec.rates]
        share = whole * parts[spec.name] / total / sum(bool(count) for count in counts) if parts[spec.name] else 0.0
        allowances += [
            _allowance(spec, rate, configs[spec.name], count, share)
            for rate, count in zip(spec.rates, counts, strict=True)
        ]
    limits = {spec.name: {rate.field: _limits(spec.config, rate.field) for rate in spec.rates} for spec in running}
    return Budget(section.false_alarms_per_day, scale, tuple(allowances), _ratios(running, traffic), limits)


def unshared(specs: Sequence[Spec[Any]], configs: Mapping[str, DetectorConfig], traffic: Traffic) -> list[Allowance]:
    """Return the rates as they are at a hub without a budget."""
    return [
        _allowance(spec, rate, configs[spec.name], rate.count(traffic), 0.0)
        for spec in specs
        if configs[spec.name].enabled
        for rate in spec.rates
    ]


def _part(section: BudgetSection, spec: Spec[Any], traffic: Traffic) -> float:
    """Return a detector's weight times the mean criticality of what it watches; 0 where it has nothing to judge."""
    usable = [rate for rate in spec.rates if rate.count(traffic)]
    criticalities = [each.criticality for rate in usable for each in traffic.of(rate.kind)]
    if not criticalities:
        return 0.0
    return section.weights.get(spec.name, 1.0) * sum(criticalities) / len(criticalities)


def _allowance(spec: Spec[Any], rate: Rate, config: DetectorConfig, count: float | None, share: float) -> Allowance:
    value, threshold = float(getattr(config, rate.field)), rate.threshold_by_hand(config)
    if rate.is_by_hand(config):
        return Allowance(spec.name, rate, SetBy.HAND, value, share if count else 0.0, count, threshold)
    if not count or not share:
        return Allowance(spec.name, rate, SetBy.DEFAULT, value, 0.0, count)
    wished = rate.form.value(share / count)
    value = _within(wished, _limits(spec.config, rate.field))
    return Allowance(spec.name, rate, SetBy.BUDGET, value, share, count, limited=value != wished)


def _ratios(specs: Sequence[Spec[Any]], traffic: Traffic) -> dict[str, dict[str, float]]:
    ratios: dict[str, dict[str, float]] = {}
    for spec in specs:
        sensors = {each.sensor: each.criticality for rate in spec.rates for each in traffic.of(rate.kind)}
        mean = sum(sensors.values()) / len(sensors) if sensors else 1.0
        ratios[spec.name] = {sensor: criticality / mean for sensor, criticality in sensors.items()}
    return ratios


def _limits(config: type[DetectorConfig], name: str) -> tuple[float, float]:
    """Return between what the value of a field may lie."""
    low, high = 0.0, float("inf")
    for each in config.model_fields[name].metadata:
        match each:
            case annotated_types.Ge():
                low = float(str(each.ge))
            case annotated_types.Gt():
                low = float(str(each.gt)) + INSIDE
            case annotated_types.Le():
                high = float(str(each.le))
            case annotated_types.Lt():
                high = float(str(each.lt)) * (1 - INSIDE)
    return low, high


def _within(value: float, limits: tuple[float, float]) -> float:
    return min(max(value, limits[0]), limits[1])


def _short(value: float) -> float:
    return float(f"{value:.4g}")
