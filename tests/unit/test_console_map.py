"""Where an incident is: what stands around a sensor by the site, and the way from one alarm to the next."""

from __future__ import annotations

import re
from typing import Any

import pytest

from hubwatch_console.pages.incident_map import MappedAlarm, incident_map
from hubwatch_console.pages.surroundings import MOST, around
from hubwatch_core.clock import SECOND_US
from hubwatch_site import HubSite
from support.console_page import page_in

FACTS: dict[str, Any] = {"id": "rotterdam", "name": "Terminal", "mode": "sea", "time_zone": "UTC"}
PLAN = {"width_m": 100, "height_m": 60}
LANE = {"id": "lane-1", "class": "general", "steps": [{"sensor": "rpm-1"}, {"sensor": "xray-1", "within_s": 60}]}
PLACES = [{"id": "fence-1", "at": [10, 10]}, {"id": "fence-2", "at": [40, 10]}, {"id": "far", "at": [99, 59]}]
SITE = HubSite.model_validate(
    {
        "hub": FACTS,
        "plan": PLAN,
        "zones": [
            {"id": "yard", "outline": [[0, 0], [50, 0], [50, 30], [0, 30]]},
            {"id": "office", "name": "<b>Office", "outline": [[60, 0], [90, 0], [90, 30], [60, 30]]},
            {"id": "quay"},
        ],
        "paths": [{"from": "yard", "to": "quay", "metres": 20}],
        "doors": [{"sensor": "door-1", "from": "yard", "to": "office"}],
        "fences": [
            {
                "zone": "yard",
                "sections": [
                    {"sensor": "fence-1", "from_m": 0, "to_m": 40}, {"sensor": "fence-2", "from_m": 40, "to_m": 80},
                ],
                "behind": [{"sensor": "radar-1", "metres": 6}],
            }
        ],
        "lanes": [LANE],
        "sensors": PLACES,
    }
)  # fmt: skip
ZONES = {
    "door-1": "office", "area-1": "office", "cam-9": "yard", "fence-1": "yard", "crane-1": "quay", "rpm-1": "yard",
    "fence-2": "yard",
}  # fmt: skip


def found(sensor: str, zone: str | None) -> dict[str, str]:
    return {each.sensor: each.how for each in around(SITE, sensor, zone, ZONES)}


def test_section_of_a_fence_has_its_neighbours_and_what_lies_behind() -> None:
    assert found("fence-1", "yard") == {
        "fence-2": "section", "radar-1": "behind", "cam-9": "zone", "rpm-1": "zone", "door-1": "door",
        "crane-1": "path",
    }  # fmt: skip
    (near,) = [each for each in around(SITE, "fence-1", "yard", ZONES) if each.sensor == "fence-2"]
    assert near.metres == 30


def test_door_has_both_its_sides_and_a_portal_its_lane() -> None:
    assert {"cam-9", "fence-1"} <= found("door-1", "office").keys()
    assert found("rpm-1", None) == {"xray-1": "lane"}


def test_sensor_of_which_nothing_is_known_has_nothing_around_it() -> None:
    assert found("nowhere", None) == {}
    assert len(around(SITE, "cam-9", "yard", {f"s-{i}": "yard" for i in range(500)})) == MOST


def alarm(number: int, sensor: str, at_s: float, *, type_: str = "perimeter.intrusion", **other: Any) -> MappedAlarm:
    zone = other.pop("zone", None)
    return MappedAlarm(number, type_, sensor, zone, round(at_s * SECOND_US), other.pop("priority", 1), **other)


def test_way_leads_from_the_first_alarm_to_the_last_whatever_order_they_come_in() -> None:
    made = incident_map(
        SITE, [alarm(3, "door-1", 70, zone="office"), alarm(2, "fence-2", 20), alarm(1, "fence-1", 10)], page_in("en")
    )
    assert made is not None
    assert [(each.from_, each.to, round(each.metres)) for each in made.steps] == [
        ("fence-1", "fence-2", 30), ("fence-2", "door-1", 35),
    ]  # fmt: skip
    assert made.steps[0].speed_m_s == 3.0
    assert made.drawn.count('class="way"') == 2
    assert re.findall(r'<a href="(/alarms/\d)">', made.drawn) == ["/alarms/1", "/alarms/2", "/alarms/3"]
    assert "<b>" not in made.drawn


def test_what_nobody_passes_is_on_the_map_and_not_on_the_way() -> None:
    silent = alarm(2, "fence-2", 20, type_="integrity.sensor_silent")
    made = incident_map(SITE, [alarm(1, "fence-1", 10), silent, alarm(3, "far", 90)], page_in("nl"))
    assert made is not None
    assert [(each.from_, each.to) for each in made.steps] == [("fence-1", "far")]
    assert made.drawn.count("<circle") == 3


def test_alarms_of_one_moment_have_no_speed_and_none_at_all_no_map() -> None:
    made = incident_map(
        SITE, [alarm(1, "fence-1", 10), alarm(2, "fence-2", 10), alarm(3, "nowhere", 11)], page_in("en")
    )
    assert made is not None
    assert made.steps[0].speed_m_s is None
    assert made.unplaced == ["nowhere"]
    assert incident_map(SITE, [alarm(1, "nowhere", 1)], page_in("en")) is None
    assert incident_map(None, [alarm(1, "fence-1", 1)], page_in("en")) is None
    standing = incident_map(SITE, [alarm(1, "fence-1", 10), alarm(2, "fence-2", 30)], page_in("en"), moves=False)
    assert standing is not None
    assert "way" not in standing.drawn


def test_many_alarms_are_a_bounded_map() -> None:
    places = [{"id": f"s-{i}", "at": [i % 90, i % 50]} for i in range(400)]
    site = HubSite.model_validate({"hub": FACTS, "plan": PLAN, "sensors": places})
    made = incident_map(site, [alarm(i, f"s-{i}", i, exercise=7) for i in range(400)], page_in("en"))
    assert made is not None
    assert made.drawn.count("<circle") == 30
    assert "EXERCISE" in made.drawn


@pytest.mark.parametrize("points", [[(0, 0)], [(0, 0), (0, 0)], [(50, 50), (50, 50.1)]])
def test_places_that_are_one_are_drawn_without_a_way(points: list[tuple[float, float]]) -> None:
    site = HubSite.model_validate(
        {"hub": FACTS, "plan": PLAN, "sensors": [{"id": f"s-{i}", "at": point} for i, point in enumerate(points)]}
    )
    made = incident_map(site, [alarm(i, f"s-{i}", i * 5) for i in range(len(points))], page_in("en"))
    assert made is not None
    assert "way" not in made.drawn
    assert "nan" not in made.drawn
