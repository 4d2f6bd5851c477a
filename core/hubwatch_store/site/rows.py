"""A site as the rows of its public tables. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from hubwatch_site.model import FarPlace, HubSite, days_of

Row = tuple[Any, ...]
"""Values of a row after its hub: the key first, then the rest."""


@dataclass(frozen=True, slots=True)
class SiteTable:
    """One table of the site; the hub stands before the key, and the version behind the rest."""

    name: str
    key: tuple[str, ...]
    rest: tuple[str, ...]
    rows: Callable[[HubSite], Iterable[Row]]


def _paths(site: HubSite) -> Iterator[Row]:
    for path in site.paths:
        yield path.from_, path.to, path.seconds, path.metres
        if not path.one_way:
            yield path.to, path.from_, path.seconds, path.metres


def _doors(site: HubSite) -> Iterator[Row]:
    for door in site.doors:
        readers = (door.readers.in_, door.readers.out) if door.readers is not None else (None, None)
        yield door.sensor, door.from_, door.to, *readers, door.one_person


def _sections(site: HubSite) -> Iterator[Row]:
    for i, fence in enumerate(site.fences):
        for j, each in enumerate(fence.sections):
            yield i, j, fence.zone, each.sensor, each.from_m, each.to_m


def _behind(site: HubSite) -> Iterator[Row]:
    for i, fence in enumerate(site.fences):
        for each in fence.behind:
            yield i, each.sensor, each.metres, each.from_m, each.to_m


def _steps(site: HubSite) -> Iterator[Row]:
    for lane in site.lanes:
        for i, step in enumerate(lane.steps):
            yield lane.id, i, step.sensor, step.within_s, step.share


def _places(site: HubSite) -> Iterator[Row]:
    for place in site.sensors:
        x, y = place.at or (None, None)
        yield place.id, place.label, x, y, place.distance_m, place.exposure


def _feeds(site: HubSite) -> Iterator[Row]:
    for supply in site.supplies:
        for what, names in (("sensor", supply.sensors), ("agent", supply.agents), ("zone", supply.zones)):
            for name in names:
                yield supply.sensor, what, name


def _travel(site: HubSite) -> Iterator[Row]:
    for travel in site.travel:
        one, other = (_place(site, end) for end in (travel.from_, travel.to))
        yield *one, *other, travel.seconds
        yield *other, *one, travel.seconds


def _place(site: HubSite, end: str | FarPlace) -> tuple[str, str]:
    return (end.hub, end.zone) if isinstance(end, FarPlace) else (site.hub.id, end)


def _shifts(site: HubSite) -> Iterator[Row]:
    for shift in site.shifts:
        yield shift.name, list(days_of(shift.days)), *shift.hours, site.hub.time_zone


TABLES = (
    SiteTable("zone_paths", ("from_zone", "to_zone"), ("seconds", "metres"), _paths),
    SiteTable("doors", ("sensor",), ("from_zone", "to_zone", "reader_in", "reader_out", "one_person"), _doors),
    SiteTable("fence_sections", ("fence", "section"), ("zone", "sensor", "from_m", "to_m"), _sections),
    SiteTable("fence_behind", ("fence", "sensor"), ("metres", "from_m", "to_m"), _behind),
    SiteTable("lanes", ("lane",), ("class",), lambda site: ((lane.id, lane.class_) for lane in site.lanes)),
    SiteTable("lane_steps", ("lane", "step"), ("sensor", "within_s", "share"), _steps),
    SiteTable("sensor_places", ("sensor",), ("label", "x_m", "y_m", "distance_m", "exposure"), _places),
    SiteTable("power_feeds", ("supply", "what", "fed"), (), _feeds),
    SiteTable(
        "cameras", ("camera",), ("covers", "page"), lambda site: ((c.id, list(c.covers), c.page) for c in site.cameras)
    ),
    SiteTable("zone_travel", ("from_hub", "from_zone", "to_hub", "to_zone"), ("seconds",), _travel),
    SiteTable("shifts", ("shift",), ("days", "begins", "ends", "time_zone"), _shifts),
)
