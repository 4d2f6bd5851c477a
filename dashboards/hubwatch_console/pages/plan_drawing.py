"""Draws the plan of a hub with live state: zones by what is wrong in them, sensors by what they say, BLIND in words."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock

from markupsafe import Markup

from hubwatch_console.pages import plan_labels, words
from hubwatch_console.pages.plan_labels import LabelPlace, MarksByPlace
from hubwatch_console.pages.rendering import Page, outline_of
from hubwatch_console.pages.sight import SensorSight
from hubwatch_core.plain_text import one_line
from hubwatch_site import HubSite, shapes
from hubwatch_site.model import Zone

Point = tuple[float, float]
MARGIN = 0.04
HATCHES = Markup(
    '<defs><pattern id="hatch" width="1.6" height="1.6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<line class="hatch" x1="0" x2="0" y1="0" y2="1.6"/></pattern></defs>'
)
"""Over what is not seen, so that it is not taken for an alarm of low priority by who sees no colours."""
LETTER = 1 / 80
"""Height of a letter, as a share of the plan's longer side."""


MOST_KEPT = 8
"""Plans of which it is kept where words stand."""
MOST_PLACES = 50_000
"""Places that are kept of one plan: of each zone, for each state in each language."""


class LabelsOfSite:
    """Where the words of the zones of a site stand; each is sought once."""

    def __init__(self, site: HubSite) -> None:
        self.site = site
        self.width, self.height = _extent(site)
        self.size = max(self.width, self.height) * LETTER
        self._marks = MarksByPlace([place.at for place in site.sensors if place.at is not None], self.size)
        outlined = sum(bool(zone.outline) for zone in site.zones)
        self._most = min(plan_labels.MOST_NEAR, plan_labels.MOST_OVERALL // max(1, outlined))
        self._places: dict[tuple[str, str], LabelPlace] = {}

    def place(self, zone: Zone, name: str, said: str) -> LabelPlace:
        """Return where a zone's name and state stand."""
        found = self._places.get((zone.id, said))
        if found is None:
            if len(self._places) >= MOST_PLACES:
                self._places.clear()
            near = self._marks.near(plan_labels.around(zone.outline), self._most)
            found = self._places[zone.id, said] = plan_labels.place(zone.outline, name, said, near, self.size)
        return found


_kept: OrderedDict[str, LabelsOfSite] = OrderedDict()
_keeping = Lock()


def labels_of(site: HubSite) -> LabelsOfSite:
    """Return where words stand on the plan of a site, anew once another version of it is in force."""
    with _keeping:
        found = _kept.get(site.hub.id)
        if found is None or found.site is not site:
            found = _kept[site.hub.id] = LabelsOfSite(site)
        _kept.move_to_end(site.hub.id)
        while len(_kept) > MOST_KEPT:
            _kept.popitem(last=False)
        return found


def draw_plan(
    site: HubSite, found: Sequence[SensorSight], page: Page, *, known: bool, picture: str | None = None
) -> Markup:
    """Return the plan as SVG; nothing where the site has neither outlines nor places. Not `known`: all of it grey.

    `picture` is the address of what lies behind it. A large plan takes a while, so not in the loop.
    """
    by_sensor = {each.sensor: each for each in found}
    by_zone: dict[str | None, list[SensorSight]] = {}
    for each in found:
        by_zone.setdefault(each.zone, []).append(each)
    if not any(zone.outline for zone in site.zones) and all(place.at is None for place in site.sensors):
        return Markup("")
    places = labels_of(site)
    width, height, size = places.width, places.height, places.size
    body = [Markup('<rect class="ground" width="{}" height="{}"/>').format(f"{width:g}", f"{height:g}")]
    if picture is not None:
        body.append(
            Markup('<image href="{}" width="{}" height="{}" preserveAspectRatio="none"/>').format(
                picture, f"{width:g}", f"{height:g}"
            )
        )
    body += _joined(site)
    # Names stand over what they must cover: they must be read.
    labels: list[Markup] = []
    for zone in site.zones:
        if zone.outline:
            drawn, label = _zone(zone, by_zone.get(zone.id, ()), places, page, known=known)
            body.append(drawn)
            labels.append(label)
    for place in site.sensors:
        if place.at is not None:
            body.append(_sensor(place.at, place.label or place.id, by_sensor.get(place.id), size, page, known=known))
    margin = max(width, height) * MARGIN
    box = f"{-margin:g} {-margin:g} {width + 2 * margin:g} {height + 2 * margin:g}"
    title = page.text("Plan")
    kind = "plan" if picture is None else "plan pictured"
    return Markup(
        '<svg class="{}" role="group" viewBox="{}" aria-label="{}" font-size="{}"><title>{}</title>{}{}</svg>'
    ).format(kind, box, title, f"{size:g}", title, HATCHES, Markup("").join([*body, *labels]))


def _joined(site: HubSite) -> list[Markup]:
    """Return a line between each two zones that a path or a door joins."""
    at = {zone.id: shapes.centre(zone.outline) for zone in site.zones if zone.outline}
    pairs = [(path.from_, path.to) for path in site.paths] + [(door.from_, door.to) for door in site.doors]
    seen = dict.fromkeys(tuple(sorted(pair)) for pair in pairs if pair[0] in at and pair[1] in at)
    return [
        Markup('<line class="joined" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(
            *(f"{n:g}" for n in (*at[one], *at[other]))
        )
        for one, other in seen
    ]


def _zone(
    zone: Zone, inside: Sequence[SensorSight], places: LabelsOfSite, page: Page, *, known: bool
) -> tuple[Markup, Markup]:
    blind = bool(inside) and all(each.cause is not None for each in inside)
    worst = min(
        ((each.exercise is not None, each.priority) for each in inside if each.priority is not None), default=None
    )
    if not known or not inside:
        kind, said = "unknown", page.text("NOT KNOWN") if not known else page.text("no sensor")
    elif blind:
        kind, said = "blind", page.text("BLIND")
    elif worst is not None:
        kind, said = f"p{worst[1]}", _priority(worst[1], page, made_up=worst[0])
    else:
        kind, said = "seen", page.text("seen")
    unseen = sum(each.cause is not None for each in inside)
    if unseen and known and not blind:
        said = f"{said} · {unseen} {page.text('BLIND')}"
    elif blind and known and worst is not None:
        said = f"{said} · {_priority(worst[1], page, made_up=worst[0])}"
    corners = " ".join(f"{cx:g},{cy:g}" for cx, cy in zone.outline)
    polygon = Markup('<polygon points="{}"/>').format(corners)
    if kind in {"blind", "unknown"}:
        polygon += Markup('<polygon class="hatched" points="{}"/>').format(corners)
    name = one_line(zone.name or zone.id)
    text = _label(places.place(zone, name, said), name, said)
    group = Markup('<g class="zone {}">{}</g>')
    return group.format(kind, polygon), group.format(kind, text)


def _label(where: LabelPlace, name: str, said: str) -> Markup:
    x, y, size = (f"{n:.4g}" for n in (where.x, where.y, where.size))
    turned = Markup(' transform="rotate(-90 {} {})"').format(x, y) if where.turned else ""
    feet = [f"{where.y + where.baseline(line):.5g}" for line in range(where.lines)]
    line = Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>')
    if where.lines == 1:
        words_of_it = Markup('{} <tspan class="state">{}</tspan>').format(name, said)
        inside = line.format(x, feet[0], words_of_it)
    else:
        inside = line.format(x, feet[0], name) + Markup(
            '<text class="state" x="{}" y="{}" text-anchor="middle">{}</text>'
        ).format(x, feet[1], said)
    return Markup('<g class="label" font-size="{}"{}>{}</g>').format(size, turned, inside)


def _extent(site: HubSite) -> Point:
    """Return how wide and high a plan is, where anything stands on it."""
    if site.plan:
        return site.plan.width_m, site.plan.height_m
    points = [corner for zone in site.zones for corner in zone.outline]
    points += [place.at for place in site.sensors if place.at is not None]
    return max(x for x, _ in points), max(y for _, y in points)


def _priority(priority: int, page: Page, *, made_up: bool) -> str:
    word = page.text(words.PRIORITY[priority])
    return f"{page.text('EXERCISE')}: {word}" if made_up else word


def _sensor(at: Point, name: str, seen: SensorSight | None, size: float, page: Page, *, known: bool) -> Markup:
    x, y = at
    if seen is None or not known:
        kind, said = "unknown", page.text("NOT KNOWN")
    elif seen.cause is not None:
        kind, said = "blind", page.text(words.BLIND[seen.cause])
        if seen.priority is not None:
            said = f"{said} · {_priority(seen.priority, page, made_up=seen.exercise is not None)}"
    elif seen.priority is not None:
        kind, said = f"p{seen.priority}", _priority(seen.priority, page, made_up=seen.exercise is not None)
    else:
        kind, said = "seen", page.text("seen")
    mark = _mark(kind, x, y, size)
    drawn = Markup('<g class="sensor {}"><title>{}: {}</title>{}</g>').format(kind, one_line(name), said, mark)
    if seen is None or seen.alarm is None:
        return drawn
    return Markup('<a href="{}">{}</a>').format(page.path(f"/alarms/{seen.alarm}"), drawn)


def _mark(kind: str, x: float, y: float, size: float) -> Markup:
    """Return the mark of a sensor: the shape of its priority, a cross where it is blind, a question where not known."""
    if kind == "blind":
        half = size * 0.55
        return Markup('<path d="M{} {}L{} {}M{} {}L{} {}"/>').format(
            *(f"{n:g}" for n in (x - half, y - half, x + half, y + half, x - half, y + half, x + half, y - half))
        )
    if kind.startswith("p"):
        step = size * 1.9 / 24
        return Markup('<g transform="translate({} {}) scale({})">{}</g>').format(
            f"{x - 12 * step:g}", f"{y - 12 * step:g}", f"{step:g}", outline_of(int(kind[1:]))
        )
    mark = Markup('<circle cx="{}" cy="{}" r="{}"/>').format(f"{x:g}", f"{y:g}", f"{size * 0.6:g}")
    if kind != "unknown":
        return mark
    return mark + Markup('<text class="state" x="{}" y="{}" text-anchor="middle">?</text>').format(
        f"{x:g}", f"{y + size * 0.36:g}"
    )
