"""What is thrown away of what devices say: counted by sensor and cause, told once when it begins and once when over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from hubwatch_core.logs import get_logger
from hubwatch_core.plain_text import one_line

QUIET_US = 60_000_000
"""Without another for this long, it is over: devices that do it again and again must not fill the log."""


class Cause(StrEnum):
    """Why a message, or an event in it, is not used."""

    UNREADABLE = "unreadable"
    """No JSON, no text, too long, nested too deep, too many values, a key twice, no Sparkplug payload."""
    REPEATED = "repeated"
    """Delivered again: QoS 1 means at least once."""
    RETAINED = "retained"
    """An event the broker had kept: nobody knows when it happened."""
    LATE_REPLY = "late_reply"
    """An answer to a request that had been given up."""
    NOT_RECOVERED = "not_recovered"
    """An event that was missed and could not be fetched afterwards."""
    UNBORN = "unborn"
    """Sparkplug data without the birth that says what it is."""
    OLD_SESSION = "old_session"
    """The last will of another session than the one that is known."""
    UNREADABLE_TIME = "unreadable_time"
    """A device's own time that is not in the format its profile says; only the time is not used."""
    UNKNOWN_WORD = "unknown_word"
    """What an availability topic says means neither that the device is there nor that it is gone."""
    TOO_MUCH = "too_much"
    """More than is kept or read of one device."""
    FAILED = "failed"
    """hubwatch itself failed on it: an error of the program, in the log with its traceback."""


@dataclass
class _Run:
    """Drops of one cause that follow each other."""

    count: int
    last: int


class DropCounters:
    """The counts of one agent."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Count, and with a `registry` let it be scraped as hubwatch_agents_dropped_total."""
        self._counts: dict[tuple[str, Cause], int] = {}
        self._running: dict[tuple[str, Cause], _Run] = {}
        self._failing: set[tuple[str, str]] = set()
        """Sensors and parts whose traceback is in the log."""
        self._log = get_logger("drops")
        if registry is not None:
            registry.register(_Figures(self._counts))

    def drop(self, sensor: str, cause: Cause, t: int, reason: str = "", count: int = 1) -> None:
        """Count what is dropped at `t` (µs) of what the device of a sensor said."""
        key = (sensor, cause)
        self._counts[key] = self._counts.get(key, 0) + count
        run = self._running.get(key)
        if run is None:
            self._running[key] = _Run(count, t)
            self._log.warning("dropped", sensor=sensor, cause=cause.value, reason=one_line(reason[:200]))
        else:
            run.count, run.last = run.count + count, t

    def fail(self, sensor: str, part: str, error: Exception, t: int) -> str:
        """Count an unexpected error in a part of the agent that serves a sensor, and return the reason for readings.

        Its traceback is logged once while it goes on.
        """
        reason = f"internal error in the {part}: {type(error).__name__}, see the agent's log"
        self.drop(sensor, Cause.FAILED, t, reason)
        if (sensor, part) not in self._failing:
            self._failing.add((sensor, part))
            self._log.error("internal error, tried again", sensor=sensor, failed=part, exc_info=error)
        return reason

    def settle(self, t: int) -> None:
        """Tell of what has been over for a while at `t` (µs); to be called now and then."""
        for (sensor, cause), run in list(self._running.items()):
            if t - run.last >= QUIET_US:
                del self._running[sensor, cause]
                if cause is Cause.FAILED:
                    self._failing = {each for each in self._failing if each[0] != sensor}
                self._log.info("nothing is dropped any more", sensor=sensor, cause=cause.value, dropped=run.count)

    def count(self, sensor: str, cause: Cause) -> int:
        """Return how many there were."""
        return self._counts.get((sensor, cause), 0)


class _Figures(Collector):
    """The counts as a scraper reads them."""

    def __init__(self, counts: dict[tuple[str, Cause], int]) -> None:
        self._counts = counts

    def describe(self) -> Iterator[CounterMetricFamily]:
        yield self._family()

    def collect(self) -> Iterator[CounterMetricFamily]:
        family = self._family()
        for (sensor, cause), count in sorted(self._counts.items()):
            family.add_metric([sensor, cause.value], count)
        yield family

    def _family(self) -> CounterMetricFamily:
        text = "messages and events of devices that were not used, by sensor and cause"
        return CounterMetricFamily("hubwatch_agents_dropped", text, labels=["sensor", "cause"])
