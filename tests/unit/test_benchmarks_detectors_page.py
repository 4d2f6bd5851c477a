"""The reference page of the detectors has the figures that were measured, and no others."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from benchmarks.detectors_page import DOCS, PAGE, filled, kept, write
from benchmarks.detectors_plots import PLOTS, plots
from benchmarks.detectors_tables import TABLES

SVG = "{http://www.w3.org/2000/svg}"
LETTER, BOLD_LETTER = 6.4, 8.6
"""Width of a letter, and of one of a title (px), about."""


def test_page_and_plots_are_those_of_the_figures() -> None:
    page, figures = (DOCS / PAGE).read_text(encoding="utf-8"), kept()
    assert filled(page, figures) == page
    assert {name: (DOCS / name).read_text(encoding="utf-8") for name in plots(figures)} == plots(figures)


@pytest.mark.parametrize("table", TABLES)
def test_every_table_stands_on_the_page(table: str) -> None:
    assert f"<!-- measured: {table} -->\n|" in (DOCS / PAGE).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PLOTS)
def test_every_plot_is_drawn_and_shown(name: str) -> None:
    tree = ET.fromstring((DOCS / f"detectors-{name}.svg").read_text(encoding="utf-8"))
    assert len(tree.findall(f"{SVG}circle")) >= 3
    assert f"(detectors-{name}.svg)" in (DOCS / PAGE).read_text(encoding="utf-8")


def test_nothing_written_is_cut_off() -> None:
    for drawing in plots(kept()).values():
        tree = ET.fromstring(drawing)
        assert [each.text for each in tree.findall(f"{SVG}text") if not _fits(each, float(tree.attrib["width"]))] == []


def _fits(text: ET.Element, width: float) -> bool:
    """Return whether words lie within the picture, and a panel's numbers right of its left edge."""
    letter = BOLD_LETTER if text.get("font-weight") == "bold" else LETTER
    length, x = letter * len(text.text or ""), float(text.attrib["x"])
    begin = x - {"start": 0.0, "middle": length / 2, "end": length}[text.get("text-anchor", "start")]
    return begin >= 0 and begin + length <= width


def test_new_figures_of_one_part_leave_those_of_the_others(tmp_path: Path) -> None:
    for name in (PAGE, "detectors-figures.json"):
        (tmp_path / name).write_text((DOCS / name).read_text(encoding="utf-8"), encoding="utf-8")
    write({"nab_aws": 12.3}, tmp_path)
    page = (tmp_path / PAGE).read_text(encoding="utf-8")
    assert "| 12.3 |" in page
    assert kept(tmp_path) == {**kept(), "nab_aws": 12.3}
