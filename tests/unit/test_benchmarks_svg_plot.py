from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from benchmarks.svg_plot import Line, Panel, plot, powers_of_ten, y_ticks

SVG = "{http://www.w3.org/2000/svg}"


def drawn(*panels: Panel, title: str = "Cost") -> ET.Element:
    return ET.fromstring(plot(title, panels))


def panel(*lines: Line, y: str = "share", **ends: object) -> Panel:
    return Panel("µs", y, lines, **ends)  # type: ignore[arg-type]


def words(tree: ET.Element) -> set[str | None]:
    return {text.text for text in tree.findall(f"{SVG}text")}


def test_a_plot_is_well_formed_and_has_a_mark_for_each_point_and_each_name() -> None:
    lines = [Line("a", [(1, 5.0), (10, 6.0), (10_000, 5.5)]), Line("b", [(1, 2.0), (10, 2.0), (10_000, 2.0)])]
    tree = drawn(Panel("channels", "µs", lines), Panel("rows", "µs", lines[:1]))
    dots = tree.findall(f"{SVG}circle")
    squares = [each for each in tree.findall(f"{SVG}path") if each.get("class") == "m1"]
    assert (len(dots), len(squares)) == (8, 4)
    assert {"channels", "rows", "µs", "10,000", "a", "b"} <= words(tree)


def test_lines_differ_by_more_than_their_colour() -> None:
    lines = [Line(name, [(1, 1.0), (2, 2.0)]) for name in "abcd"]
    dashes = [each.get("stroke-dasharray") for each in drawn(panel(*lines)).findall(f"{SVG}path")]
    assert len({each for each in dashes if each is not None}) == 4


def test_a_plot_has_colours_for_dark_pages_and_says_what_it_is_to_who_cannot_see_it() -> None:
    tree = drawn(panel(Line("", [(1, 1.0), (2, 2.0)])), title="Cost & <delay>")
    style, title = tree.find(f"{SVG}style"), tree.find(f"{SVG}title")
    assert style is not None
    assert title is not None
    assert "prefers-color-scheme: dark" in (style.text or "")
    assert title.text == "Cost & <delay>: share over µs"


def test_higher_values_are_drawn_higher_and_whiskers_from_low_to_high() -> None:
    tree = drawn(panel(Line("", [(1, 1.0), (100, 9.0)], [(0.5, 2.0), (8.0, 10.0)])))
    low, high = (float(dot.attrib["cy"]) for dot in tree.findall(f"{SVG}circle"))
    assert high < low
    whiskers = [each for each in tree.findall(f"{SVG}path") if each.get("class") == "s0" and "h6M" in each.attrib["d"]]
    assert len(whiskers) == 2


def test_a_logarithmic_axis_keeps_small_values_apart() -> None:
    tree = drawn(panel(Line("", [(1, 1.0), (2, 10.0), (3, 100.0)]), log_y=True))
    heights = [float(dot.attrib["cy"]) for dot in tree.findall(f"{SVG}circle")]
    assert heights[0] - heights[1] == pytest.approx(heights[1] - heights[2])
    assert {"1", "10", "100"} <= words(tree)


def test_numbers_that_have_no_room_are_left_out() -> None:
    tree = drawn(panel(Line("", [(1.0, 1), (1.001, 1), (3.0, 1)])))
    assert "1.001" not in words(tree)


def test_a_single_point_and_nothing_but_zeros_are_drawn() -> None:
    assert "<circle" in plot("µs", [panel(Line("a", [(7, 1.0)]))])
    assert "<circle" in plot("µs", [panel(Line("a", [(7, 0.0), (8, 0.0)]))])


@pytest.mark.parametrize(("highest", "ticks"), [(1.0, 6), (0.93, 6), (110, 6), (6600, 5), (0.034, 5), (1e-9, 6)])
def test_numbers_of_an_axis_are_round_and_reach_the_highest(highest: float, ticks: int) -> None:
    found = y_ticks(highest)
    assert found[0] == 0
    assert found[-1] >= highest * (1 - 1e-6)
    assert len(found) == pytest.approx(ticks, abs=1)


def test_powers_of_ten_enclose_the_values() -> None:
    assert powers_of_ten(0.4, 6600) == pytest.approx([0.1, 1, 10, 100, 1000, 10_000])
