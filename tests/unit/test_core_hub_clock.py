from __future__ import annotations

import time

import pytest

from hubwatch_core import hub_clock
from hubwatch_core.clock import now_us
from hubwatch_core.hub_clock import HubClock

SECOND_US = 1_000_000
HOUR_US = 3600 * SECOND_US
SLACK_US = 5 * SECOND_US


def set_wall_clock(monkeypatch: pytest.MonkeyPatch, by_us: int) -> None:
    """Set the clock of this process, for what asks for it here."""
    monkeypatch.setattr(hub_clock, "now_us", lambda: time.time_ns() // 1000 + by_us)


def test_without_a_database_our_own_clock_is_the_hubs() -> None:
    assert abs(HubClock().now() - now_us()) < SLACK_US


@pytest.mark.parametrize("by_us", [-HOUR_US, HOUR_US, 365 * 24 * HOUR_US])
def test_setting_our_clock_changes_nothing(monkeypatch: pytest.MonkeyPatch, by_us: int) -> None:
    clock = HubClock()
    clock.set(now_us() + 7 * HOUR_US)
    came = now_us()
    set_wall_clock(monkeypatch, by_us)
    assert abs(clock.now() - came - 7 * HOUR_US) < SLACK_US
    assert abs(clock.receipt(came) - came - 7 * HOUR_US) < SLACK_US, "it came before our clock was set"
    assert abs(clock.receipt(came + by_us) - came - 7 * HOUR_US) < SLACK_US, "it came after"


def test_what_waited_here_is_as_old_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = HubClock()
    steady = hub_clock.steady_us
    monkeypatch.setattr(hub_clock, "steady_us", lambda: steady() + 60 * SECOND_US)
    set_wall_clock(monkeypatch, 60 * SECOND_US)
    assert abs(clock.now() - clock.receipt(now_us() + 30 * SECOND_US) - 30 * SECOND_US) < SLACK_US


def test_nothing_came_later_than_now() -> None:
    clock = HubClock()
    assert clock.receipt(now_us() + HOUR_US) <= clock.now()
