"""Evidence drawn as SVG by the server: profiles with what was expected, what a door said, the sections of a fence.

Colours come from the stylesheet by class, so that a drawing is right in light and dark and for who sees no colours:
lines differ in their dashes, marks in their shapes. Every text is escaped.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeGuard

from markupsafe import Markup

from hubwatch_core.plain_text import one_line

WIDTH, HEIGHT = 720, 220
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 12, 34
MOST_POINTS = 2_000
MOST_SERIES = 4
MOST_MARKS = 120
MOST_LINES = 8
LARGEST = 1e300
"""Beyond it numbers have no scale any more."""


@dataclass(frozen=True, slots=True)
class DrawnLine:
    """A line of a drawing: its class says what it is, its name stands in the legend."""

    kind: str
    name: str
    points: Sequence[tuple[float, float]]


def profile_of(evidence: Mapping[str, Any], names: Mapping[str, str]) -> list[DrawnLine]:
    """Return the lines of a portal's profile: counts, what a vehicle without a source leaves, and the background."""
    profile = evidence.get("profile")
    if not isinstance(profile, Mapping):
        return []
    t, counts, model = (_numbers(profile.get(name)) for name in ("t_s", "counts", "without_source"))
    if not t or len(t) != len(counts):
        return []
    lines = [DrawnLine("seen", names["seen"], list(zip(t, counts, strict=True)))]
    if len(model) == len(t):
        lines.append(DrawnLine("model", names["model"], list(zip(t, model, strict=True))))
    background = evidence.get("background")
    if is_number(background) and sum(counts) > 0:
        level = float(background) / len(t)
        # The background is of the same passage as the counts, and the drawing has one point for each of its parts.
        lines.append(DrawnLine("background", names["background"], [(t[0], level), (t[-1], level)]))
    return lines


def series_of(evidence: Mapping[str, Any]) -> list[DrawnLine]:
    """Return the series of numbers that an evidence holds, against their own order."""
    found: list[DrawnLine] = []
    for name, value in evidence.items():
        numbers = _numbers(value)
        if len(numbers) > 2 and len(found) < MOST_SERIES:
            found.append(DrawnLine(f"series{len(found)}", one_line(str(name))[:40], list(enumerate(numbers))))
    return found


def threshold_of(evidence: Mapping[str, Any]) -> float | None:
    """Return the limit that a series was held to, where an evidence says one."""
    for name in ("threshold", "limit", "high"):
        value = evidence.get(name)
        if is_number(value):
            return float(value)
    return None


def lines(
    title: str, drawn: Sequence[DrawnLine], *, unit: str = "", across: str = "", limit: tuple[str, float] | None = None
) -> Markup:
    """Return lines over one another with their axes and legend; nothing when there is nothing to draw."""
    points = [point for line in drawn for point in line.points]
    if not points:
        return Markup("")
    xs = [x for x, _ in points]
    ys = [y for _, y in points] + ([] if limit is None else [limit[1]])
    left, right = min(xs), max([*xs, min(xs) + 1e-9])
    low, high = min(0.0, *ys), max([*ys, 1e-9]) * 1.08
    at_x = _scale(left, right, LEFT, WIDTH - RIGHT)
    at_y = _scale(low, high, HEIGHT - BOTTOM, TOP)
    body = [*_grid(low, high, at_y), *_ticks(left, right, at_x, across)]
    legend = []
    for line in drawn:
        path = " ".join(f"{at_x(x):.1f},{at_y(y):.1f}" for x, y in line.points[:MOST_POINTS])
        body.append(Markup('<polyline class="line {}" points="{}"/>').format(line.kind, path))
        legend.append((line.kind, line.name))
    if limit is not None:
        y = f"{at_y(limit[1]):.1f}"
        body.append(
            Markup('<line class="line limit" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(LEFT, WIDTH - RIGHT, y, y)
        )
        legend.append(("limit", limit[0]))
    text = Markup('<text class="axis" x="{}" y="{}">{}</text>').format(LEFT + 4, TOP + 12, unit) if unit else Markup("")
    return _drawing(title, HEIGHT, [*body, text]) + _legend(legend)


def timeline(title: str, rows: Sequence[tuple[str, Sequence[tuple[datetime, str]]]], since: datetime,
             until: datetime, mark: datetime | None = None) -> Markup:  # fmt: skip
    """Return rows of marks over time: each row its name, each mark its moment and what it was."""
    if not rows:
        return Markup("")
    wide = LEFT + 110
    whole_s = max((until - since).total_seconds(), 1e-3)
    at = _scale(0.0, whole_s, wide, WIDTH - RIGHT)
    body: list[Markup] = []
    for number, (name, marks) in enumerate(rows):
        y = TOP + 12 + number * 26
        body.append(Markup('<line class="rule" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(wide, WIDTH - RIGHT, y, y))
        body.append(Markup('<text class="name" x="0" y="{}">{}</text>').format(y + 4, one_line(name)[:24]))
        for moment, what in marks[:MOST_MARKS]:
            x = at((moment - since).total_seconds())
            body.append(
                Markup('<circle class="mark" cx="{}" cy="{}" r="6"><title>{}</title></circle>').format(
                    f"{x:.1f}", y, one_line(what)
                )
            )
    height = TOP + 12 + len(rows) * 26 + 20
    if mark is not None:
        x = f"{at((mark - since).total_seconds()):.1f}"
        body.append(Markup('<line class="moment" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(x, x, TOP - 6, height - 22))
    for share in (0.0, 0.5, 1.0):
        seconds = whole_s * share
        before = seconds - ((mark or since) - since).total_seconds()
        body.append(
            Markup('<text class="axis" x="{}" y="{}" text-anchor="{}">{:+.0f} s</text>').format(
                f"{at(seconds):.1f}", height - 4, "end" if share == 1.0 else "middle", before
            )
        )
    return _drawing(title, height, body)


def fence(title: str, sections: Sequence[Mapping[str, Any]], alarms: Mapping[str, Sequence[float]]) -> Markup:
    """Return the sections along each line in order, those that alarmed filled, each with when, in seconds."""
    by_line: dict[int, list[Mapping[str, Any]]] = {}
    for section in sections:
        by_line.setdefault(section["fence"], []).append(section)
    if not any(each["sensor"] in alarms for each in sections):
        return Markup("")
    # The lines behind are where whoever crosses comes next.
    wanted = dict(sorted(by_line.items())[:MOST_LINES])
    body: list[Markup] = []
    for row, (number, found) in enumerate(wanted.items()):
        whole = max(each["to_m"] for each in found)
        at, y = _scale(0.0, max(whole, 1e-9), 60, WIDTH - RIGHT), TOP + row * 76
        body.append(Markup('<text class="name" x="0" y="{}">{}</text>').format(y + 28, f"# {number + 1}"))
        for each in found:
            x, end = at(each["from_m"]), at(each["to_m"])
            times = alarms.get(each["sensor"], ())
            kind = "section alarmed" if each["sensor"] in alarms else "section"
            body.append(
                Markup('<rect class="{}" x="{}" y="{}" width="{}" height="24"/>').format(
                    kind, f"{x:.1f}", y + 12, f"{max(end - x - 2, 2):.1f}"
                )
            )
            middle = f"{(x + end) / 2:.1f}"
            body.append(
                Markup('<text class="label" x="{}" y="{}" text-anchor="middle">{}</text>').format(
                    middle, y + 50, one_line(each["sensor"])[:16]
                )
            )
            if times:
                said = ", ".join(f"{t:+.1f} s" for t in times[:3])
                body.append(
                    Markup('<text class="label strong" x="{}" y="{}" text-anchor="middle">{}</text>').format(
                        middle, y + 64, said
                    )
                )
    return _drawing(title, TOP + len(wanted) * 76, body)


def _drawing(title: str, height: float, body: Iterable[Markup]) -> Markup:
    return Markup(
        '<svg class="drawing" role="img" viewBox="0 0 {} {}" aria-label="{}"><title>{}</title>{}</svg>'
    ).format(WIDTH, f"{height:g}", title, title, Markup("").join(body))


def odds(title: str, found: tuple[str, float], allowed: tuple[str, float]) -> Markup:
    """Return how seldom a finding is by chance, against what is allowed, each with its words: a power of ten a step."""
    powers = [-math.log10(max(chance, 1e-300)) for _, chance in (found, allowed)]
    at = _scale(0.0, max(*powers, 3.0) * 1.12, 8, WIDTH - RIGHT)
    (found_x, limit_x), y = (f"{at(power):.1f}" for power in powers), 40
    body = [
        Markup('<rect class="bar" x="8" y="{}" width="{}" height="22"/>').format(y, f"{float(found_x) - 8:.1f}"),
        Markup('<line class="line limit" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(limit_x, limit_x, y - 10, y + 32),
        Markup('<text class="strong" x="{}" y="{}" text-anchor="middle">{}</text>').format(
            max(float(limit_x), 90.0), y - 16, allowed[0]
        ),
        Markup('<text class="name" x="{}" y="{}" text-anchor="end">{}</text>').format(
            max(float(found_x), 200.0), y + 40, found[0]
        ),
    ]  # fmt: skip
    return _drawing(title, 90, body)


def _legend(entries: Sequence[tuple[str, str]]) -> Markup:
    keys = [
        Markup(
            '<li><svg class="key" viewBox="0 0 30 10" aria-hidden="true">'
            '<line class="line {}" x1="0" x2="30" y1="5" y2="5"/></svg> {}</li>'
        ).format(kind, name)
        for kind, name in entries
    ]
    return Markup('<ul class="legend">{}</ul>').format(Markup("").join(keys))


def _grid(low: float, high: float, at_y: Any) -> list[Markup]:
    found = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        value = low + (high - low) * share
        y = f"{at_y(value):.1f}"
        found.append(Markup('<line class="rule" x1="{}" x2="{}" y1="{}" y2="{}"/>').format(LEFT, WIDTH - RIGHT, y, y))
        found.append(
            Markup('<text class="axis" x="{}" y="{}" text-anchor="end">{}</text>').format(LEFT - 6, y, f"{value:.3g}")
        )
    return found


def _ticks(left: float, right: float, at_x: Any, across: str) -> list[Markup]:
    found = []
    for share in (0.0, 0.5, 1.0):
        value = left + (right - left) * share
        text = f"{value:.3g} {across}".strip()
        anchor = {0.0: "start", 0.5: "middle", 1.0: "end"}[share]
        found.append(
            Markup('<text class="axis" x="{}" y="{}" text-anchor="{}">{}</text>').format(
                f"{at_x(value):.1f}", HEIGHT - 12, anchor, text
            )
        )
    return found


def _scale(low: float, high: float, start: float, end: float) -> Any:
    share = (end - start) / (high - low) if high > low else 0.0
    return lambda value: start + (value - low) * share


def _numbers(value: object) -> list[float]:
    if not isinstance(value, list):
        return []
    good = [float(each) for each in value[:MOST_POINTS] if is_number(each)]
    return good if len(good) == len(value[:MOST_POINTS]) else []


def is_chance(value: object) -> TypeGuard[int | float]:
    """Return whether a value is a probability that can be drawn."""
    return is_number(value) and 0 < value <= 1


def is_number(value: object) -> TypeGuard[int | float]:
    """Return whether a value can be drawn: JSON has numbers that are none of a drawing."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST
