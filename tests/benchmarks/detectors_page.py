"""Writes the figures of the detectors and their plots into `docs/reference/`.

`python -m benchmarks.detectors_page PART…` in `tests/` measures some parts (portal, area, access, perimeter, integrity,
equipment, absence, process), and `HUBWATCH_BENCH_DOCS=1 make bench ONLY=detectors` all. The figures are kept in
`detectors-figures.json` beside the page, so that a test can hold page and plots against them; a part that was not
measured keeps its figures.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from string import Formatter
from typing import Any

from benchmarks.detectors_plots import plots
from benchmarks.detectors_tables import TABLES

DOCS = Path(__file__).parents[2] / "docs" / "reference"
PAGE, FIGURES = "detectors.md", "detectors-figures.json"

Figures = Mapping[str, float]


def main(parts: list[str]) -> int:
    """Measure the parts named and write the page."""
    figures: dict[str, float] = {}
    for part in parts:
        figures |= asyncio.run(import_module(f"benchmarks.detectors_{part}").measure(print))
    write(figures)
    return 0


def write(measured: Figures, folder: Path = DOCS) -> None:
    """Take new figures among those that are kept, and write page and plots by them."""
    figures = {**kept(folder), **measured}
    (folder / FIGURES).write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    page = (folder / PAGE).read_text(encoding="utf-8")
    (folder / PAGE).write_text(filled(page, figures), encoding="utf-8")
    for name, drawing in plots(figures).items():
        (folder / name).write_text(drawing, encoding="utf-8")


def kept(folder: Path = DOCS) -> dict[str, float]:
    """Return the figures measured last."""
    figures: dict[str, float] = json.loads((folder / FIGURES).read_text(encoding="utf-8"))
    return figures


class _WholeNames(Formatter):
    """Takes names as they are: those of figures hold numbers with a point."""

    def get_field(self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, str]:
        return kwargs[field_name], field_name


def filled(page: str, figures: Figures) -> str:
    """Return the page with each table between its marks made anew."""

    def table(mark: re.Match[str]) -> str:
        return f"{mark[1]}{_WholeNames().vformat(TABLES[mark[2]], (), figures)}{mark[3]}"

    return re.sub(r"(<!-- measured: (\w+) -->\n).*?(<!-- end -->)", table, page, flags=re.DOTALL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
