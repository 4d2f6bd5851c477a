"""Shares the false alarms a day that staff of a hub accept among its detectors, as rates that those can be set to.

A detector's part is in proportion to its weight, times the mean criticality of the zones that it watches; detectors
without an opportunity at the hub get none. Each of its rates gets an equal part. Where every sensor is judged on its
own, those in zones of a higher criticality get more of it. The security level multiplies the whole. What somebody has
set by hand stays: its part is kept for it, and not given to others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import annotated_types
from pydantic import Field

from hubwatch_core.config import ConfigId, Section
from hubwatch_detectors.budget import Allowance, Budget, SetBy, within
from hubwatch_detectors.contract import DetectorConfig, Scope, Spec
from hubwatch_detectors.rates import Rate, Traffic

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
        counts = [rate.opportunities(traffic) for rate in spec.rates]
        share = whole * parts[spec.name] / total / sum(bool(count) for count in counts) if parts[spec.name] else 0.0
        allowances += [
            _allowance(spec, rate, configs[spec.name], count, share)
            for rate, count in zip(spec.rates, counts, strict=True)
        ]
    ratios = _ratios(running, traffic)
    return Budget(section.false_alarms_per_day, scale, tuple(allowances), ratios, limits_of(running))


def limits_of(specs: Sequence[Spec[Any]]) -> dict[str, dict[str, tuple[float, float]]]:
    """Return by detector and field between what the rates may lie."""
    return {spec.name: {rate.field: _limits(spec.config, rate) for rate in spec.rates} for spec in specs}


def unshared(
    specs: Sequence[Spec[Any]], configs: Mapping[str, DetectorConfig], traffic: Traffic | None = None
) -> list[Allowance]:
    """Return the rates as they are at a hub without a budget."""
    return [
        _allowance(spec, rate, configs[spec.name], rate.opportunities(traffic or Traffic()), 0.0)
        for spec in specs
        if configs[spec.name].enabled
        for rate in spec.rates
    ]


def _part(section: BudgetSection, spec: Spec[Any], traffic: Traffic) -> float:
    """Return a detector's weight times the mean criticality of what it watches; 0 where it has nothing to judge."""
    usable = [rate for rate in spec.rates if rate.opportunities(traffic)]
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
    wished = rate.form.value_of(share / count)
    value = within(wished, _limits(spec.config, rate))
    return Allowance(spec.name, rate, SetBy.BUDGET, value, share, count, limited=value != wished)


def _ratios(specs: Sequence[Spec[Any]], traffic: Traffic) -> dict[str, dict[str, float]]:
    ratios: dict[str, dict[str, float]] = {}
    for spec in specs:
        if spec.scope is not Scope.SENSOR:
            continue
        sensors = {each.sensor: each.criticality for rate in spec.rates for each in traffic.of(rate.kind)}
        mean = sum(sensors.values()) / len(sensors) if sensors else 1.0
        ratios[spec.name] = {sensor: criticality / mean for sensor, criticality in sensors.items()}
    return ratios


def _limits(config: type[DetectorConfig], rate: Rate) -> tuple[float, float]:
    """Return between what the value of a rate's field may lie."""
    low, high = 0.0, float("inf") if rate.loosest is None else rate.loosest
    for each in config.model_fields[rate.field].metadata:
        match each:
            case annotated_types.Ge():
                low = float(str(each.ge))
            case annotated_types.Gt():
                low = float(str(each.gt)) + INSIDE
            case annotated_types.Le():
                high = min(high, float(str(each.le)))
            case annotated_types.Lt():
                high = min(high, float(str(each.lt)) * (1 - INSIDE))
    return low, high
