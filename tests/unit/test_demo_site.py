"""The demo's site says of every simulated sensor where it stands, and what the demo's attacks rely on."""

from __future__ import annotations

from itertools import pairwise

from hubwatch_detectors.access.badge_config import BadgesConfig
from hubwatch_detectors.access.whereabouts import Ways
from hubwatch_ops.demo.account import SENSORS
from hubwatch_ops.demo.plant import FENCE_LINES, HUB
from hubwatch_ops.demo.script import CLONED_AFTER_S
from hubwatch_ops.demo.site import site_text
from hubwatch_site import neighbours, parse_site
from hubwatch_site.drawing import draw
from hubwatch_site.file import parse_partly

SITE = parse_site(site_text(), "the demo's site")


def test_site_is_that_of_the_simulated_hub() -> None:
    assert SITE.hub.id == HUB
    assert SITE.sensor_names() == SENSORS


def test_fence_lines_follow_each_other_inwards() -> None:
    names = list(FENCE_LINES)
    pairs = {(each.from_, each.to): each.distance_m for each in neighbours(SITE)}
    assert pairs == dict.fromkeys(pairwise(names), 6.0)


def test_nobody_walks_from_door_2_to_door_3_in_the_time_between_a_badge_and_its_clone() -> None:
    ways = Ways(SITE, BadgesConfig().fastest_m_s)
    stands = [ways.passage(door, "in", "in") for door in ("door-2", "door-3")]
    least_s = ways.seconds(*((each.stands,) for each in stands if each is not None))
    assert least_s is not None
    assert least_s > 2 * CLONED_AFTER_S


def test_plan_shows_every_zone_and_sensor_and_nothing_is_red() -> None:
    part, problems = parse_partly(site_text(), "site")
    picture = draw(part, problems)
    assert problems == []
    assert 'class="wrong' not in picture
    assert all(f">{zone.name}<" in picture for zone in SITE.zones)
    assert all(f">{place.label or place.id}<" in picture for place in SITE.sensors)
