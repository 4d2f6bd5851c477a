"""Draws where the alarms of an incident are, in the order in which they began, with the way from one to the next. Pure.

A template shows it by including `incident_map.html` with `map`, which `incident_map` returns. Only what intruders and
vehicles set off is on the way: a silent sensor does not move.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import dist

from markupsafe import Markup

from hubwatch_console.pages import words
from hubwatch_console.pages.rendering import Page, span
from hubwatch_core.clock import SECOND_US
from hubwatch_core.plain_text import one_line
from hubwatch_site import HubSite, shapes
from hubwatch_site.model import Plan

Point = tuple[float, float]
MOST_PLACES = 30
ROOM = 0.35
"""What is shown around the places, as a share of how far they lie apart."""
STANDS = ("integrity.", "power.", "process.")
"""Types of alarms that nobody sets off by passing."""
SLOWEST_M_S = 0.1
LEAST_SHOWN = 0.2
"""The least that is shown, as a share of the plan."""


@dataclass(frozen=True, slots=True)
class MappedAlarm:
    """An alarm of an incident as far as its map needs it."""

    id: int
    type: str
    sensor: str
    zone: str | None
    opened: int
    priority: int
    exercise: int | None = None


@dataclass(frozen=True, slots=True)
class MapStep:
    """The way from the place of an alarm to that of the next one, for those who do not see the drawing."""

    number: int
    from_: str
    to: str
    metres: float
    after: str
    speed_m_s: float | None


@dataclass(frozen=True, slots=True)
class IncidentMap:
    """The drawing, the ways in words, and the alarms whose place is not known."""

    title: str
    drawn: Markup
    steps: Sequence[MapStep]
    unplaced: Sequence[str]


def incident_map(
    site: HubSite | None, alarms: Iterable[MappedAlarm], page: Page, *, moves: bool = True
) -> IncidentMap | None:
    """Return the map of some alarms; None where the place of none is known. Not `moves`: only where they are."""
    if site is None or site.plan is None:
        return None
    at = _places(site)
    ordered = sorted(alarms, key=lambda each: (each.opened, each.id))
    first: dict[str, MappedAlarm] = {}
    for each in ordered:
        first.setdefault(each.sensor, each)
    placed: list[tuple[MappedAlarm, Point]] = []
    unplaced = []
    for each in first.values():
        point = at.get(each.sensor) or at.get(f"zone {each.zone}")
        if point is None:
            unplaced.append(each.sensor)
        elif len(placed) < MOST_PLACES:
            placed.append((each, point))
    if not placed:
        return None
    passed = [(each, point) for each, point in placed if moves and not each.type.startswith(STANDS)]
    ways = [(here, there) for (_, here), (_, there) in pairwise(passed)]
    title = page.text("Where it was, in order") if moves else page.text("On the plan, within 10 min")
    return IncidentMap(
        title, _drawing(site, site.plan, placed, ways, title, page), _steps(passed), unplaced[:MOST_PLACES]
    )


def _places(site: HubSite) -> dict[str, Point]:
    zones = {f"zone {zone.id}": shapes.centre(zone.outline) for zone in site.zones if zone.outline}
    return zones | {place.id: place.at for place in site.sensors if place.at is not None}


def _steps(placed: Sequence[tuple[MappedAlarm, Point]]) -> list[MapStep]:
    found = []
    for number, ((one, here), (other, there)) in enumerate(pairwise(placed), 1):
        metres, took_s = dist(here, there), (other.opened - one.opened) / SECOND_US
        # Alarms of one moment are of one cause and not of one walk.
        speed = metres / took_s if took_s >= 1.0 and metres >= SLOWEST_M_S * took_s else None
        found.append(MapStep(number, one.sensor, other.sensor, metres, span(other.opened - one.opened), speed))
    return found


def _drawing(
    site: HubSite,
    plan: Plan,
    placed: Sequence[tuple[MappedAlarm, Point]],
    ways: Sequence[tuple[Point, Point]],
    title: str,
    page: Page,
) -> Markup:
    x0, y0, width, height = _shown(plan, [point for _, point in placed])
    size = max(width, height) / 60
    body = [
        Markup('<rect class="ground" x="{}" y="{}" width="{}" height="{}"/>').format(*map(_n, (x0, y0, width, height)))
    ]
    for zone in site.zones:
        if zone.outline:
            corners = " ".join(f"{x:g},{y:g}" for x, y in zone.outline)
            body.append(Markup('<g class="zone plain"><polygon points="{}"/></g>').format(corners))
    for zone in site.zones:
        if zone.outline and _inside(at := _corner(zone.outline, size), (x0, y0, width, height)):
            name = one_line(zone.name or zone.id)[:30]
            body.append(Markup('<text class="clear far" x="{}" y="{}">{}</text>').format(*map(_n, at), name))
    body += [_arrow(here, there, size) for here, there in ways]
    body += [_mark(number, each, point, size, page) for number, (each, point) in enumerate(placed, 1)]
    return Markup(
        '<svg class="plan map" role="group" viewBox="{} {} {} {}" aria-label="{}" font-size="{}">'
        "<title>{}</title>{}</svg>"
    ).format(*map(_n, (x0, y0, width, height)), title, _n(size), title, Markup("").join(body))


def _mark(number: int, alarm: MappedAlarm, at: Point, size: float, page: Page) -> Markup:
    word = page.text(words.PRIORITY[alarm.priority])
    said = f"{page.text('EXERCISE')}: {word}" if alarm.exercise is not None else word
    x, y = at
    return Markup(
        '<a href="{}"><g class="sensor p{}"><title>{} {}: {}</title><circle cx="{}" cy="{}" r="{}"/>'
        '<text class="count" x="{}" y="{}" text-anchor="middle">{}</text></g>'
        '<text class="clear" x="{}" y="{}" text-anchor="middle">{}</text></a>'
    ).format(
        page.path(f"/alarms/{alarm.id}"), int(alarm.priority), number, one_line(alarm.sensor), said, _n(x), _n(y),
        _n(size), _n(x), _n(y + size * 0.36), number, _n(x), _n(y + size * 2.3), one_line(alarm.sensor)[:24],
    )  # fmt: skip


def _arrow(here: Point, there: Point, size: float) -> Markup:
    """Return a line that ends before the next mark, with a head; nothing between places that are one."""
    far = dist(here, there)
    if far < size * 2.4:
        return Markup("")
    ux, uy = (there[0] - here[0]) / far, (there[1] - here[1]) / far
    sx, sy = here[0] + ux * size * 1.15, here[1] + uy * size * 1.15
    tx, ty = there[0] - ux * size * 1.15, there[1] - uy * size * 1.15
    bx, by = tx - ux * size, ty - uy * size
    head = [(tx, ty), (bx - uy * size * 0.5, by + ux * size * 0.5), (bx + uy * size * 0.5, by - ux * size * 0.5)]
    return Markup('<line class="way" x1="{}" y1="{}" x2="{}" y2="{}"/><polygon class="wayhead" points="{}"/>').format(
        *map(_n, (sx, sy, bx, by)), " ".join(f"{_n(x)},{_n(y)}" for x, y in head)
    )


def _shown(plan: Plan, points: Sequence[Point]) -> tuple[float, float, float, float]:
    """Return what part of the plan is shown: the places with some room, twice as wide as high."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    whole = max(plan.width_m, plan.height_m)
    across = max(max(xs) - min(xs), 2 * (max(ys) - min(ys)), whole * LEAST_SHOWN)
    width = across * (1 + 2 * ROOM)
    height = width / 2
    return (max(xs) + min(xs) - width) / 2, (max(ys) + min(ys) - height) / 2, width, height


def _corner(outline: Sequence[Point], size: float) -> Point:
    """Return where the name of a zone begins: in the corner above on the left, away from its sensors."""
    return min(cx for cx, _ in outline) + size * 0.4, min(cy for _, cy in outline) + size * 1.2


def _inside(point: Point, box: tuple[float, float, float, float]) -> bool:
    x0, y0, width, height = box
    return x0 < point[0] < x0 + width and y0 < point[1] < y0 + height


def _n(number: float) -> str:
    return f"{number:.6g}"
