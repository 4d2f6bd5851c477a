"""Which perimeter sensors stand one behind the other, and the way from an earlier configuration to fences."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from hubwatch_core.errors import ConfigError
from hubwatch_detectors.contract import Site
from hubwatch_ops.site import app
from hubwatch_site import HubSite, Neighbour, draft, neighbours, parse_site
from hubwatch_site.draft import Announced
from hubwatch_site.former_pairs import former_pairs

HEAD = '[hub]\nid = "h"\nname = "H"\nmode = "sea"\ntime_zone = "UTC"\n'
ZONES = "".join(f'[[zones]]\nid = "{name}"\n' for name in ("north", "south"))
PLAN = "[plan]\nwidth_m = 500\nheight_m = 500\n"
FORMER = """
[[{0}]]
hub = "h"
from = "f-1"
to = "f-2"
distance_m = 6
[[{0}]]
hub = "h"
from = "f-2"
to = "radar-1"
distance_m = 8.5
"""


def site(*parts: str) -> HubSite:
    return parse_site(HEAD + PLAN + ZONES + "".join(parts), "site")


def line(zone: str, *sections: tuple[str, int, int], behind: str = "") -> str:
    entries = ", ".join(f'{{ sensor = "{name}", from_m = {low}, to_m = {high} }}' for name, low, high in sections)
    return f'[[fences]]\nzone = "{zone}"\nsections = [{entries}]\n{behind}'


def behind(sensor: str, metres: float, stretch: str = "") -> str:
    return f'[[fences.behind]]\nsensor = "{sensor}"\nmetres = {metres}\n{stretch}\n'


def at(sensor: str, x: int, y: int) -> str:
    return f'[[sensors]]\nid = "{sensor}"\nat = [{x}, {y}]\n'


OUTER = (("a-1", 0, 80), ("a-2", 80, 160))
INNER = (("b-1", 0, 100), ("b-2", 100, 160))


def test_what_is_behind_a_whole_line_is_behind_each_of_its_sections() -> None:
    found = neighbours(site(line("north", *OUTER, behind=behind("radar", 6))))
    assert found == (Neighbour("h", "a-1", "radar", 6.0), Neighbour("h", "a-2", "radar", 6.0))


@pytest.mark.parametrize(
    ("stretch", "sections"),
    [
        ("from_m = 0\nto_m = 80", ["a-1"]),
        ("from_m = 70\nto_m = 90", ["a-1", "a-2"]),
        ("from_m = 81\nto_m = 90", ["a-2"]),
    ],
)
def test_what_is_behind_a_stretch_is_behind_the_sections_that_it_overlaps(stretch: str, sections: list[str]) -> None:
    found = neighbours(site(line("north", *OUTER, behind=behind("radar", 6, stretch))))
    assert [each.from_ for each in found] == sections


def test_next_line_of_the_zone_is_as_far_as_behind_says_and_only_where_they_overlap() -> None:
    text = line("north", *OUTER, behind=behind("b-1", 12, "from_m = 0\nto_m = 80")) + line("north", *INNER)
    assert set(neighbours(site(text))) == {
        Neighbour("h", "a-1", "b-1", 12.0),
        Neighbour("h", "a-2", "b-1", 12.0),
        Neighbour("h", "a-2", "b-2", 12.0),
    }


def test_nearest_stretch_with_known_metres_says_how_far_the_next_line_is() -> None:
    near, far = behind("b-1", 5, "from_m = 0\nto_m = 70"), behind("b-2", 30, "from_m = 100\nto_m = 160")
    found = neighbours(site(line("north", *OUTER, behind=near + far) + line("north", *INNER)))
    assert {(each.from_, each.to): each.distance_m for each in found} == {
        ("a-1", "b-1"): 5,
        ("a-2", "b-2"): 30,
        ("a-2", "b-1"): 30,
    }


def test_plan_says_how_far_the_next_line_is_where_the_fence_does_not() -> None:
    text = line("north", ("a-1", 0, 80)) + line("north", ("b-1", 0, 80), ("b-2", 80, 160))
    found = neighbours(site(text, at("a-1", 10, 10), at("b-1", 13, 14)))
    assert found == (Neighbour("h", "a-1", "b-1", 5.0),)
    assert neighbours(site(text)) == ()


def test_lines_of_different_zones_and_beyond_the_next_are_no_neighbours() -> None:
    places = [at(f"s-{i}", 10, 10 * i + 10) for i in range(4)]
    lines = [line("south" if i == 1 else "north", (f"s-{i}", 0, 50)) for i in range(4)]
    found = neighbours(site(*lines, *places))
    assert [(each.from_, each.to) for each in found] == [("s-0", "s-2"), ("s-2", "s-3")]


def test_site_of_detectors_has_the_pairs_of_all_its_hubs() -> None:
    one = site(line("north", *OUTER[:1], behind=behind("radar", 6)))
    assert Site(hubs={"h": one}).neighbours == (Neighbour("h", "a-1", "radar", 6.0),)


def pairs(tmp_path: Path, text: str) -> tuple[Neighbour, ...]:
    (tmp_path / "old.toml").write_text(text)
    return former_pairs(tmp_path / "old.toml")


@pytest.mark.parametrize("table", ["neighbours", "detectors.neighbours"])
def test_pairs_of_an_earlier_configuration_become_fences_with_the_same_pairs(tmp_path: Path, table: str) -> None:
    former = pairs(tmp_path, 'name = "x"\n[mqtt]\nport = 1883\n' + FORMER.format(table))
    text = draft("h", [Announced("f-1", None, "yard")], former)
    assert set(neighbours(parse_site(text, "draft"))) == set(former)
    assert '[[fences]]\nzone = "yard"\nsections = [{ sensor = "f-1"' in text


def test_mistakes_in_an_earlier_configuration_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        pairs(tmp_path, '[[neighbours]]\nhub = "H"\nfrom = "a"\ndistance_m = 0\n')
    assert [problem.key for problem in caught.value.problems] == [
        "neighbours[0].hub",
        "neighbours[0].distance_m",
        "neighbours[0].to",
    ]
    with pytest.raises(ConfigError, match="there are none"):
        pairs(tmp_path, "[mqtt]\nport = 1\n")


def converted(file: Path, *more: str) -> Result:
    return CliRunner().invoke(app, ["draft", "--neighbours", str(file), *more])


def test_command_writes_a_file_without_a_database_and_names_the_hubs_it_leaves_out(tmp_path: Path) -> None:
    file = tmp_path / "hub.toml"
    file.write_text(FORMER.format("detectors.neighbours"))
    result = converted(file)
    assert result.exit_code == 0, result.output
    assert len(neighbours(parse_site(result.stdout, "draft"))) == 2
    other = '[[detectors.neighbours]]\nhub = "antwerp"\nfrom = "x"\nto = "y"\ndistance_m = 3\n'
    file.write_text(FORMER.format("detectors.neighbours") + other)
    assert "name the hub with --hub; the file has pairs of: antwerp, h" in converted(file).output
    assert "pairs of h are left out" in converted(file, "--hub", "antwerp").output
