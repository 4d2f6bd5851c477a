"""Ways of an intruder past the sensors of a hub: which sensor he meets after which, and how long that takes. Pure.

The site names sensors one behind the other. From these follow, where it does not name them: the way that is left when
a sensor between two fails to notice (of three layers any two are enough), the way between two sensors behind the same
section, and ways that end one section further along the line, because people do not walk at right angles.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from hubwatch_core.clock import SECOND_US
from hubwatch_detectors.contract import Neighbour
from hubwatch_site import HubSite

MAX_WALKS = 20_000
MIN_APART_M = 1.0
WALKING_M_S = 1.2
"""A pedestrian's speed in the standards for portals (IEEE N42.35); of two ways of the same rarity the likelier one."""
SECTION_M = 50.0
"""Length of a section that no fence of the site describes; our choice."""


@dataclass(frozen=True, slots=True)
class Walk:
    """A way from one sensor to the next; `outer` where nothing stands before the first."""

    from_: str
    to: str
    metres: float
    outer: bool = True

    @property
    def name(self) -> str:
        """Return what people call it."""
        return f"{self.from_}>{self.to}"


@dataclass(frozen=True, slots=True)
class Gate:
    """The seconds between two alarms that a person explains."""

    shortest: float
    longest: float

    @property
    def width(self) -> float:
        """Return its length."""
        return self.longest - self.shortest

    def narrowed(self, width: float, likeliest: float) -> Gate:
        """Return it no wider than `width`, drawn together towards the likeliest delay."""
        if width >= self.width:
            return self
        share = width / self.width
        return Gate(likeliest - (likeliest - self.shortest) * share, likeliest + (self.longest - likeliest) * share)


def gate(walk: Walk, slowest_m_s: float, fastest_m_s: float, tolerance_s: float) -> Gate:
    """Return the gate of a way; sensors that speak late or early widen it, but not to alarms of the same moment."""
    shortest = walk.metres / fastest_m_s
    return Gate(max(shortest / 2, shortest - tolerance_s), walk.metres / slowest_m_s + tolerance_s)


def in_gate(times: Iterable[tuple[int, int]], gate: Gate) -> list[tuple[int, int]]:
    """Return the pairs of times (µs) that a gate lets through."""
    shortest, longest = gate.shortest * SECOND_US, gate.longest * SECOND_US
    return [(first, second) for first, second in times if shortest <= second - first <= longest]


def walks(pairs: Iterable[Neighbour], site: HubSite | None) -> tuple[Walk, ...]:
    """Return every way, each once; the metres that the site gives go before those that are derived."""
    known = {(each.from_, each.to): each.distance_m for each in pairs}
    beside = _beside(site)
    for derive in (_behind_one, _past_one, partial(_along, beside=beside)):
        for pair, metres in derive(known).items():
            if pair[0] != pair[1] and pair[::-1] not in known and len(known) < MAX_WALKS:
                known.setdefault(pair, metres)
    met = {to for _, to in known}
    return tuple(Walk(one, other, metres, outer=one not in met) for (one, other), metres in known.items())


def around(ways: Iterable[Walk], site: HubSite | None) -> dict[str, frozenset[str]]:
    """Return which sensors one and the same intruder may set off, by sensor."""
    near: dict[str, set[str]] = defaultdict(set)
    for one, other in [*((way.from_, way.to) for way in ways), *_beside(site)]:
        near[one].add(other)
        near[other].add(one)
    return {name: frozenset(others | {name}) for name, others in near.items()}


def length_km(site: HubSite | None, ways: Iterable[Walk]) -> float:
    """Return the length of the outermost line: by the site, else from its sensors."""
    outer = {way.from_ for way in ways if way.outer}
    metres = 0.0
    for fence in site.fences if site else ():
        for section in fence.sections:
            if section.sensor in outer:
                metres += section.to_m - section.from_m
                outer.discard(section.sensor)
    return (metres + SECTION_M * len(outer)) / 1000


def _behind_one(known: Mapping[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """Two sensors behind the same section stand one behind the other where their metres differ."""
    behind: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for (one, other), metres in known.items():
        behind[one].append((metres, other))
    return {
        (near, far): far_m - near_m
        for others in behind.values()
        for near_m, near in others
        for far_m, far in others
        if far_m - near_m >= MIN_APART_M
    }


def _past_one(known: Mapping[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """A sensor between two may fail to notice."""
    following: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for (one, other), metres in known.items():
        following[one].append((other, metres))
    return {
        (one, last): metres + further
        for (one, middle), metres in known.items()
        for last, further in following.get(middle, ())
    }


def _along(known: Mapping[tuple[str, str], float], beside: list[tuple[str, str]]) -> dict[tuple[str, str], float]:
    """A way may end one section further along the line."""
    next_to: dict[str, list[str]] = defaultdict(list)
    for one, other in beside:
        next_to[one].append(other)
        next_to[other].append(one)
    found: dict[tuple[str, str], float] = {}
    for (one, other), metres in known.items():
        for moved in next_to.get(one, ()):
            found.setdefault((moved, other), metres)
        for moved in next_to.get(other, ()):
            found.setdefault((one, moved), metres)
    return found


def _beside(site: HubSite | None) -> list[tuple[str, str]]:
    """Return sections of one line that join."""
    if site is None:
        return []
    return [
        (one.sensor, other.sensor)
        for fence in site.fences
        for one, other in zip(fence.sections, fence.sections[1:], strict=False)
    ]
