"""Draws a board as SVG from the answers to its queries, so that layout and content can be judged without Grafana.

Places, titles, columns, colours and texts are those of the board's JSON; it is not how Grafana draws every line of it.
"""

from __future__ import annotations

import html
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Row = Mapping[str, Any]
COLUMN, LINE, GAP = 60.0, 34.0, 6.0
"""Width of a column of Grafana's grid, height of its rows, and what is left between panels, in pixels."""
LETTER = 6.3
PALETTE = ("#3274d9", "#b877d9", "#37872d", "#b8860b", "#0f766e", "#6b7280", "#8f3bb8", "#c05621")
STYLE = (
    "text{font:12px sans-serif;fill:#24292e}.title{font-weight:600}.head{fill:#5a6570;font-size:11px}"
    ".panel{fill:#fff;stroke:#d8dde3}.board{fill:#f4f5f5}.number{font-size:34px;font-weight:600;text-anchor:middle}"
    ".middle{text-anchor:middle}.line{fill:none;stroke-width:1.5}.axis{stroke:#d8dde3}"
)


@dataclass(frozen=True, slots=True)
class Box:
    """Where something is drawn, in pixels."""

    x: float
    y: float
    width: float
    height: float


def drawn(board: Mapping[str, Any], answers: Mapping[tuple[str, str], Sequence[Row]], now: datetime) -> str:
    """Return the picture of a board; `answers` has the rows of each panel's queries by title and letter."""
    panels = board["panels"]
    height = 50 + LINE * max(each["gridPos"]["y"] + each["gridPos"]["h"] for each in panels)
    body = [f'<rect class="board" width="{24 * COLUMN:g}" height="{height:g}"/>']
    body.append(_text(10, 22, f"{board['title']}: {board['description']}", "title"))
    body.append(_text(10, 40, f"{now:%Y-%m-%d %H:%M:%S} UTC, from {board['time']['from']}", "head"))
    for panel in panels:
        body += _panel(panel, [answers[panel["title"], target["refId"]] for target in panel["targets"]], now)
    size = f'width="{24 * COLUMN:g}" height="{height:g}" viewBox="0 0 {24 * COLUMN:g} {height:g}"'
    return "\n".join(
        [f'<svg xmlns="http://www.w3.org/2000/svg" {size}>', f"<style>{STYLE}</style>", *body, "</svg>", ""]
    )


def _panel(panel: Mapping[str, Any], answers: Sequence[Sequence[Row]], now: datetime) -> Iterator[str]:
    place = panel["gridPos"]
    box = Box(place["x"] * COLUMN + GAP / 2, 50 + place["y"] * LINE, place["w"] * COLUMN - GAP, place["h"] * LINE - GAP)
    yield f'<rect class="panel" x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}" rx="2"/>'
    yield _text(
        box.x + 8, box.y + 17, panel["title"] + (f" ({panel['timeFrom']})" if panel.get("timeFrom") else ""), "title"
    )
    inner = Box(box.x + 8, box.y + 26, box.width - 16, box.height - 32)
    defaults = panel["fieldConfig"]["defaults"]
    if not any(answers):
        yield _text(box.x + box.width / 2, box.y + box.height / 2, str(defaults.get("noValue", "No data")), "middle")
    elif panel["type"] == "table":
        yield from _table(panel, answers[0], inner, now)
    elif panel["type"] == "stat":
        yield from _number(defaults, answers[0][0], inner)
    else:
        yield from _course(panel, answers, inner)


def _table(panel: Mapping[str, Any], rows: Sequence[Row], box: Box, now: datetime) -> Iterator[str]:
    own = {
        each["matcher"]["options"]: {part["id"]: part["value"] for part in each["properties"]}
        for each in panel["fieldConfig"]["overrides"]
    }
    names = [name for name in rows[0] if not own.get(name, {}).get("custom.hidden")]
    fixed = {name: float(own[name]["custom.width"]) for name in names if "custom.width" in own.get(name, {})}
    rest = max(box.width - sum(fixed.values()), 0) / max(len(names) - len(fixed), 1)
    left = {}
    x = box.x
    for name in names:
        left[name] = x
        yield _text(x, box.y + 10, _cut(name, fixed.get(name, rest)), "head")
        x += fixed.get(name, rest)
    for number, row in enumerate(rows):
        y = box.y + 18 + number * 18
        if y + 18 > box.y + box.height:
            yield _text(box.x, box.y + box.height, f"… {len(rows) - number} more rows", "head")
            return
        said = [name for name in names if row[name] not in {None, ""}]
        for name in said if len(said) == 1 else names:
            width = fixed.get(name, rest)
            text, colour = _cell(row[name], own.get(name, {}), now)
            if colour:
                yield f'<rect x="{left[name]:g}" y="{y:g}" width="{width - 4:g}" height="16" fill="{colour}"/>'
            ink = f' style="fill:{_ink(colour)}"' if colour else ""
            # A sentence that is alone in its row is shown as a whole, as Grafana wraps it.
            room = box.x + box.width - left[name] if len(said) == 1 else width
            yield _text(left[name] + 2, y + 12, _cut(text, room), more=ink)


def _cell(value: Any, own: Mapping[str, Any], now: datetime) -> tuple[str, str]:
    """Return a cell's text and the colour behind it, empty for none."""
    if value is None or value == "":
        return "–", ""
    if isinstance(value, datetime):
        return (
            (_age((now - value).total_seconds()), "")
            if own.get("unit") == "dateTimeFromNow"
            else (f"{value:%m-%d %H:%M:%S}", "")
        )
    if own.get("unit") == "percentunit":
        return f"{value:.0%}", ""
    if isinstance(value, float):
        value = f"{value:.{own.get('decimals', 2)}f}"
    text, colour = _mapped(str(value), own.get("mappings", []))
    steps = own.get("thresholds", {}).get("steps", [{"color": ""}])
    return text, "" if (
        shown := colour or steps[0]["color"]
    ) == "transparent" or "custom.cellOptions" not in own else shown


def _mapped(text: str, mappings: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    for each in mappings:
        if each["type"] == "value" and text in each["options"]:
            return str(each["options"][text].get("text", text)), str(each["options"][text]["color"])
        if each["type"] == "regex" and re.match(each["options"]["pattern"], text):
            return text, str(each["options"]["result"]["color"])
    return text, ""


def _number(defaults: Mapping[str, Any], row: Row, box: Box) -> Iterator[str]:
    value, as_of = list(row.values())[:2]
    steps = defaults["thresholds"]["steps"]
    missing = next(each["options"]["result"] for each in defaults["mappings"] if each["type"] == "special")
    passed = [step["color"] for step in steps if value is not None and (step["value"] or 0) <= value]
    colour, text = (missing["color"], missing["text"]) if value is None else (passed[-1], f"{value:.4g}")
    if colour != "transparent":
        yield f'<rect x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}" fill="{colour}"/>'
    ink = f' style="fill:{_ink(colour)}"'
    yield _text(box.x + box.width / 2, box.y + box.height / 2 + 6, text, "number", ink)
    yield _text(box.x + box.width / 2, box.y + box.height - 8, str(as_of), "middle", ink)


def _course(panel: Mapping[str, Any], answers: Sequence[Sequence[Row]], box: Box) -> Iterator[str]:
    courses: dict[str, list[tuple[float, float | None]]] = defaultdict(list)
    tops = [_top(rows) for rows in answers]
    for rows, top in zip(answers, tops, strict=True):
        # The second query has an axis of its own, on the right.
        scale = 1.0 if panel["type"] == "state-timeline" else 1 / top
        for row in rows:
            value = None if row["value"] is None else row["value"] * scale
            courses[str(row["metric"])].append((row["time"].timestamp(), value))
    first = min(at for course in courses.values() for at, _ in course)
    span = max(max(at for course in courses.values() for at, _ in course) - first, 1.0)
    chart = Box(box.x + 40, box.y, box.width - 40, box.height - 20)
    if panel["type"] == "state-timeline":
        yield from _bands(panel, courses, first, span, Box(box.x, box.y, box.width, box.height))
        return
    yield _text(box.x, chart.y + 10, f"{tops[0]:.4g}", "head")
    yield _text(box.x, chart.y + chart.height, "0", "head")
    yield f'<path class="axis" d="M{chart.x:g} {chart.y + chart.height:g}h{chart.width:g}"/>'
    custom = panel["fieldConfig"]["defaults"].get("custom", {})
    for number, (name, course) in enumerate(list(courses.items())[: len(PALETTE)]):
        points = [
            (at, chart.x + (at - first) / span * chart.width, chart.y + chart.height * (1 - max(value, 0)))
            for at, value in course
            if value is not None
        ]
        if custom.get("drawStyle") == "bars":
            for _, x, y in points:
                bar = f"M{x:.1f} {chart.y + chart.height:g}V{y:.1f}"
                yield f'<path stroke="{PALETTE[number]}" stroke-width="3" d="{bar}"/>'
        elif points:
            yield f'<path class="line" stroke="{PALETTE[number]}" d="{_path(points, custom.get("spanNulls", False))}"/>'
        yield _text(
            box.x + number * box.width / 4,
            box.y + box.height,
            _cut(name, box.width / 4),
            "head",
            f' style="fill:{PALETTE[number]}"',
        )


def _top(rows: Sequence[Row]) -> float:
    return max((row["value"] for row in rows if row["value"] is not None), default=1.0) or 1.0


def _path(points: Sequence[tuple[float, float, float]], spanned: float | bool) -> str:
    """Return a line that breaks where nothing was read for longer than the panel spans."""
    steps = []
    for number, (at, x, y) in enumerate(points):
        gap = number == 0 or (spanned is not True and (at - points[number - 1][0]) * 1000 > (spanned or 0))
        steps.append(f"{'M' if gap else 'L'}{x:.1f} {y:.1f}")
    return "".join(steps)


def _bands(
    panel: Mapping[str, Any],
    courses: Mapping[str, Sequence[tuple[float, float | None]]],
    first: float,
    span: float,
    box: Box,
) -> Iterator[str]:
    mappings = panel["fieldConfig"]["defaults"]["mappings"]
    left = box.width * 0.35
    for number, (name, course) in enumerate(courses.items()):
        y = box.y + number * 18
        if y + 18 > box.y + box.height:
            return
        yield _text(box.x, y + 12, _cut(name, left))
        for (at, value), following in zip(course, [*(at for at, _ in course[1:]), first + span], strict=True):
            _, colour = _mapped(str(value), mappings)
            if colour in {"", "transparent"}:
                continue
            x, width = (
                box.x + left + (at - first) / span * (box.width - left),
                (following - at) / span * (box.width - left),
            )
            yield f'<rect x="{x:.1f}" y="{y:g}" width="{max(width, 1):.1f}" height="15" fill="{colour}"/>'


def _text(x: float, y: float, text: str, kind: str = "", more: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x:g}" y="{y:g}"{named}{more}>{html.escape(text)}</text>'


def _cut(text: str, width: float) -> str:
    letters = max(int(width / LETTER), 1)
    return text if len(text) <= letters else text[: letters - 1] + "…"


def _ink(colour: str) -> str:
    """Return the colour of letters that can be read on a ground."""
    if not colour.startswith("#"):
        return "#24292e"
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#24292e" if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else "#fff"


def _age(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if abs(seconds) >= length:
            return f"{abs(seconds) / length:.0f} {unit} {'ago' if seconds > 0 else 'ahead'}"
    return f"{abs(seconds):.0f} s {'ago' if seconds > 0 else 'ahead'}"
