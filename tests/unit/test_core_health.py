"""Health: named checks, and since when they have been so."""

from __future__ import annotations

import time
from datetime import datetime

from hubwatch_core.health import Health


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
