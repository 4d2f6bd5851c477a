"""What is made of a site: the least time between places, a picture, and a draft from what agents announce."""

from __future__ import annotations

from importlib import resources
from xml.etree import ElementTree as ET

import pytest

from hubwatch_core.errors import Problem
from hubwatch_core.words import SensorKind
from hubwatch_site import HubSite, Walks, draft, parse_site
from hubwatch_site.draft import Announced
from hubwatch_site.drawing import draw
from hubwatch_site.file import parse_partly
from hubwatch_site.model import MAX_METRES
from hubwatch_site.plan_image import fault_of_image
from hubwatch_site.walking import FASTEST_M_S

HEAD = '[hub]\nid = "h"\nname = "H"\nmode = "sea"\ntime_zone = "UTC"\n'
ZONES = "".join(f'[[zones]]\nid = "{name}"\n' for name in "abcde")
SAMPLE = resources.files("hubwatch_site").joinpath("sample.toml").read_text(encoding="utf-8")
SVG = "{http://www.w3.org/2000/svg}"


def site(text: str) -> HubSite:
    return parse_site(HEAD + ZONES + text, "site")


def path(start: str, end: str, how: str) -> str:
    return f'[[paths]]\nfrom = "{start}"\nto = "{end}"\n{how}\n'


def test_shortest_way_is_taken_and_metres_become_the_least_time() -> None:
    walks = Walks(site(path("a", "b", "metres = 60") + path("b", "c", "seconds = 5") + path("a", "c", "seconds = 99")))
    assert walks.seconds("a", "c") == pytest.approx(60 / FASTEST_M_S + 5)
    assert walks.metres("c", "a") == pytest.approx(60 + 5 * FASTEST_M_S)
    assert walks.seconds("a", "a") == 0
    assert walks.seconds("a", "d") is None


def test_one_way_is_not_walked_back() -> None:
    walks = Walks(site(path("a", "b", "seconds = 5\none_way = true")))
    assert walks.seconds("a", "b") == 5
    assert walks.seconds("b", "a") is None


def test_door_takes_no_time_unless_a_path_says_so() -> None:
    door = '[[doors]]\nsensor = "d{0}"\nfrom = "{1}"\nto = "{2}"\n'
    walks = Walks(site(path("b", "a", "seconds = 7") + door.format(1, "a", "b") + door.format(2, "b", "c")))
    assert walks.seconds("a", "b") == 7
    assert walks.seconds("c", "b") == 0


@pytest.mark.parametrize(("start", "end"), ["ab", "ba"])
def test_door_beside_a_one_way_path_leads_the_other_way_without_time(start: str, end: str) -> None:
    door = '[[doors]]\nsensor = "d"\nfrom = "a"\nto = "b"\n'
    walks = Walks(site(path(start, end, "seconds = 7\none_way = true") + door))
    assert (walks.seconds(start, end), walks.seconds(end, start)) == (7, 0)


def test_travel_leads_to_other_hubs() -> None:
    text = '[[travel]]\nfrom = "a"\nto = { hub = "far", zone = "z" }\nseconds = 3600\n' + path("b", "a", "seconds = 5")
    walks = Walks(site(text))
    assert walks.seconds("b", "z", hub="far") == 3605
    assert walks.seconds("b", "z") is None


def test_draft_of_announced_sensors_is_a_right_site() -> None:
    announced = [
        Announced("fence-10", SensorKind.PERIMETER, "fence"),
        Announced("fence-9", SensorKind.PERIMETER, "fence"),
        Announced("door-1", SensorKind.ACCESS, "office"),
        Announced("rpm-1", SensorKind.RADIATION_PORTAL, "gate"),
        Announced("odd", None, "gate"),
    ]
    text = draft("harbour", announced)
    drafted = parse_site(text, "draft")
    assert [zone.id for zone in drafted.zones] == ["fence", "gate", "office"]
    assert [place.id for place in drafted.sensors] == ["door-1", "fence-9", "fence-10", "odd", "rpm-1"]
    assert '{ sensor = "fence-9", from_m = 0, to_m = 100 }' in text


def test_draft_with_its_comments_taken_away_only_lacks_what_people_know() -> None:
    announced = [Announced(f"s-{kind}", kind, "zone") for kind in SensorKind]
    text = draft("harbour", announced)
    words = ("# sea, air", "# 1 ordinary", "# Drafted", "# `hubwatch")
    lines = [line if line.startswith(words) else line.removeprefix("# ") for line in text.splitlines()]
    part, problems = parse_partly("\n".join(lines), "draft")
    assert {each.message for each in problems} == {"there is no zone outside in this file"}
    assert part.entries("lanes")


def test_picture_shows_zones_sensors_and_lines_and_is_fit_for_our_pages() -> None:
    picture = draw(parse_partly(SAMPLE, "site")[0])
    root = ET.fromstring(picture)
    texts = {each.text for each in root.iter(f"{SVG}text")}
    assert {"Gate 2", "apron", "Portal, gate 2"} <= texts
    assert fault_of_image("plan.svg", picture.encode()) is None
    assert not [each for each in root.iter() if each.get("class") == "wrong"]


def test_picture_shows_in_red_what_is_inconsistent_and_says_it() -> None:
    text = SAMPLE.replace("[35, 22]", "[35, 2200]").replace("[300, 120], [60, 120]", "[60, 120], [300, 120]")
    part, problems = parse_partly(text, "site")
    root = ET.fromstring(draw(part, problems))
    wrong = [each.tag.removeprefix(SVG) for each in root.iter() if each.get("class") == "wrong"]
    assert sorted(wrong) == ["circle", "polygon"]
    told = [each.text or "" for each in root.iter(f"{SVG}text") if each.get("class") == "wrong-text"]
    assert any("crosses itself" in line for line in told)
    assert any("outside the plan" in line for line in told)


def test_picture_of_a_zone_far_beyond_any_plan_is_drawn_as_far_as_plans_go() -> None:
    part, problems = parse_partly(HEAD + '[[zones]]\nid = "z"\noutline = [[0, 0], [9e9, 0], [0, 9e9]]\n', "site")
    assert any("no plan" in problem.message for problem in problems)
    root = ET.fromstring(draw(part, problems))
    assert [each.get("width") for each in root.iter(f"{SVG}rect")] == [f"{MAX_METRES}"]


def test_picture_of_foreign_names_is_still_a_picture() -> None:
    text = HEAD.replace('"H"', '"<&>"') + '[plan]\nwidth_m = 9\nheight_m = 9\n[[sensors]]\nid = "s"\nat = [1, 1]\n'
    part, _ = parse_partly(text + 'label = "<script>]]>"\n', "site")
    root = ET.fromstring(draw(part, [Problem("f", "sensors[0]", "\x1b[31m<b>")]))
    assert {"<script>]]>"} <= {each.text for each in root.iter(f"{SVG}text")}
