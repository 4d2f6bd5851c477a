"""Figures of a detectors process, for `/metrics`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from hubwatch_core.wire import Detection
from hubwatch_detectors.contract import Finding
from hubwatch_detectors.engine import Counts

PREFIX = "hubwatch_detectors_"
LATENCY_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 60.0)


class DetectorMetrics:
    """The figures, made on the process's own registry."""

    def __init__(self, registry: CollectorRegistry, counts: Counts | None = None) -> None:
        self._engine = _EngineCounts(counts or Counts())
        registry.register(self._engine)
        self.poison = Counter(PREFIX + "poison", "Messages that could not be read.", registry=registry)
        self.unusable = Counter(
            PREFIX + "unusable_messages", "MQTT messages that could not be used and were read past.", registry=registry
        )
        self.detections = Counter(PREFIX + "detections", "Detections stored, by type.", ["type"], registry=registry)
        self.refused = Counter(
            PREFIX + "refused", "Findings that the database would not have, and that are lost.", registry=registry
        )
        self.failures = Counter(PREFIX + "save_failures", "Tries to save that failed.", registry=registry)
        self.state_bytes = Counter(
            PREFIX + "state_bytes", "Bytes of input and of states written, so that nothing is lost.", registry=registry
        )
        self.left_out = Counter(
            PREFIX + "left_out_messages",
            "Messages that were not judged: not proven, or too many waited for a key while the database was away.",
            ["why"],
            registry=registry,
        )
        for why in ("unproven", "no_room"):
            self.left_out.labels(why)
        self.brought = Counter(
            PREFIX + "brought_frames",
            "Stored frames that did not come from the broker and were judged from the database.",
            registry=registry,
        )
        self.not_judged = Counter(
            PREFIX + "not_judged_frames",
            "Stored frames that did not come from the broker and are kept nowhere: nobody judges them.",
            registry=registry,
        )
        self.unsaved = Gauge(PREFIX + "unsaved_messages", "Messages judged but not yet saved.", registry=registry)
        self.latency = Histogram(
            PREFIX + "latency_seconds",
            "From receipt of the frame that decided it to the stored detection.",
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )

    def follow(self, counts: Counts) -> None:
        """Show the counts of another engine from now on."""
        self._engine.counts = counts

    def read_past(self, _topic: str, _reason: str) -> None:
        """Count a message that could not be used."""
        self.unusable.inc()

    def stored(self, findings: Iterable[tuple[Finding, int]], now: int) -> None:
        """Count stored findings, each with the time (µs) at which what decided it was received."""
        for finding, received in findings:
            if isinstance(finding, Detection):
                self.detections.labels(finding.type).inc()
                self.latency.observe(max(0, now - received) / 1e6)


class _EngineCounts(Collector):
    """Shows the engine's own counts."""

    _HELP: ClassVar[dict[str, str]] = {
        "births": "Inventories taken.",
        "frames": "Frames judged.",
        "late_frames": "Frames judged in a late lane.",
        "duplicates": "Frames that had come before.",
        "readings": "Readings in the frames judged.",
        "events": "Events in the frames judged.",
        "unknown": "Readings and events of sensors that are in no inventory, not judged.",
        "ahead": "Readings and events from the future, not judged.",
        "from_future": "Frames and births from the future, not judged.",
        "blind": "Times that sight of an agent was lost.",
        "unjudged": "Frames and parts of frames of agents whose word does not count, not judged.",
        "failed": "Detectors that failed and began anew.",
    }

    def __init__(self, counts: Counts) -> None:
        self.counts = counts

    def collect(self) -> Iterator[Metric]:
        """Yield one counter for each."""
        for name, text in self._HELP.items():
            yield CounterMetricFamily(PREFIX + name, text, value=getattr(self.counts, name))
