from __future__ import annotations

import xml.etree.ElementTree as ET

from benchmarks.svg_plot import Line, plot

SVG = "{http://www.w3.org/2000/svg}"


def test_a_plot_is_well_formed_and_has_a_dot_for_each_point() -> None:
    lines = [Line("a", [(1, 5.0), (10, 6.0), (10_000, 5.5)]), Line("b", [(1, 2.0), (10, 2.0), (10_000, 2.0)])]
    tree = ET.fromstring(plot("µs", {"channels": lines, "rows": lines[:1]}))
    assert len(tree.findall(f"{SVG}circle")) == 9
    assert {"channels", "rows", "10,000", "a", "b"} <= {text.text for text in tree.findall(f"{SVG}text")}


def test_higher_values_are_drawn_higher() -> None:
    tree = ET.fromstring(plot("µs", {"x": [Line("a", [(1, 1.0), (100, 9.0)])]}))
    low, high = (float(dot.attrib["cy"]) for dot in tree.findall(f"{SVG}circle"))
    assert high < low


def test_a_single_point_is_drawn() -> None:
    assert "<circle" in plot("µs", {"x": [Line("a", [(7, 1.0)])]})
