"""Health: named checks, and since when they have been so."""

from __future__ import annotations

import time
from datetime import datetime

import pytest

from hubwatch_core.config import MqttSection
from hubwatch_core.health import WORK_WITHIN_S, Health
from hubwatch_core.mqtt.session import HEARD_MARGIN_S


def _check(health: Health, name: str) -> dict[str, object]:
    checks = health.report()["checks"]
    assert isinstance(checks, dict)
    found: dict[str, object] = checks[name]
    return found


def test_process_without_checks_is_healthy() -> None:
    assert Health().ok
    assert Health().report() == {"ok": True, "checks": {}}


def test_one_failed_check_makes_the_whole_unhealthy_until_it_recovers() -> None:
    health = Health()
    health.set("mqtt", True)
    health.set("database", False, "connection refused")
    assert not health.ok
    assert health.report()["ok"] is False
    health.set("database", True)
    assert health.ok


def test_report_names_every_check_with_its_detail() -> None:
    health = Health()
    health.set("mqtt", False, "not connected yet")
    assert _check(health, "mqtt")["ok"] is False
    assert _check(health, "mqtt")["detail"] == "not connected yet"


def test_since_stays_while_a_check_stays_as_it_is_and_the_detail_follows() -> None:
    health = Health()
    health.set("mqtt", False, "refused")
    since = _check(health, "mqtt")["since"]
    time.sleep(0.002)
    health.set("mqtt", False, "timed out")
    assert _check(health, "mqtt") == {"ok": False, "since": since, "detail": "timed out"}


def test_since_moves_when_a_check_changes() -> None:
    health = Health()
    health.set("mqtt", False)
    lost = datetime.fromisoformat(str(_check(health, "mqtt")["since"]))
    time.sleep(0.002)
    health.set("mqtt", True)
    assert datetime.fromisoformat(str(_check(health, "mqtt")["since"])) > lost


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic clock that health reads; its one value can be moved."""
    now = [1000.0]
    monkeypatch.setattr("hubwatch_core.health.time.monotonic", lambda: now[0])
    return now


def test_check_whose_work_is_not_done_in_its_time_fails_whatever_was_said_last(clock: list[float]) -> None:
    health = Health()
    health.expect("alarms.mover", 25)
    health.set("alarms.mover", True, "moving")
    health.did("alarms.mover")
    clock[0] += 25
    assert health.ok
    clock[0] += 6
    assert not health.ok
    assert "no work done for 31 s, allowed are 25 s (was: moving)" in str(_check(health, "alarms.mover")["detail"])
    assert health.overdue() == {"alarms.mover": 31}
    health.set("alarms.mover", True, "moving")
    assert not health.ok, "saying so again is no work"
    health.did("alarms.mover")
    assert health.ok


def test_work_that_was_never_done_is_waited_for_from_the_start(clock: list[float]) -> None:
    health = Health()
    health.expect("database", 25)
    clock[0] += 26
    assert not health.ok
    assert _check(health, "database")["last"] is None
    assert _check(health, "database")["last_s_ago"] is None


def test_report_says_when_the_work_was_last_done(clock: list[float]) -> None:
    health = Health()
    health.expect("database", 25)
    health.did("database")
    clock[0] += 3
    check = _check(health, "database")
    assert (check["last_s_ago"], check["within_s"]) == (3.0, 25)
    datetime.fromisoformat(str(check["last"]))


def test_work_that_ended_in_order_is_not_waited_for(clock: list[float]) -> None:
    health = Health()
    health.expect("mqtt", 25)
    health.set("mqtt", True)
    health.expect_no_more("mqtt")
    clock[0] += 1000
    assert health.ok


def test_fault_shows_within_half_a_minute_where_nobody_changed_the_times() -> None:
    assert WORK_WITHIN_S <= 30
    assert MqttSection().keepalive_s + HEARD_MARGIN_S <= 30
