"""Draws the plan of a hub with live state: zones by what is wrong in them, sensors by what they say, BLIND in words."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from hubwatch_console.pages import plan_labels, words
from hubwatch_console.pages.plan_labels import Box, LabelPlace
from hubwatch_console.pages.rendering import Page, outline_of
from hubwatch_console.pages.sight import SensorSight
from hubwatch_core.plain_text import one_line
from hubwatch_site import HubSite, shapes

Point = tuple[float, float]
MARGIN = 0.04
HATCHES = Markup(
    '<defs><pattern id="hatch" width="1.6" height="1.6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<line class="hatch" x1="0" x2="0" y1="0" y2="1.6"/></pattern></defs>'
)
"""Over what is not seen, so that it is not taken for an alarm of low priority by who sees no colours."""
LETTER = 1 / 80
"""Height of a letter, as a share of the plan's longer side."""


def draw_plan(
    site: HubSite, found: Sequence[SensorSight], page: Page, *, known: bool, picture: str | None = None
) -> Markup:
    """Return the plan as SVG; nothing where the site has neither outlines nor places. Not `known`: all of it grey.

    `picture` is the address of what lies behind it.
    """
    by_sensor = {each.sensor: each for each in found}
    points = [corner for zone in site.zones for corner in zone.outline] + [
        place.at for place in site.sensors if place.at is not None
    ]
    if not points:
        return Markup("")
    width = site.plan.width_m if site.plan else max(x for x, _ in points)
    height = site.plan.height_m if site.plan else max(y for _, y in points)
    size = max(width, height) * LETTER
    body = [Markup('<rect class="ground" width="{}" height="{}"/>').format(f"{width:g}", f"{height:g}")]
    if picture is not None:
        body.append(
            Markup('<image href="{}" width="{}" height="{}" preserveAspectRatio="none"/>').format(
                picture, f"{width:g}", f"{height:g}"
            )
        )
    body += _joined(site)
    marks = [_around(place.at, size) for place in site.sensors if place.at is not None]
    # Names stand over what they must cover: they must be read.
    labels: list[Markup] = []
    for zone in site.zones:
        if zone.outline:
            inside = [each for each in found if each.zone == zone.id]
            drawn, label = _zone(zone.outline, zone.name or zone.id, inside, marks, size, page, known=known)
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
    outline: Sequence[Point], name: str, inside: Sequence[SensorSight], marks: Sequence[Box], size: float, page: Page,
    *, known: bool,
) -> tuple[Markup, Markup]:  # fmt: skip
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
    corners = " ".join(f"{cx:g},{cy:g}" for cx, cy in outline)
    polygon = Markup('<polygon points="{}"/>').format(corners)
    if kind in {"blind", "unknown"}:
        polygon += Markup('<polygon class="hatched" points="{}"/>').format(corners)
    xs, ys = [cx for cx, _ in outline], [cy for _, cy in outline]
    where = plan_labels.place((min(xs), min(ys), max(xs), max(ys)), one_line(name), said, marks, size)
    text = _label(where, one_line(name), said)
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


def _around(at: Point, size: float) -> Box:
    """Return the room that the mark of a sensor takes."""
    x, y = at
    return x - size, y - size, x + size, y + size


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
