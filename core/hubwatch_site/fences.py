"""Which perimeter sensors an intruder passes one after the other, by the fences of a site. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from math import dist
from typing import NamedTuple

from hubwatch_site.model import BehindFence, Fence, FenceSection, HubSite
from hubwatch_site.shapes import Point


class Neighbour(NamedTuple):
    """Two sensors that stand one behind the other: who walks in passes `from_` before `to`."""

    hub: str
    from_: str
    to: str
    distance_m: float


def neighbours(site: HubSite) -> tuple[Neighbour, ...]:
    """Return every pair of a hub's fences, each once and in the order of the file.

    A section is followed by what is `behind` its line where their stretches overlap, and by the sections of the next
    line of its zone where theirs do. Between lines of one zone the metres are those that `behind` gives for a section
    of the next line, else those between the two sensors on the plan; without either such a pair is left out.
    """
    places = {place.id: place.at for place in site.sensors if place.at is not None}
    found: dict[tuple[str, str], float] = {}
    for fence in site.fences:
        for section, behind in _overlapping(fence):
            found.setdefault((section.sensor, behind.sensor), behind.metres)
    for line, following in _lines(site):
        for one, other, metres in _between(line, following, places):
            found.setdefault((one, other), metres)
    return tuple(Neighbour(site.hub.id, one, other, metres) for (one, other), metres in found.items())


def _lines(site: HubSite) -> Iterator[tuple[Fence, Fence]]:
    """Yield each line with the next one of the same zone."""
    for zone in dict.fromkeys(fence.zone for fence in site.fences):
        yield from pairwise(fence for fence in site.fences if fence.zone == zone)


def _overlapping(fence: Fence) -> Iterator[tuple[FenceSection, BehindFence]]:
    for section in fence.sections:
        for behind in fence.behind:
            if behind.from_m is None or behind.to_m is None or _overlap(section, behind.from_m, behind.to_m):
                yield section, behind


def _between(line: Fence, following: Fence, places: Mapping[str, Point]) -> Iterator[tuple[str, str, float]]:
    """Yield the sections of two lines that lie one behind the other, with the metres between them."""
    names = {section.sensor for section in following.sections}
    known = [behind for behind in line.behind if behind.sensor in names]
    for section in line.sections:
        for other in following.sections:
            metres = _metres(section, other, known, places)
            if metres is not None and _overlap(section, other.from_m, other.to_m):
                yield section.sensor, other.sensor, metres


def _metres(
    one: FenceSection, other: FenceSection, known: list[BehindFence], places: Mapping[str, Point]
) -> float | None:
    if known:
        return min(known, key=lambda behind: _away(one, behind)).metres
    here, there = places.get(one.sensor), places.get(other.sensor)
    return None if here is None or there is None else dist(here, there) or None


def _away(section: FenceSection, behind: BehindFence) -> float:
    """Return how far along the line a stretch with known metres is from a section."""
    if behind.from_m is None or behind.to_m is None:
        return 0.0
    return max(0.0, behind.from_m - section.to_m, section.from_m - behind.to_m)


def _overlap(section: FenceSection, from_m: float, to_m: float) -> bool:
    """Return whether two stretches have more than a point in common."""
    return min(section.to_m, to_m) > max(section.from_m, from_m)
