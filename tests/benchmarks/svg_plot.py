"""Plots as SVG, for figures that are committed: panels side by side, each with lines over one axis.

A plot is read on white and on black, by people who see no colours, and without the text around it: lines differ by
colour, dash and mark, every axis says its unit, and a title stands in the picture. Whiskers are intervals.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 440, 300
LEFT, RIGHT, BOTTOM = 62, 24, 46
TOP, LEGEND_TOP = 66, 92
"""Room above the axes for title and unit, and with a legend between them."""
LEGEND_Y, ROW = 46, 16
LETTER = 6.4
"""Width of a letter of the small type, about; it decides which numbers of an axis have room."""
STEEP = 4.0
"""Where the last x is so many times the first, the axis is logarithmic."""
DASHES = ("", "7 4", "2 3", "10 3 2 3")
LIGHT = ("#0063a3", "#b84500", "#00734f", "#7a3d8f")
DARK = ("#6bb8f2", "#f2a65a", "#4ccaa0", "#d3a0e3")
"""Four that keep apart in all common kinds of colour vision, on white and on black (after Okabe and Ito 2008)."""


@dataclass(frozen=True, slots=True)
class Line:
    """A named line through points (x, y), each with its interval (low, high) where there are `intervals`."""

    name: str
    points: Sequence[tuple[float, float]]
    intervals: Sequence[tuple[float, float]] = ()


@dataclass(frozen=True, slots=True)
class Panel:
    """Lines over the same axes; `x` and `y` say what they are, with the unit."""

    x: str
    y: str
    lines: Sequence[Line]
    top: float | None = None
    """Where the y axis ends; by default above the highest point."""
    log_y: bool = False
    """Whether the y axis goes by powers of ten; then it does not begin at 0."""


def plot(title: str, panels: Sequence[Panel]) -> str:
    """Draw panels side by side."""
    width = WIDTH * len(panels)
    top = LEGEND_TOP if any(line.name for panel in panels for line in panel.lines) else TOP
    words = f"{title}: " + "; ".join(f"{panel.y} over {panel.x}" for panel in panels)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{HEIGHT}" '
            f'viewBox="0 0 {width} {HEIGHT}" role="img" font-family="sans-serif" font-size="12">',
            f"<title>{escape(words)}</title>",
            f"<style>{_style(LIGHT, '#ffffff', '#222222', '#d8d8d8')}",
            f"@media (prefers-color-scheme: dark) {{ {_style(DARK, '#0d1117', '#e6e6e6', '#3a3f47')} }}</style>",
            '<rect class="back" width="100%" height="100%"/>',
            f'<text class="ink" x="{LEFT}" y="24" font-size="15" font-weight="bold">{escape(title)}</text>',
            *(_Drawing(i, panel, top).draw() for i, panel in enumerate(panels)),
            "</svg>",
            "",
        ]
    )


def _style(colours: Sequence[str], back: str, ink: str, grid: str) -> str:
    rules = [f".back{{fill:{back}}} .ink{{fill:{ink}}} .axis{{stroke:{ink};fill:none}} .grid{{stroke:{grid}}}"]
    rules += [
        f".s{i}{{stroke:{colour};fill:none}} .m{i}{{fill:{colour};stroke:{back}}}" for i, colour in enumerate(colours)
    ]
    return " ".join(rules)


class _Drawing:
    """One panel on its place in the picture."""

    def __init__(self, number: int, panel: Panel, ceiling: int) -> None:
        self.panel, self.ceiling = panel, ceiling
        self.left, self.right = number * WIDTH + LEFT, (number + 1) * WIDTH - RIGHT
        self.base = HEIGHT - BOTTOM
        self.xs = sorted({x for line in panel.lines for x, _ in line.points})
        ys = [y for line in panel.lines for y in _reached(line)]
        highest = panel.top if panel.top is not None else max(ys) or 1.0
        self.ticks = powers_of_ten(min(ys), highest) if panel.log_y else y_ticks(highest)
        self.top = panel.top if panel.top is not None else self.ticks[-1]
        self.is_log = self.xs[0] > 0 and self.xs[-1] / self.xs[0] >= STEEP

    def draw(self) -> str:
        parts = [*self._grid(), *self._numbers()]
        for i, line in enumerate(self.panel.lines):
            parts += self._legend(i, line) + self._line(i, line)
        return "\n".join(parts)

    def _x(self, x: float) -> float:
        first, last = self.xs[0], self.xs[-1]
        if first == last:
            return (self.left + self.right) / 2
        share = math.log(x / first) / math.log(last / first) if self.is_log else (x - first) / (last - first)
        return self.left + 8 + (self.right - self.left - 16) * share

    def _y(self, y: float) -> float:
        y, low = min(y, self.top), self.ticks[0]
        share = math.log(y / low) / math.log(self.top / low) if self.panel.log_y else y / self.top
        return self.base - (self.base - self.ceiling) * share

    def _grid(self) -> list[str]:
        heights = [self._y(tick) for tick in self.ticks]
        lines = [f'<path class="grid" d="M{self.left} {y:.1f}H{self.right}"/>' for y in heights[1:]]
        return [*lines, f'<path class="axis" d="M{self.left} {self.ceiling}V{self.base}H{self.right}"/>']

    def _numbers(self) -> list[str]:
        step = self.ticks[1] - self.ticks[0]
        form = ",.10g" if self.panel.log_y else f",.{max(0, -math.floor(math.log10(step) + 1e-9))}f"
        parts = [_text(self.left - 8, self._y(tick) + 4, f"{tick:{form}}", "end") for tick in self.ticks]
        parts.append(_text(self.left, self.ceiling - 10, self.panel.y, "start"))
        for x in self._labelled():
            parts.append(f'<path class="axis" d="M{self._x(x):.1f} {self.base}v4"/>')
            parts.append(_text(self._x(x), self.base + 18, f"{x:,.10g}"))
        parts.append(_text((self.left + self.right) / 2, self.base + 36, self.panel.x))
        return parts

    def _labelled(self) -> list[float]:
        """Return the x that have room for their number."""
        kept = [self.xs[0]]
        for x in self.xs[1:]:
            if self._x(x) - self._x(kept[-1]) >= LETTER * (len(f"{x:,.10g}") + len(f"{kept[-1]:,.10g}")) / 2 + 8:
                kept.append(x)
        return kept

    def _legend(self, i: int, line: Line) -> list[str]:
        if not line.name:
            return []
        before = sum(LETTER * len(each.name) + 48 for each in self.panel.lines[:i])
        x, y = self.left + before, LEGEND_Y
        if sum(LETTER * len(each.name) + 48 for each in self.panel.lines) > self.right - self.left + 48:
            x, y = self.left + (i % 2) * (self.right - self.left) / 2, LEGEND_Y - 4 + ROW * (i // 2)
        sample = f'<path class="s{i}" stroke-width="2" stroke-dasharray="{DASHES[i]}" d="M{x:.1f} {y}h26"/>'
        return [sample, _mark(i, x + 13, y), _text(x + 31, y + 4, line.name, "start")]

    def _line(self, i: int, line: Line) -> list[str]:
        dots = [(self._x(x), self._y(y)) for x, y in line.points]
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in dots)
        parts = [f'<path class="s{i}" stroke-width="2" stroke-dasharray="{DASHES[i]}" d="{path}"/>']
        for (x, _), (low, high) in zip(dots, line.intervals, strict=False):
            a, b = self._y(low), self._y(high)
            ends = f"M{x - 3:.1f} {a:.1f}h6M{x - 3:.1f} {b:.1f}h6"
            parts.append(f'<path class="s{i}" d="M{x:.1f} {a:.1f}V{b:.1f}{ends}"/>')
        return [*parts, *(_mark(i, x, y) for x, y in dots)]


def y_ticks(highest: float) -> list[float]:
    """Return round numbers from 0 to at least `highest`, four to seven of them."""
    size = 10 ** math.floor(math.log10(highest))
    step = next(size * each for each in (0.1, 0.2, 0.25, 0.5, 1, 2, 2.5) if highest / (size * each) <= 5.001)
    return [round(step * i, 12) for i in range(math.ceil(highest / step - 1e-9) + 1)]


def powers_of_ten(lowest: float, highest: float) -> list[float]:
    """Return the powers of ten from at most `lowest` to at least `highest`."""
    return [10.0**n for n in range(math.floor(math.log10(lowest)), math.ceil(math.log10(highest)) + 1)]


def _reached(line: Line) -> list[float]:
    return [y for _, y in line.points] + [y for ends in line.intervals for y in ends]


def _mark(i: int, x: float, y: float) -> str:
    """Return a dot, square, triangle or diamond."""
    if i == 0:
        return f'<circle class="m0" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
    shape = {1: "m-4-4h8v8h-8z", 2: "m0-5l5 9h-10z", 3: "m0-5l5 5l-5 5l-5-5z"}[i]
    return f'<path class="m{i}" d="M{x:.1f} {y:.1f}{shape}"/>'


def _text(x: float, y: float, words: str, anchor: str = "middle") -> str:
    return f'<text class="ink" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
