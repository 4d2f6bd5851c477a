"""Plots as SVG, for figures that are committed: lines over a logarithmic x axis, a panel for each group."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 420, 260, 50, 40, 40
COLOURS = ("#1f5fa8", "#c2571a", "#3b7d3b")


@dataclass(frozen=True, slots=True)
class Line:
    """A named line through points (x, y)."""

    name: str
    points: Sequence[tuple[float, float]]


def plot(title: str, panels: Mapping[str, Sequence[Line]]) -> str:
    """Draw panels side by side; y begins at 0 and is the same for all."""
    top = max(y for lines in panels.values() for line in lines for _, y in line.points) * 1.15
    drawn = [_panel(i, name, lines, top) for i, (name, lines) in enumerate(panels.items())]
    size = f'width="{WIDTH * len(panels)}" height="{HEIGHT}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11">'
    back = '<rect width="100%" height="100%" fill="white"/>'
    return "\n".join([head, back, f'<text x="{LEFT}" y="20" font-size="14">{title}</text>', *drawn, "</svg>", ""])


def _panel(number: int, name: str, lines: Sequence[Line], top: float) -> str:
    left, right = number * WIDTH + LEFT, (number + 1) * WIDTH - 20
    base = HEIGHT - BOTTOM
    xs = sorted({x for line in lines for x, _ in line.points})
    span = math.log10(xs[-1] / xs[0]) or 1

    def place(x: float, y: float) -> tuple[float, float]:
        return left + (right - left) * math.log10(x / xs[0]) / span, base - (base - TOP) * y / top

    parts = [f'<path d="M{left} {TOP}V{base}H{right}" fill="none" stroke="#555"/>']
    parts += [_text(place(x, 0)[0], base + 15, f"{x:,.10g}") for x in xs]
    parts += [
        _text(left - 18, place(xs[0], top * i / 4)[1] + 4, f"{top * i / 4:.{0 if top > 8 else 2}f}") for i in range(5)
    ]
    parts.append(_text((left + right) / 2, base + 32, name))
    for row, (line, colour) in enumerate(zip(lines, COLOURS, strict=False)):
        dots = [place(x, y) for x, y in line.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in dots)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in dots]
        parts.append(_text((left + right) / 2, base - 0.55 * (base - TOP) + 14 * row, line.name, colour))
    return "\n".join(parts)


def _text(x: float, y: float, words: str, colour: str = "#333") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle" fill="{colour}">{words}</text>'
