"""The figures of the component, and the page that lists them."""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client import CollectorRegistry

from hubwatch_alarms.metrics import AlarmMetrics
from hubwatch_alarms.oncall.heartbeat import DeadMan, HeartbeatSection, Work
from hubwatch_core.health import Health

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "alarms.md"


def test_page_lists_every_metric_with_its_labels_and_no_other() -> None:
    registry = CollectorRegistry()
    made = AlarmMetrics(registry)
    DeadMan(HeartbeatSection(url="http://127.0.0.1:9/"), Health(), Work(), registry)
    described = {family.name + ("_total" if family.type == "counter" else "") for family in registry.collect()}
    listed = dict(
        re.findall(r"^\| `(hubwatch_alarms_\w+)(?:\{([^}]*)\})?`", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert set(listed) == described
    assert listed["hubwatch_alarms_moves_total"] == "action, priority"
    made.moves.labels(action="opened", priority="1").inc()
    made.attempts.labels(route="duty", outcome="delivered").inc()


def test_gauges_forget_what_is_no_longer_so() -> None:
    registry = CollectorRegistry()
    metrics = AlarmMetrics(registry)
    metrics.stand(waiting=3, outbox={"duty": 2}, open_alarms={("unacknowledged", 1): 4})
    metrics.stand(waiting=0, outbox={}, open_alarms={})
    assert registry.get_sample_value("hubwatch_alarms_waiting") == 0
    assert registry.get_sample_value("hubwatch_alarms_outbox", {"route": "duty"}) is None
    assert registry.get_sample_value("hubwatch_alarms_open", {"state": "unacknowledged", "priority": "1"}) == 0


def test_latency_of_a_clock_that_runs_ahead_is_nought_not_negative() -> None:
    registry = CollectorRegistry()
    AlarmMetrics(registry).alarmed(detected=2_000_000, at=1_000_000)
    assert registry.get_sample_value("hubwatch_alarms_latency_seconds_sum") == 0
    assert registry.get_sample_value("hubwatch_alarms_latency_seconds_count") == 1
