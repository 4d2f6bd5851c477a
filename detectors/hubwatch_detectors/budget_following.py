"""Keeps the shared-out budgets of hubs what follows from the sensors, the site and the security level there are now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hubwatch_core.logs import get_logger
from hubwatch_detectors.budget import Budget, SetBy
from hubwatch_detectors.contract import DetectorConfig, Spec
from hubwatch_detectors.rates import CountedSensor, Traffic
from hubwatch_detectors.sharing import BudgetSection, shared
from hubwatch_site import HubSite
from hubwatch_store.database import Pool
from hubwatch_store.detections import ToJudge, to_judge

_log = get_logger("detectors")


class BudgetFollowing:
    """The budgets of the hubs that have one, as they were when last looked at."""

    def __init__(
        self,
        sections: Sequence[BudgetSection] = (),
        specs: Sequence[Spec[Any]] = (),
        configs: Mapping[str, DetectorConfig] | None = None,
    ) -> None:
        self._sections, self._specs, self._configs = sections, specs, configs or {}
        self._now: dict[str, Budget] = {}
        self._news: set[str] = set()
        """Shared anew and not yet returned: the database may be lost between two hubs."""

    async def look(self, pool: Pool, sites: Mapping[str, HubSite]) -> frozenset[str]:
        """Share anew where something is another; return the hubs of which that is so. Raises Transient or Permanent."""
        for section in self._sections:
            known = await to_judge(pool, section.hub)
            budget = shared(section, self._specs, self._configs, counted(known, sites.get(section.hub)), known.scale)
            if budget != self._now.get(section.hub):
                self._now[section.hub] = budget
                self._news.add(section.hub)
                _log.info("budget of false alarms shared", hub=section.hub, scale=budget.scale, **_rates(budget))
        news, self._news = self._news, set()
        return frozenset(news)

    def of_hub(self, hub: str) -> dict[str, Budget]:
        """Return a hub's budget by its name; nothing for one without."""
        return {hub: self._now[hub]} if hub in self._now else {}


def counted(known: ToJudge, site: HubSite | None) -> Traffic:
    """Return the sensors and the site of a hub as budgets need them."""
    return Traffic([CountedSensor(*each) for each in known.sensors], site)


def _rates(budget: Budget) -> dict[str, float]:
    mine = [each for each in budget.allowances if each.set_by is SetBy.BUDGET]
    return {f"{each.detector}.{each.rate.field}": float(f"{each.value:.4g}") for each in mine}
