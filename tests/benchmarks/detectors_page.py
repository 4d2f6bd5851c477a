"""Writes the figures of the detectors and their plots into `docs/reference/`.

`python -m benchmarks.detectors_page PART…` in `tests/` measures some parts (portal, area, access, perimeter, integrity,
process), and `HUBWATCH_BENCH_DOCS=1 make bench ONLY=detectors` all. The figures are kept in `detectors-figures.json`
beside the page, so that a test can hold page and plots against them; a part that was not measured keeps its figures.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path

from benchmarks.detectors_tables import TABLES
from benchmarks.svg_plot import Line, plot

DOCS = Path(__file__).parents[2] / "docs" / "reference"
PAGE, FIGURES = "detectors.md", "detectors-figures.json"
BEST_AREA_S = {5: 643.0, 10: 191.0, 20: 56.5, 50: 11.5, 100: 3.7}
"""Of a CUSUM tuned to the very rise, in the worst case (Moustakides 1986)."""

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


def filled(page: str, figures: Figures) -> str:
    """Return the page with each table between its marks made anew."""

    def table(mark: re.Match[str]) -> str:
        return f"{mark[1]}{TABLES[mark[2]].format_map(figures)}{mark[3]}"

    return re.sub(r"(<!-- measured: (\w+) -->\n).*?(<!-- end -->)", table, page, flags=re.DOTALL)


def plots(figures: Figures) -> dict[str, str]:
    """Return the plots by their files' names."""
    return {f"detectors-{name}.svg": draw(figures) for name, draw in PLOTS.items()}


def _portal(figures: Figures) -> str:
    return plot(
        "Radiation portal: share of sources found at 1e-4 false alarms a vehicle",
        {
            "strength d, no shadow": [Line("found", _over(figures, "portal_flat_found_1e4_d{}"))],
            "strength d, 5–25 % shielded": [Line("found", _over(figures, "portal_dip_found_1e4_d{}"))],
        },
    )


def _area(figures: Figures) -> str:
    delays = [(percent, figures[f"area_delay_{percent}_s"] / best) for percent, best in BEST_AREA_S.items()]
    return plot("Area monitors: mean delay over the best possible", {"rise, per cent": [Line("", delays)]})


def _access(figures: Figures) -> str:
    return plot(
        "Brute force: mean attempts until it is found",
        {"attempts an hour, many badges": [Line("", _over(figures, "bruteforce_attempts_many_{}_h"))]},
    )


def _badges(figures: Figures) -> str:
    found, false = (_over(figures, f"{key}_{{}}_days") for key in ("clone_pd", "clone_far"))
    return plot("Cloned badges, four uses", {"days of history": [Line("found", found), Line("false", false)]})


def _perimeter(figures: Figures) -> str:
    found, false = (_over(figures, f"{key}_{{}}") for key in ("perimeter_pd", "perimeter_nuisance_km_day"))
    return plot(
        "Crossings",
        {"false crossings allowed a km and day": [Line("share found", found), Line("false a km and day", false)]},
    )


def _integrity(figures: Figures) -> str:
    lines = [
        Line(name, [*_over(figures, f"integrity_{name}_found_{{}}_days"), (10.0, figures[f"integrity_{name}_found"])])
        for name in ("frozen", "replayed", "spoofed")
    ]
    return plot("Attacks on readings: found of 29 sensors", {"days of history": lines})


def _process(figures: Figures) -> str:
    found, quiet = (_over(figures, f"batadal04_{key}_{{}}") for key in ("tpr", "tnr"))
    return plot(
        "BATADAL dataset04",
        {"share of history that would alarm": [Line("attacked hours found", found), Line("normal hours quiet", quiet)]},
    )


def _over(figures: Figures, key: str) -> list[tuple[float, float]]:
    """Return the figures whose keys differ in one number, by that number."""
    pattern = re.compile(re.escape(key).replace(r"\{\}", r"(\d+(?:\.\d+)?)"))
    return sorted((float(found[1]), value) for name, value in figures.items() if (found := pattern.fullmatch(name)))


PLOTS: dict[str, Callable[[Figures], str]] = {
    "portal": _portal,
    "area": _area,
    "access": _access,
    "badges": _badges,
    "perimeter": _perimeter,
    "integrity": _integrity,
    "process": _process,
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
