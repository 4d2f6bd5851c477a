"""What a hub does not say of what detectors need."""

from __future__ import annotations

import pytest

from hubwatch_core.words import SensorKind
from hubwatch_site import HubSite, parse_site
from hubwatch_site.draft import Announced
from hubwatch_site.needs import MAX_NAMED, HubKnown, Need, missing, needs_of

HEAD = '[hub]\nid = "h"\nname = "H"\nmode = "sea"\ntime_zone = "UTC"\n'
ZONES = '[[zones]]\nid = "yard"\n[[zones]]\nid = "office"\n'


def site(*parts: str) -> HubSite:
    return parse_site(HEAD + ZONES + "".join(parts), "site")


def told(kind: SensorKind, *names: str) -> tuple[Announced, ...]:
    return tuple(Announced(name, kind, "yard") for name in names)


FENCES = told(SensorKind.PERIMETER, "f-1", "f-2", "f-3")
FENCE = '[[fences]]\nzone = "yard"\nsections = [{ sensor = "f-1", from_m = 0, to_m = 9 }]\n'
BEHIND = '[[fences.behind]]\nsensor = "f-2"\nmetres = 3\n'
DOOR = '[[doors]]\nsensor = "d-1"\nfrom = "yard"\nto = "office"\n'
SHIFT = '[[shifts]]\nname = "early"\ndays = "mon"\nfrom = "06:00"\nto = "14:00"\n'
LANE = '[[lanes]]\nid = "l"\nsteps = [{ sensor = "r-1" }]\n'
PLACE = '[[sensors]]\nid = "r-1"\ndistance_m = 2\n'


@pytest.mark.parametrize(
    ("need", "parts", "sensors", "said"),
    [
        (Need.FENCES, [FENCE, BEHIND], FENCES, ["fences: f-3 in no line"]),
        (Need.FENCES, [FENCE, BEHIND], FENCES[:2], []),
        (Need.DOORS, [DOOR], told(SensorKind.ACCESS, "d-1", "d-2"), ["doors: d-2 at no door"]),
        (Need.PATHS, [], FENCES, ["paths: yard, office led to by no path and no door"]),
        (Need.PATHS, [DOOR], FENCES, []),
        (Need.LANES, [LANE], told(SensorKind.SCREENING, "x-1"), ["lanes: x-1 in no lane"]),
        (Need.LANES, [LANE], told(SensorKind.RADIATION_PORTAL, "r-1"), []),
        (Need.DISTANCES, [LANE], told(SensorKind.RADIATION_PORTAL, "r-1"), ["distances: r-1 without distance_m"]),
        (Need.DISTANCES, [PLACE], told(SensorKind.RADIATION_PORTAL, "r-1"), []),
        (Need.SHIFTS, [], FENCES, ["shifts: none"]),
        (Need.SHIFTS, [SHIFT], FENCES, []),
        (Need.CARDHOLDERS, [], FENCES, ["cardholders: none imported"]),
    ],
)
def test_each_need_says_what_is_missing(
    need: Need, parts: list[str], sensors: tuple[Announced, ...], said: list[str]
) -> None:
    assert missing([need], HubKnown(site(*parts), sensors)) == said


def test_many_names_are_cut_and_counted() -> None:
    many = told(SensorKind.PERIMETER, *(f"f-{i}" for i in range(MAX_NAMED + 3)))
    (said,) = missing([Need.FENCES], HubKnown(site(), many))
    assert said.endswith("and 3 more in no line")


def test_hub_without_a_site_misses_that_and_one_without_sensors_nothing() -> None:
    assert missing([Need.FENCES], HubKnown(None, FENCES)) == ["a site: `hubwatch site draft` begins one"]
    assert missing([Need.FENCES], HubKnown(None, ())) == []
    assert missing([Need.CARDHOLDERS], HubKnown(site(), FENCES, cardholders=1)) == []


def test_needs_follow_from_the_kinds_of_sensors() -> None:
    assert needs_of([SensorKind.PERIMETER]) == (Need.FENCES,)
    assert needs_of([SensorKind.RADIATION_PORTAL, SensorKind.SCREENING]) == (Need.LANES, Need.DISTANCES)
    assert needs_of([SensorKind.ENVIRONMENT]) == ()
