"""Watches over the parts of a process by what they do: tells when one does its work no more, and when it does again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from hubwatch_core.health import Health
from hubwatch_core.logs import get_logger

LOOK_EVERY_S = 1.0

_log = get_logger("service")


async def tell_overdue(health: Health, look_every_s: float = LOOK_EVERY_S) -> None:
    """Log once when the work of a check is not done in its time, and once when it is done again; for ever."""
    told: set[str] = set()
    while True:
        overdue, checks = health.overdue(), health.checks()
        for name in sorted(overdue.keys() - told):
            _log.error("part does not do its work", check=name, last_s_ago=round(overdue[name], 1))
            told.add(name)
        for name in sorted(told):
            if checks[name].ok:
                _log.info("part does its work again", check=name)
                told.discard(name)
        await asyncio.sleep(look_every_s)


class HealthFigures(Collector):
    """What `/healthz` says, as figures."""

    def __init__(self, health: Health) -> None:
        self._health = health

    def collect(self) -> Iterable[Metric]:
        """Return whether each check is well, and how long ago its work was done."""
        well = GaugeMetricFamily("hubwatch_check_ok", "1 while a check of /healthz is well.", labels=["check"])
        age = GaugeMetricFamily(
            "hubwatch_check_work_age_seconds", "How long ago the work of a check was last done.", labels=["check"]
        )
        for name, check in self._health.checks().items():
            well.add_metric([name], float(check.ok))
        for name, seconds in self._health.ages_s().items():
            age.add_metric([name], seconds)
        return [well, age]
