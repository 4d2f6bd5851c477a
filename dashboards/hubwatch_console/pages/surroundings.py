"""What stands around a sensor by the site: sections of its fence, its zone, what lies beyond its door or lane. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import dist
from types import MappingProxyType

from hubwatch_console.pages.language import marked as _
from hubwatch_site import HubSite, neighbours

MOST = 24
NEAR = 0.15
"""What stands within this share of the plan's longer side is near."""
HOW: Mapping[str, str] = MappingProxyType(
    {
        "section": _("next section of the fence"),
        "behind": _("behind or before it"),
        "zone": _("same zone"),
        "door": _("beyond the door"),
        "lane": _("same lane"),
        "near": _("near on the plan"),
        "path": _("next zone"),
    }
)
"""By how a neighbour is one, nearest first."""


@dataclass(frozen=True, slots=True)
class NearbySensor:
    """A sensor that stands near another one."""

    sensor: str
    how: str
    metres: float | None


def around(site: HubSite, sensor: str, zone: str | None, zones: Mapping[str, str]) -> list[NearbySensor]:
    """Return what stands around a sensor, what is joined to it most closely first; `zones` are those of sensors."""
    places = {place.id: place.at for place in site.sensors if place.at is not None}
    here = places.get(sensor)
    found: dict[str, str] = {}
    for how, names in _joined(site, sensor, zone, zones):
        for name in names:
            if name != sensor:
                found.setdefault(name, how)
    if here is not None:
        reach = NEAR * (max(site.plan.width_m, site.plan.height_m) if site.plan else _widest(places.values()))
        for name, at in places.items():
            if name != sensor and dist(here, at) <= reach:
                found.setdefault(name, "near")
    made = [
        NearbySensor(name, how, None if here is None or name not in places else dist(here, places[name]))
        for name, how in found.items()
    ]
    order = list(HOW)
    return sorted(made, key=lambda each: (order.index(each.how), each.metres is None, each.metres or 0.0))[:MOST]


def _joined(
    site: HubSite, sensor: str, zone: str | None, zones: Mapping[str, str]
) -> Iterable[tuple[str, Iterable[str]]]:
    """Yield how sensors are joined to one, and their names."""
    for fence in site.fences:
        for one, other in pairwise(section.sensor for section in sorted(fence.sections, key=lambda each: each.from_m)):
            if sensor in {one, other}:
                yield "section", (one, other)
    for pair in neighbours(site):
        if sensor in {pair.from_, pair.to}:
            yield "behind", (pair.from_, pair.to)
    for lane in site.lanes:
        steps = [step.sensor for step in lane.steps]
        yield "lane", steps if sensor in steps else ()
    yield "zone", (name for name, its in zones.items() if zone is not None and its == zone)
    yield "door", _beyond(site, sensor, zone, zones)
    ways = [way for path in site.paths for way in ((path.from_, path.to), (path.to, path.from_))]
    yield "path", (name for name, its in zones.items() if (zone, its) in ways)


def _beyond(site: HubSite, sensor: str, zone: str | None, zones: Mapping[str, str]) -> Iterable[str]:
    """Yield the doors of a sensor's zone, and of a door what stands at its two sides."""
    for door in site.doors:
        sides = {door.from_, door.to}
        if door.sensor == sensor:
            yield from (name for name, its in zones.items() if its in sides)
        elif zone in sides:
            yield door.sensor


def _widest(points: Iterable[tuple[float, float]]) -> float:
    xs, ys = zip(*points, strict=True)
    return float(max(max(xs) - min(xs), max(ys) - min(ys)))
