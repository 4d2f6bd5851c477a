"""Which alarms make one incident."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hubwatch_alarms.correlation import WINDOW_US, incident_of
from hubwatch_store.alarm_rows import Alarm
from hubwatch_store.incidents import Neighbour
from support.alarms_examples import START_US, alarm


def opened(zone: str | None, priority: int) -> Alarm:
    return replace(alarm(), zone=zone, priority=priority)


def neighbour(incident: int, zone: str | None = "gate-2", priority: int = 2, after_us: int = 0) -> Neighbour:
    return Neighbour(incident, zone, priority, START_US + after_us)


@pytest.mark.parametrize(
    ("zone", "priority", "other", "joins"),
    [
        ("gate-2", 3, neighbour(5), True),
        ("gate-3", 3, neighbour(5), False),
        ("gate-3", 1, neighbour(5), True),
        ("gate-3", 3, neighbour(5, priority=1), True),
        (None, 3, neighbour(5, zone=None), False),
        (None, 1, neighbour(5, zone=None), True),
        ("gate-2", 3, neighbour(5, after_us=-WINDOW_US), True),
        ("gate-2", 3, neighbour(5, after_us=-WINDOW_US - 1), False),
        ("gate-2", 3, neighbour(5, after_us=WINDOW_US), True),
    ],
    ids=[
        "same zone",
        "other zone",
        "other zone, critical",
        "other zone, beside a critical one",
        "both without a zone",
        "both without a zone, critical",
        "at the end of the window",
        "after the window",
        "late, before the other",
    ],
)
def test_alarm_joins_what_is_near_in_time_and_place(
    zone: str | None, priority: int, other: Neighbour, joins: bool
) -> None:
    assert (incident_of(opened(zone, priority), [other]) == 5) == joins


def test_own_zone_goes_before_a_critical_alarm_elsewhere() -> None:
    others = [neighbour(5, zone="gate-9", priority=1), neighbour(6, zone="gate-2", priority=4)]
    assert incident_of(opened("gate-2", 1), others) == 6


def test_newest_neighbour_decides_among_equals() -> None:
    assert incident_of(opened("gate-2", 2), [neighbour(8), neighbour(7)]) == 8


def test_alarm_with_nobody_near_begins_its_own() -> None:
    assert incident_of(opened("gate-2", 1), []) is None
