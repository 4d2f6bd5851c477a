"""Figures of the alarms component, on the registry of its process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from hubwatch_core.clock import SECOND_US
from hubwatch_core.words import AlarmState, Priority
from hubwatch_store.alarms import Figures

LATENCY_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 14400)

_FIGURES = (
    ("presented_per_hour", "Alarms presented to people an hour, over the last 24 hours."),
    ("flood_share", "Share of the periods of ten minutes with more than ten alarms, of the last 24 hours."),
    ("top_10_share", "Share of the ten most frequent conditions in the alarms of the last 24 hours."),
    ("stale", "Alarms open for more than 24 hours and not set aside."),
    ("chattering", "Alarms that came up three times or more within a minute, in the last 24 hours."),
    ("shelved", "Alarms that are shelved."),
    ("suppressed", "Alarms that are expected or out of service."),
    ("acknowledged_p50_seconds", "Median time until somebody took an alarm, over the last 24 hours."),
    ("acknowledged_p95_seconds", "95th percentile of the time until somebody took an alarm, over the last 24 hours."),
)
_FIELDS = {
    "presented_per_hour": "per_hour",
    "acknowledged_p50_seconds": "acknowledged_p50_s",
    "acknowledged_p95_seconds": "acknowledged_p95_s",
}


class AlarmMetrics:
    """Every metric of the component; names begin with `hubwatch_alarms_`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.arrivals = Counter(
            "hubwatch_alarms_arrivals_total", "Detections and ends of detections taken.", registry=registry
        )
        self.passed = Counter(
            "hubwatch_alarms_passed_total",
            "Detections that were over within the on delay of their type and made no alarm.",
            registry=registry,
        )
        self.moves = Counter(
            "hubwatch_alarms_moves_total",
            "Journal entries written by this process.",
            ["action", "priority"],
            registry=registry,
        )
        self.latency = Histogram(
            "hubwatch_alarms_latency_seconds",
            "From a detection's own moment of detection to its committed alarm.",
            buckets=LATENCY_BUCKETS_S,
            registry=registry,
        )
        self._begin_delivery(registry)
        self._waiting = Gauge("hubwatch_alarms_waiting", "Findings that wait to become alarms.", registry=registry)
        self.refused_findings = Gauge(
            "hubwatch_alarms_refused_findings", "Findings of which no alarm could be made.", registry=registry
        )
        self._outbox = Gauge("hubwatch_alarms_outbox", "Messages not yet delivered.", ["route"], registry=registry)
        self._open = Gauge(
            "hubwatch_alarms_open", "Open alarms by state and priority.", ["state", "priority"], registry=registry
        )

        self._figures = {
            name: Gauge(f"hubwatch_alarms_{name}", says, ["hub"], registry=registry) for name, says in _FIGURES
        }

    def _begin_delivery(self, registry: CollectorRegistry) -> None:
        """Begin what is measured of bringing messages to people."""
        self.attempts = Counter(
            "hubwatch_alarms_attempts_total", "Attempts to deliver a message.", ["route", "outcome"], registry=registry
        )
        self.given_up = Counter(
            "hubwatch_alarms_given_up_total", "Messages given up undelivered.", ["route"], registry=registry
        )
        self.refused = Counter(
            "hubwatch_alarms_refused_total",
            "Attempts that the other side refused; they are made again, slowly.",
            ["route"],
            registry=registry,
        )
        self.rerouted = Counter(
            "hubwatch_alarms_rerouted_total",
            "Messages queued on a route because another one could not deliver them.",
            ["route"],
            registry=registry,
        )
        self.untold = Gauge(
            "hubwatch_alarms_untold", "Open alarms that nobody has taken and nobody was told of.", registry=registry
        )
        self.delivery = Histogram(
            "hubwatch_alarms_delivery_seconds",
            "From a message's queuing to its delivery.",
            ["route"],
            buckets=LATENCY_BUCKETS_S,
            registry=registry,
        )

    def figures(self, found: Iterable[Figures]) -> None:
        """Set the key figures of each hub; what there was nothing to count for is left out."""
        for gauge in self._figures.values():
            gauge.clear()
        for of_hub in found:
            for name, gauge in self._figures.items():
                value = getattr(of_hub, _FIELDS.get(name, name))
                if value is not None:
                    gauge.labels(of_hub.hub).set(value)

    def moved(self, action: str, priority: int) -> None:
        """Count one journal entry."""
        self.moves.labels(action, str(priority)).inc()

    def alarmed(self, detected: int, at: int) -> None:
        """Observe how long a finding took to its alarm; both in microseconds."""
        self.latency.observe(max(0.0, (at - detected) / SECOND_US))

    def stand(self, *, waiting: int, outbox: Mapping[str, int], open_alarms: Mapping[tuple[str, int], int]) -> None:
        """Set the gauges to how things stand now."""
        self._waiting.set(waiting)
        self._outbox.clear()
        for route, messages in outbox.items():
            self._outbox.labels(route).set(messages)
        for state in AlarmState:
            if state is not AlarmState.NORMAL:
                for priority in Priority:
                    self._open.labels(state, str(priority.value)).set(open_alarms.get((state, priority.value), 0))
