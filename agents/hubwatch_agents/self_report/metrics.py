"""The agent's figures as a scraper reads them. The table is the reference: docs/reference/agent-metrics.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

PREFIX = "hubwatch_agents_"


class Figure(NamedTuple):
    """One figure: whether it only grows, and in words what it counts."""

    counter: bool
    text: str


FIGURES: Mapping[str, Figure] = {
    "frames_waiting": Figure(False, "Frames on disk that the broker has not taken."),
    "spool_bytes": Figure(False, "Room the spool takes on disk."),
    "readings": Figure(True, "Readings put into frames on disk."),
    "readings_unchanged": Figure(True, "Readings not sent because of their channel's dead band."),
    "readings_lost": Figure(True, "Readings lost because the disk had no room."),
    "readings_evicted": Figure(True, "Readings given up because the spool was full."),
    "events_lost": Figure(True, "Events lost because the disk had no room."),
    "frames_sent": Figure(True, "Frames the broker has taken live."),
    "frames_late": Figure(True, "Frames the broker has taken from the backlog."),
    "frames_unconfirmed": Figure(False, "Frames the broker has taken that no collector has said to have stored."),
    "frames_given_up": Figure(True, "Frames declared as lost because the broker takes none so large."),
    "modbus_reads": Figure(True, "Requests that Modbus devices have answered."),
    "modbus_connects": Figure(True, "Connections made to Modbus devices."),
    "device_failures": Figure(True, "Unexpected errors while polling or decoding one device; it is tried again."),
    "messages_unusable": Figure(True, "MQTT messages that could not be used and were read past."),
    "polls_overrun": Figure(True, "Polls skipped because the one before was not finished."),
}
"""Every figure by its name; in the metrics a counter ends in `_total`."""


class AgentMetrics(Collector):
    """Reads the figures when they are asked for."""

    def __init__(self, registry: CollectorRegistry, read: Callable[[], Mapping[str, float]]) -> None:
        """`read` returns the values of FIGURES; one that is missing is 0."""
        self._read = read
        registry.register(self)

    def describe(self) -> Iterator[Metric]:
        """Return the figures without values."""
        for name, figure in FIGURES.items():
            yield _family(name, figure)

    def collect(self) -> Iterator[Metric]:
        """Return the figures as they are now."""
        values = self._read()
        for name, figure in FIGURES.items():
            family = _family(name, figure)
            family.add_metric([], values.get(name, 0))
            yield family


def _family(name: str, figure: Figure) -> CounterMetricFamily | GaugeMetricFamily:
    family = CounterMetricFamily if figure.counter else GaugeMetricFamily
    return family(PREFIX + name, figure.text)
