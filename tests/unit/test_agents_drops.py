"""Drops are counted by sensor and cause, told once when they begin and once when they are over."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest
from structlog.testing import capture_logs

from hubwatch_agents.drivers.drops import QUIET_US, Cause, DropCounters

T = 1_795_284_000_000_000


def test_counts_are_scraped_by_sensor_and_cause() -> None:
    registry = CollectorRegistry()
    drops = DropCounters(registry)
    drops.drop("door-1", Cause.REPEATED, T)
    drops.drop("door-1", Cause.REPEATED, T)
    drops.drop("door-2", Cause.NOT_RECOVERED, T, "gone", count=5)
    page = generate_latest(registry).decode()
    assert 'hubwatch_agents_dropped_total{cause="repeated",sensor="door-1"} 2.0' in page
    assert 'hubwatch_agents_dropped_total{cause="not_recovered",sensor="door-2"} 5.0' in page


def test_nothing_dropped_is_no_line_of_the_page_but_its_head() -> None:
    registry = CollectorRegistry()
    DropCounters(registry)
    assert "hubwatch_agents_dropped_total{" not in generate_latest(registry).decode()


def test_log_says_once_that_it_begins_and_once_that_it_is_over() -> None:
    drops = DropCounters()
    with capture_logs() as logs:
        for i in range(100):
            drops.drop("door-1", Cause.UNREADABLE, T + i, "no JSON")
            drops.settle(T + i)
        drops.settle(T + 99 + QUIET_US - 1)
        drops.settle(T + 99 + QUIET_US)
        drops.settle(T + 99 + 2 * QUIET_US)
    assert [(log["log_level"], log["sensor"], log["cause"]) for log in logs] == [
        ("warning", "door-1", "unreadable"),
        ("info", "door-1", "unreadable"),
    ]
    assert (logs[0]["reason"], logs[1]["dropped"]) == ("no JSON", 100)


def test_causes_and_sensors_are_told_apart() -> None:
    drops = DropCounters()
    with capture_logs() as logs:
        drops.drop("a", Cause.UNREADABLE, T)
        drops.drop("b", Cause.UNREADABLE, T)
        drops.drop("a", Cause.RETAINED, T)
    assert len(logs) == 3
    assert [drops.count(*key) for key in (("a", Cause.UNREADABLE), ("b", Cause.RETAINED))] == [1, 0]
