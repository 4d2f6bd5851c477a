"""Plots of findings, in the terminal and as SVG: the series of an evidence, and what detections were worth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, ROW, LEFT, TOP = 640, 90, 170, 40
BLOCKS = "▁▂▃▄▅▆▇█"
INK, LINE, AXIS = "#222", "#1f5fa8", "#888"
MIN_POINTS = 4
"""Shorter lists are no series."""
MAX_SERIES = 8


def series_of(evidence: Mapping[str, object]) -> dict[str, list[float]]:
    """Return the series of numbers in an evidence, also those one level deeper, by name; at most 8."""
    found: dict[str, list[float]] = {}
    for name, value in evidence.items():
        inner = value.items() if isinstance(value, Mapping) else [("", value)]
        for part, candidate in inner:
            numbers = _numbers(candidate)
            if len(numbers) >= MIN_POINTS and len(found) < MAX_SERIES:
                found[f"{name} {part}".strip()] = numbers
    return found


def _numbers(value: object) -> list[float]:
    """Return the numbers of a list that holds nothing else."""
    if not isinstance(value, list | tuple):
        return []
    numbers = [float(each) for each in value if isinstance(each, int | float) and math.isfinite(each)]
    return numbers if len(numbers) == len(value) else []


def in_blocks(numbers: Sequence[float], width: int = 60) -> str:
    """Return a series as one line of blocks, each the highest of what it stands for."""
    step = max(1, math.ceil(len(numbers) / width))
    highest = [max(numbers[i : i + step]) for i in range(0, len(numbers), step)]
    low, high = min(highest), max(highest)
    scale = (len(BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(BLOCKS[round((each - low) * scale)] for each in highest)


def drawn(title: str, sentence: str, series: Mapping[str, Sequence[float]]) -> str:
    """Return series as SVG, one below the other."""
    rows = [_row(number, name, numbers) for number, (name, numbers) in enumerate(series.items())]
    return _picture(title, sentence, rows, ROW * max(1, len(rows)))


def _row(number: int, name: str, numbers: Sequence[float]) -> str:
    top, low, high = TOP + 20 + number * ROW, min(numbers), max(numbers)
    span, height = high - low or 1.0, ROW - 30
    step = (WIDTH - LEFT - 20) / max(1, len(numbers) - 1)
    points = " ".join(f"{LEFT + i * step:.1f},{top + height * (high - y) / span:.1f}" for i, y in enumerate(numbers))
    return (
        f'<polyline points="{points}" fill="none" stroke="{LINE}" stroke-width="2"/>'
        + _text(LEFT - 12, top + height / 2, name, end=True)
        + _text(LEFT - 12, top + 6, f"{high:g}", end=True, ink=AXIS)
        + _text(LEFT - 12, top + height, f"{low:g}", end=True, ink=AXIS)
    )


def shares(title: str, sentence: str, rows: Mapping[str, tuple[float, float, float]]) -> str:
    """Return a bar for each share between 0 and 1, with its interval, as SVG."""
    step, width = 30, WIDTH - LEFT - 60
    parts = []
    for number, (name, (share, low, high)) in enumerate(rows.items()):
        y = TOP + 30 + number * step
        parts.append(_text(LEFT - 12, y + 11, name, end=True))
        if math.isfinite(share):
            parts.append(f'<rect x="{LEFT}" y="{y}" width="{width * share:.1f}" height="14" fill="{LINE}"/>')
        ends = f'x1="{LEFT + width * low:.1f}" x2="{LEFT + width * high:.1f}"'
        parts.append(f'<line {ends} y1="{y + 7}" y2="{y + 7}" stroke="{INK}" stroke-width="2"/>')
        parts.append(_text(WIDTH - 50, y + 11, f"{share:.2f}" if math.isfinite(share) else "–"))
    return _picture(title, sentence, parts, step * len(rows) + 20)


def _picture(title: str, sentence: str, parts: Sequence[str], height: int) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{TOP + height + 20}" font-family="sans-serif"'
    )
    return "\n".join(
        [
            f'{head} font-size="11">',
            '<rect width="100%" height="100%" fill="white"/>',
            f'<text x="12" y="20" font-size="14" fill="{INK}">{escape(title)}</text>',
            f'<text x="12" y="38" fill="{AXIS}">{escape(sentence)}</text>',
            *parts,
            "</svg>",
            "",
        ]
    )


def _text(x: float, y: float, words: str, *, end: bool = False, ink: str = INK) -> str:
    anchor = ' text-anchor="end"' if end else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{ink}"{anchor}>{escape(words)}</text>'
