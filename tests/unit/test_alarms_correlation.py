"""Which alarms make one incident."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hubwatch_alarms.correlation import WINDOW_US, incident_of
from hubwatch_alarms.places import PACE_M_S, apart_at
from hubwatch_core.alarm import Alarm
from hubwatch_site import parse_site
from hubwatch_store.alarms import NearbyAlarm
from support.alarms_examples import START_US, alarm


def opened(zone: str | None, priority: int) -> Alarm:
    return replace(alarm(), zone=zone, priority=priority)


def neighbour(incident: int, zone: str | None = "gate-2", priority: int = 2, after_us: int = 0) -> NearbyAlarm:
    return NearbyAlarm(incident, zone, priority, START_US + after_us)


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
    zone: str | None, priority: int, other: NearbyAlarm, joins: bool
) -> None:
    assert (incident_of(opened(zone, priority), [other]) == 5) == joins


def test_own_zone_goes_before_a_critical_alarm_elsewhere() -> None:
    others = [neighbour(5, zone="gate-9", priority=1), neighbour(6, zone="gate-2", priority=4)]
    assert incident_of(opened("gate-2", 1), others) == 6


def test_newest_neighbour_decides_among_equals() -> None:
    assert incident_of(opened("gate-2", 2), [neighbour(8), neighbour(7)]) == 8


def test_alarm_with_nobody_near_begins_its_own() -> None:
    assert incident_of(opened("gate-2", 1), []) is None


SITE = parse_site(
    '[hub]\nid = "h"\nname = "H"\nmode = "sea"\ntime_zone = "UTC"\n'
    + "".join(f'[[zones]]\nid = "{name}"\n' for name in ("gate-2", "apron", "office", "quay", "island"))
    + '[[paths]]\nfrom = "apron"\nto = "gate-2"\nmetres = 140\none_way = true\n'
    + '[[doors]]\nsensor = "door-3"\nfrom = "apron"\nto = "office"\n'
    + '[[paths]]\nfrom = "gate-2"\nto = "quay"\nmetres = 1000\n',
    "site",
)
APART = apart_at(SITE)


@pytest.mark.parametrize(
    ("zone", "priority", "other", "joins"),
    [
        ("apron", 3, neighbour(5, zone="gate-2"), True),
        ("gate-2", 3, neighbour(5, zone="apron"), True),
        ("gate-2", 3, neighbour(5, zone="office"), True),
        ("gate-2", 1, neighbour(5, zone="quay", priority=1), False),
        ("gate-2", 3, neighbour(5, zone="island"), False),
        ("gate-2", 1, neighbour(5, zone="island"), True),
        ("gate-2", 3, neighbour(5, zone="nowhere", priority=1), True),
        ("gate-2", 3, neighbour(5, zone=None), False),
        ("gate-2", 3, neighbour(5, zone=None, priority=1), True),
        ("gate-2", 3, neighbour(5, zone="apron", after_us=-WINDOW_US - 1), False),
    ],
    ids=[
        "a short way on",
        "against the direction of the way",
        "through a door",
        "further than the window, though both are critical",
        "no way",
        "no way, critical",
        "a zone that the site does not know, critical",
        "no zone",
        "no zone, critical",
        "near, but long ago",
    ],
)
def test_site_says_which_zones_are_near(zone: str, priority: int, other: NearbyAlarm, joins: bool) -> None:
    assert (incident_of(opened(zone, priority), [other], APART) == 5) == joins


def test_own_zone_goes_before_the_nearest_and_that_before_a_critical_one_of_no_known_way() -> None:
    others = [
        neighbour(4, zone="island", priority=1),
        neighbour(5, zone="gate-2"),
        neighbour(6, zone="apron"),
        neighbour(7, zone="office"),
    ]
    assert incident_of(opened("office", 3), others, APART) == 7
    assert incident_of(opened("office", 3), others[:3], APART) == 6
    assert incident_of(opened("office", 3), others[:2], APART) == 5
    assert incident_of(opened("office", 3), others[:1], APART) == 4


def test_way_of_a_hundred_and_forty_metres_takes_as_many_seconds_as_the_pace_says() -> None:
    assert APART("gate-2", "apron") == pytest.approx(140 / PACE_M_S)
    assert APART("gate-2", "island") is None
