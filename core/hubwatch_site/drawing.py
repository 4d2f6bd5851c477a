"""Draws the plan of a site as SVG: zones, doors, fences and sensors, and in red what is inconsistent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeGuard
from xml.sax.saxutils import escape, quoteattr

from hubwatch_core.config import Partial
from hubwatch_core.errors import Problem
from hubwatch_core.plain_text import one_line
from hubwatch_site import shapes
from hubwatch_site.model import MAX_METRES, HubSite, Plan, SensorPlace, Zone

MARGIN = 0.04
LINE_HEIGHT = 1.5
FONT_SHARE = 1 / 60
"""Height of a letter, as a share of the plan's longer side."""
STYLE = """
.ground { fill: #f7f7f5; stroke: #8a8a8a }
.zone { fill: #dfe6ee; stroke: #3d5a80 }
.zone.vital { fill: #c9d6e6; stroke-width: 2 }
.sensor { fill: #1d3557 }
.fence { fill: none; stroke: #1d3557; stroke-dasharray: 6 3 }
.wrong { fill: #f6c7c7; stroke: #b00020 }
.wrong-text { fill: #b00020 }
text { fill: #1b1b1b; font-family: sans-serif }
@media (prefers-color-scheme: dark) {
  .ground { fill: #1b1e23; stroke: #6f7680 }
  .zone { fill: #27323f; stroke: #8fb0d6 }
  .zone.vital { fill: #33475c }
  .sensor { fill: #cfe0f5 }
  .fence { stroke: #cfe0f5 }
  .wrong { fill: #5a2027; stroke: #ff8a8f }
  .wrong-text { fill: #ff8a8f }
  text { fill: #ececec }
}
"""


def draw(part: Partial[HubSite], problems: Sequence[Problem] = ()) -> str:
    """Return the plan as SVG. Entries that have a problem are red, and every problem is written below the plan."""
    plan = _plan(part)
    size = max(plan.width_m, plan.height_m) * FONT_SHARE
    wrong = {entry for problem in problems if (entry := _entry(problem.key)) is not None}
    body = [
        f'<rect class="ground" width="{plan.width_m:g}" height="{plan.height_m:g}"/>',
        *_zones(part, wrong, size),
        *_fences(part),
        *_sensors(part, wrong, size),
        *_problems(problems, plan, size),
    ]
    margin = max(plan.width_m, plan.height_m) * MARGIN
    height = plan.height_m + len(problems) * size * LINE_HEIGHT
    box = f"{-margin:g} {-margin:g} {plan.width_m + 2 * margin:g} {height + 2 * margin:g}"
    title = escape(_title(part))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" role="img" font-size="{size:g}">'
        f"<title>{title}</title><style>{STYLE}</style>" + "".join(body) + "</svg>\n"
    )


def _plan(part: Partial[HubSite]) -> Plan:
    """Return the plan, or one that all points fit on, as far as a plan may go."""
    plan: Plan | None = part.get("plan")
    if plan is not None:
        return plan
    zones, places = part.entries("zones"), part.entries("sensors")
    points = [corner for _, zone in zones for corner in zone.outline] + [at for _, each in places if (at := each.at)]
    width, height = (min(MAX_METRES, max([1.0, *(point[i] for point in points)])) for i in (0, 1))
    return Plan(width_m=width, height_m=height)


def _title(part: Partial[HubSite]) -> str:
    hub = part.get("hub")
    return "Plan" if hub is None else f"Plan of {hub.name}"


def _zones(part: Partial[HubSite], wrong: set[tuple[str, int]], size: float) -> Iterator[str]:
    for i, zone in part.entries("zones"):
        if zone.outline:
            yield from _zone(zone, "wrong" if ("zones", i) in wrong else "zone", size)
    for _, broken in part.every("zones"):
        outline = broken.values.get("outline", ())
        if broken.valid is None and _is_points(outline):
            yield _polygon("wrong", outline)


def _zone(zone: Zone, kind: str, size: float) -> Iterator[str]:
    vital = " vital" if zone.criticality == 3 else ""
    x, y = shapes.centre(zone.outline)
    yield _polygon(kind + vital, zone.outline)
    yield _text(zone.name or zone.id, x, y, size, anchor="middle")


def _fences(part: Partial[HubSite]) -> Iterator[str]:
    """Yield each line through the places of its sensors, in order."""
    places: dict[str, SensorPlace] = {place.id: place for _, place in part.entries("sensors")}
    for _, fence in part.entries("fences"):
        found = [places[each.sensor].at for each in fence.sections if each.sensor in places]
        points = [at for at in found if at is not None]
        if len(points) > 1:
            yield f'<polyline class="fence" points="{_points(points)}"/>'


def _sensors(part: Partial[HubSite], wrong: set[tuple[str, int]], size: float) -> Iterator[str]:
    doors = {door.sensor for _, door in part.entries("doors")}
    for i, place in part.entries("sensors"):
        if place.at is None:
            continue
        x, y = place.at
        kind, half = "wrong" if ("sensors", i) in wrong else "sensor", size / 2
        if place.id in doors:
            yield f'<rect class="{kind}" x="{x - half:g}" y="{y - half:g}" width="{size:g}" height="{size:g}"/>'
        else:
            yield f'<circle class="{kind}" cx="{x:g}" cy="{y:g}" r="{half:g}"/>'
        yield _text(place.label or place.id, x + size, y + size / 3, size * 0.8)


def _problems(problems: Sequence[Problem], plan: Plan, size: float) -> Iterator[str]:
    for line, problem in enumerate(problems, 1):
        text = f"{problem.key}: {problem.message}" if problem.key else problem.message
        yield _text(text, 0, plan.height_m + line * size * LINE_HEIGHT, size, kind="wrong-text")


def _polygon(kind: str, corners: Sequence[Any]) -> str:
    return f'<polygon class="{kind}" points="{_points(corners)}"/>'


def _points(corners: Sequence[Any]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in corners)


def _text(text: str, x: float, y: float, size: float, *, anchor: str = "start", kind: str = "label") -> str:
    at = f'class="{kind}" x="{x:g}" y="{y:g}" font-size="{size:g}" text-anchor={quoteattr(anchor)}'
    return f"<text {at}>{escape(one_line(text))}</text>"


def _is_points(value: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, list | tuple) and all(
        isinstance(each, list | tuple) and len(each) == 2 and all(isinstance(n, int | float) for n in each)
        for each in value
    )


def _entry(key: str) -> tuple[str, int] | None:
    """Return the entry of an array that a key is inside: `zones[3].outline` is in ("zones", 3)."""
    kind, _, rest = key.partition("[")
    index, closed, _ = rest.partition("]")
    return (kind, int(index)) if closed and index.isdigit() else None
