"""What `hubwatch detectors budget` shows of a hub: shares, rates, what is to be expected and what was achieved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from hubwatch_core.errors import ConfigError
from hubwatch_core.words import SensorKind
from hubwatch_detectors.achieved import Achieved, achieved_by, achieved_by_all
from hubwatch_detectors.budget import Allowance, Budget, SetBy
from hubwatch_detectors.budget_following import counted
from hubwatch_detectors.contract import Spec
from hubwatch_detectors.engine import Rules
from hubwatch_detectors.listing import ListSettings
from hubwatch_detectors.sharing import BudgetSection, shared, unshared
from hubwatch_site import HubSite, parse_site
from hubwatch_store.detections import AlarmsOfType, Passed, achieved, passed, to_judge_now, watched_days
from hubwatch_store.site import hubs, in_force

UNSAID = "no rate"
"""Of types of a detector of another distribution, or of a former version."""


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One rate of a detector, or its types that no rate decides on (`allowance` is None) and why there is none."""

    detector: str
    types: tuple[str, ...]
    allowance: Allowance | None
    achieved: Achieved
    no_share: str | None = None
    is_idle: bool = False
    """Whether there is nothing to judge at the hub."""

    def facts(self) -> dict[str, Any]:
        """Return it for programs; what is not known is null."""
        told: dict[str, Any] = {"detector": self.detector, "types": list(self.types), "rate": None,
                                "no_share": self.no_share}  # fmt: skip
        if (each := self.allowance) is not None:
            told["rate"] = {
                "field": each.rate.field, "value": each.value, "per": each.rate.per, "set_by": str(each.set_by),
                "threshold_by_hand": each.threshold, "share_per_day": each.share, "limited": each.limited,
                "opportunities_per_day": each.opportunities, "expected_per_day": each.expected,
                "is_bound": each.rate.is_bound,
            }  # fmt: skip
        return told | {"achieved": self.achieved.figures()}


@dataclass(frozen=True, slots=True)
class HubReport:
    """What there is to say of one hub."""

    hub: str
    section: BudgetSection | None
    scale: float
    rows: tuple[ReportRow, ...]
    total: Achieved
    passed: Passed

    @property
    def expected(self) -> float:
        """Return how many false alarms a day follow from the rates, as far as that is known."""
        found = [row.allowance.expected for row in self.rows if row.allowance is not None]
        return sum(each for each in found if each is not None)

    def facts(self) -> dict[str, Any]:
        """Return it for programs."""
        allowed = None if self.section is None else self.section.false_alarms_per_day
        return {
            "hub": self.hub, "false_alarms_per_day": allowed, "level_scale": self.scale,
            "expected_per_day": self.expected, "achieved": self.total.figures(),
            "passed_last_day": self.passed._asdict(), "rates": [row.facts() for row in self.rows],
        }  # fmt: skip


def reports(connection: Any, settings: ListSettings, days: int, only: str | None) -> Iterator[HubReport]:
    """Yield the report of each hub that is watched. Raises Transient or Permanent."""
    rules = settings.rules()
    for hub in hubs(connection):
        if (not settings.hubs or hub in settings.hubs) and only in {None, hub}:
            yield _report(connection, rules, next((each for each in settings.budgets if each.hub == hub), None),
                          hub, days)  # fmt: skip


def budget_of(connection: Any, rules: Rules, section: BudgetSection, hub: str) -> Budget:
    """Return a hub's budget as it is shared now. Raises Transient or Permanent."""
    known = to_judge_now(connection, hub)
    return shared(section, rules.specs, rules.configs, counted(known, site_of(connection, hub)), known.scale)


def site_of(connection: Any, hub: str) -> HubSite | None:
    """Return a hub's site in force; None without one, or with one that cannot be read."""
    found = in_force(connection, hub)
    try:
        return None if found is None else parse_site(found.file, f"version {found.version}")
    except ConfigError:
        return None


def _report(connection: Any, rules: Rules, section: BudgetSection | None, hub: str, days: int) -> HubReport:
    now = datetime.now(UTC)
    since = now.date() - timedelta(days=days - 1)
    known = to_judge_now(connection, hub)
    traffic = counted(known, site_of(connection, hub))
    if section is not None:
        allowances: Sequence[Allowance] = shared(section, rules.specs, rules.configs, traffic, known.scale).allowances
    else:
        allowances = unshared(rules.specs, rules.configs, traffic)
    watched, alarms = watched_days(connection, hub, since), achieved(connection, hub, since)
    kinds = frozenset(each.kind for each in traffic.sensors)
    rows = tuple(_rows(rules, allowances, watched, alarms, kinds))
    measured = passed(connection, hub, now - timedelta(days=1), now)
    return HubReport(hub, section, known.scale, rows, achieved_by_all(alarms, watched), measured)


def _rows(
    rules: Rules,
    allowances: Sequence[Allowance],
    days: float,
    alarms: Sequence[AlarmsOfType],
    kinds: frozenset[SensorKind],
) -> Iterator[ReportRow]:
    """Yield a row for each rate, and one for each reason why other types have none."""
    for spec in (each for each in rules.specs if rules.configs[each.name].enabled):
        for each in (each for each in allowances if each.detector == spec.name):
            types = each.rate.types
            idle = each.opportunities == 0
            yield ReportRow(spec.name, types, each, achieved_by(alarms, days, spec.name, types), is_idle=idle)
        idle = not (kinds if spec.kinds is None else kinds & spec.kinds)
        for reason, types in _without_a_rate(spec, alarms).items():
            achieved_ = achieved_by(alarms, days, spec.name, types)
            yield ReportRow(spec.name, types, None, achieved_, reason, is_idle=idle)


def _without_a_rate(spec: Spec[Any], alarms: Sequence[AlarmsOfType]) -> dict[str, tuple[str, ...]]:
    """Return the types of a detector that no rate decides on, by the reason."""
    ruled = {name for rate in spec.rates for name in rate.types}
    found: dict[str, tuple[str, ...]] = {}
    for name in sorted({*spec.no_share, *(each.type for each in alarms if each.detector == spec.name)} - ruled):
        reason = spec.no_share.get(name, UNSAID)
        found[reason] = (*found.get(reason, ()), name)
    return found


def set_by_in_words(allowance: Allowance) -> str:
    """Return who decides on a rate, for people."""
    match allowance.set_by:
        case SetBy.HAND:
            return "hand: " + (allowance.threshold or allowance.rate.field)
        case SetBy.BUDGET:
            return "budget, at its limit" if allowance.limited else "budget"
    return "default"
