"""The perimeter detector: one section, and two in walking order. Sections stand 6 m apart."""

from __future__ import annotations

import random

import pytest
from pydantic import ValidationError

from hubwatch_core.wire import Clear, Detection, Event
from hubwatch_detectors.chunk import Chunk
from hubwatch_detectors.contract import Finding, Neighbour, Origin, Site
from hubwatch_detectors.perimeter.crossing import Perimeter
from hubwatch_detectors.perimeter.perimeter_config import PerimeterConfig
from support.detectors_hub import AGENT, FENCES, HUB, at
from support.detectors_stories import SITE

SECTION = {each.sensor: each for each in FENCES}


class Fence:
    """A fence of two sections; times are seconds."""

    def __init__(self, site: Site = SITE, **config: float) -> None:
        self.detector = Perimeter(PerimeterConfig(**config), Origin("perimeter", 2, HUB), site)
        self.found: list[Finding] = []

    def alarm(self, t: float, section: str, **attrs: object) -> None:
        self.event(t, section, "perimeter.alarm", attrs)

    def event(self, t: float, section: str, type_: str, attrs: dict[str, object] | None = None) -> None:
        chunk = Chunk.of(HUB, AGENT, SECTION[section], [], [Event(section, at(t), type_, None, attrs or {})])
        self.found += self.detector.update(chunk)

    @property
    def types(self) -> list[str]:
        return [each.type if isinstance(each, Detection) else "clear" for each in self.found]


def test_alarm_of_a_section_is_an_intrusion_of_priority_two() -> None:
    fence = Fence()
    fence.alarm(10, "fence-1", layer="microwave", position_m=12)
    (detection,) = fence.found
    assert isinstance(detection, Detection)
    assert (detection.type, detection.sensor, detection.priority) == ("perimeter.intrusion", "fence-1", 2)
    assert detection.start == detection.detected == at(10)
    assert detection.why == "section fence-1 alarms (microwave)"
    assert detection.evidence == {"layer": "microwave", "position_m": 12.0}


def test_intrusion_ends_when_the_section_says_so_or_after_a_quiet_time() -> None:
    said, quiet = Fence(), Fence()
    for fence in (said, quiet):
        fence.alarm(10, "fence-1")
        fence.alarm(12, "fence-1")
    said.event(15, "fence-1", "perimeter.clear")
    quiet.found += quiet.detector.advance(at(41.9))
    assert quiet.types == ["perimeter.intrusion"]
    quiet.found += quiet.detector.advance(at(42.1))
    (first, end) = said.found
    assert isinstance(end, Clear)
    assert (end.id, end.end) == (first.id, at(15))
    assert isinstance(quiet.found[1], Clear)
    assert (quiet.found[1].end, quiet.found[1].detected) == (at(12), at(42))


@pytest.mark.parametrize(("seconds", "crossed"), [(0.1, False), (1.3, False), (1.5, True), (20.5, True), (20.7, False)])
def test_two_sections_at_walking_speed_are_a_crossing(seconds: float, crossed: bool) -> None:
    # 6 m within 2 s are 3 m/s, within 20 s 0.3 m/s; sensors may speak 0.6 s early or late.
    fence = Fence()
    fence.alarm(10, "fence-1")
    fence.alarm(10 + seconds, "fence-2")
    assert ("perimeter.crossing" in fence.types) is crossed


def test_crossing_names_both_sections_and_is_of_priority_one() -> None:
    fence = Fence()
    fence.alarm(10, "fence-1")
    fence.alarm(14, "fence-2")
    crossing = fence.found[-1]
    assert isinstance(crossing, Detection)
    assert (crossing.sensor, crossing.subject, crossing.priority) == ("fence-2", "fence-1>fence-2", 1)
    assert (crossing.start, crossing.detected) == (at(10), at(14))
    assert crossing.evidence["speed_m_s"] == 1.5
    assert "animals" in crossing.evidence["not_kept_below"]


def test_way_out_and_a_gust_over_both_sections_are_no_crossing() -> None:
    fence = Fence()
    fence.alarm(10, "fence-2")
    fence.alarm(14, "fence-1")
    fence.alarm(100, "fence-1")
    fence.alarm(100, "fence-2")
    assert "perimeter.crossing" not in fence.types


def test_crossing_is_found_in_whichever_order_the_alarms_arrive() -> None:
    fence = Fence()
    fence.alarm(14, "fence-2")
    fence.alarm(10, "fence-1")
    assert fence.types.count("perimeter.crossing") == 1
    crossing = fence.found[-1]
    assert isinstance(crossing, Detection)
    assert (crossing.start, crossing.detected) == (at(10), at(14))


def test_repeated_alarms_of_one_walk_are_one_crossing_that_ends() -> None:
    fence = Fence()
    for t in (10, 10.5, 11):
        fence.alarm(t, "fence-1")
    for t in (14, 14.5, 15):
        fence.alarm(t, "fence-2")
    fence.found += fence.detector.advance(at(100))
    assert fence.types.count("perimeter.crossing") == 1
    assert fence.types.count("clear") == 3


def test_neighbours_of_another_hub_do_not_count() -> None:
    other = Neighbour("antwerp", "fence-1", "fence-2", 6)
    fence = Fence(Site((other,)))
    fence.alarm(10, "fence-1")
    fence.alarm(14, "fence-2")
    assert fence.types == ["perimeter.intrusion"] * 2


def by_chance(rate: float, days: int) -> int:
    """Return the crossings of two sections that alarm at random, so many times a day each."""
    pick = random.Random(6)
    alarms = [(pick.uniform(0, days * 86_400), section) for section in SECTION for _ in range(int(rate * days))]
    fence = Fence(hold_s=1)
    for t, section in sorted(alarms):
        fence.alarm(t, section)
    return fence.types.count("perimeter.crossing")


def test_chance_crossings_come_as_often_as_the_formula_says() -> None:
    # Alarms at random at rates a and b make a·b·(longest − shortest) ordered pairs in the gate.
    assert by_chance(30, 300) == pytest.approx(30 * 30 * (20.6 - 1.4) / 86_400 * 300, rel=0.35)


def test_gate_of_sections_that_alarm_all_the_time_is_drawn_together() -> None:
    assert by_chance(200, 15) < 200 * 200 * (20.6 - 1.4) / 86_400 * 15 / 10


def test_speed_gate_that_is_shut_is_refused() -> None:
    with pytest.raises(ValidationError, match="max_speed_m_s must be more"):
        PerimeterConfig(min_speed_m_s=3, max_speed_m_s=1)


@pytest.mark.parametrize("every_s", [0.05, 0.1, 0.5, 1, 3])
@pytest.mark.parametrize("seconds", [10, 40, 300])
def test_section_that_chatters_does_not_hide_who_crosses_behind_it(every_s: float, seconds: float) -> None:
    fence = Fence()
    for i in range(int(seconds / every_s)):
        fence.alarm(10 + i * every_s, "fence-1")
    assert len(fence.detector.memory.sections["fence-1"].recent) <= 64
    fence.alarm(10 + seconds + 0.5, "fence-2")
    assert fence.types == ["perimeter.intrusion", "perimeter.intrusion", "perimeter.crossing"]


def test_chatter_alone_is_one_intrusion_and_no_crossing() -> None:
    fence = Fence()
    for i in range(1000):
        fence.alarm(10 + i / 10, "fence-1")
    assert fence.types == ["perimeter.intrusion"]
