"""Figures of a collector for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from hubwatch_core.packed_frame import AnyFrame
from hubwatch_core.receive_budget import ReceiveBudget
from hubwatch_store.ingest import Offer, Written

_DELAYS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class CollectorMetrics:
    """Counts what a collector does, on the registry of its process."""

    def __init__(self, registry: CollectorRegistry, held: ReceiveBudget) -> None:
        def counter(name: str, text: str) -> Counter:
            return Counter(f"hubwatch_collector_{name}", text, registry=registry)

        self._frames = counter("frames", "Frames stored.")
        self._duplicates = counter("duplicate_frames", "Frames that were stored before and cost nothing.")
        self._readings = counter("readings", "Readings stored.")
        self._events = counter("events", "Events stored.")
        self._dead = counter("dead_letters", "Messages that went to the dead letters.")
        self._unusable = counter("unusable_messages", "MQTT messages that could not be used and were read past.")
        self._transactions = counter("transactions", "Transactions committed.")
        self.failures = counter("database_failures", "Transactions that failed and were tried again.")
        self._delay = Histogram(
            "hubwatch_collector_delay_seconds",
            "From the sending of the oldest live frame of a transaction to its commit.",
            buckets=_DELAYS_S,
            registry=registry,
        )
        size = Gauge("hubwatch_collector_held_bytes", "Payload received and not acknowledged.", registry=registry)
        size.set_function(lambda: held.held_bytes)
        messages = Gauge("hubwatch_collector_held_messages", "Messages not acknowledged.", registry=registry)
        messages.set_function(lambda: held.held_messages)

    def read_past(self, _topic: str, _reason: str) -> None:
        """Count a message that could not be used; it is no message, so it has no place in the dead letters."""
        self._unusable.inc()

    def wrote(self, offers: list[Offer], written: Written, now_us: int) -> None:
        """Count one committed transaction."""
        self._transactions.inc()
        self._frames.inc(written.frames)
        self._duplicates.inc(written.duplicates)
        self._readings.inc(written.readings)
        self._events.inc(written.events)
        self._dead.inc(len(written.dead))
        sent = [each.content.sent for each in offers if isinstance(each.content, AnyFrame) and not each.content.late]
        if sent:
            self._delay.observe(max(0, now_us - min(sent)) / 1e6)
