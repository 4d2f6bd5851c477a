"""Where a badge can be: which side of a door a reader is on, where one comes without a badge, how fast at the least."""

from __future__ import annotations

from collections import defaultdict
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

import msgspec

from hubwatch_site import HubSite, Walks
from hubwatch_site.model import Door

MAX_PAIRS = 50_000
"""Pairs of zones whose least time is kept at hand."""


class Passage(NamedTuple):
    """A reader as the site knows it: the zone it stands in, the zone it opens, and whether that is inside."""

    stands: str
    opens: str
    inward: bool


class PassageVerdict(Enum):
    """What it means that a badge is at a reader, by where its owner was."""

    IN_ORDER = "in order"
    THERE_ALREADY = "there already"
    """The reader opens the zone the person is in: they left it unread, or this is another person."""
    NOT_READ = "not read"
    """The person stands where no badge of theirs was read on the way."""


class Ways:
    """Doors, zones and times of one hub's site."""

    def __init__(self, site: HubSite | None, fastest_m_s: float) -> None:
        self.doors: dict[str, Door] = {} if site is None else {door.sensor: door for door in site.doors}
        self._walks = None if site is None else Walks(site, fastest_m_s)
        self._critical = frozenset() if site is None else frozenset(z.id for z in site.zones if z.criticality == 3)
        self._open = _ways_without_badge(site)
        self.seconds = lru_cache(maxsize=MAX_PAIRS)(self._seconds)
        self.reach = lru_cache(maxsize=MAX_PAIRS)(self._reach)

    def passage(self, sensor: str, reader: str, direction: str) -> Passage | None:
        """Return what a reader leads to; None where the site does not say which side it is on."""
        door = self.doors.get(sensor)
        if door is None:
            return None
        inward = _is_inward(door, reader, direction)
        if inward is None:
            return None
        return Passage(door.from_, door.to, True) if inward else Passage(door.to, door.from_, False)

    def is_vital(self, sensor: str) -> bool:
        """Return whether a door leads to a zone of the highest criticality."""
        door = self.doors.get(sensor)
        return door is not None and (door.to in self._critical or door.from_ in self._critical)

    def verdict(self, zone: str | None, passage: Passage) -> PassageVerdict:
        """Judge a person, last known in `zone`, at a reader."""
        if zone is None or passage.stands in self.reach(zone):
            return PassageVerdict.IN_ORDER
        if passage.opens in self.reach(zone):
            return PassageVerdict.THERE_ALREADY
        return PassageVerdict.NOT_READ

    def sides(self, sensor: str, stands: str | None) -> tuple[str, ...]:
        """Return the zones in which somebody at a door may be: where the reader stands, or both sides of the door."""
        if stands is not None:
            return (stands,)
        door = self.doors.get(sensor)
        return () if door is None else (door.from_, door.to)

    def _seconds(self, first: tuple[str, ...], second: tuple[str, ...]) -> float | None:
        """Return the least time from one of some zones to one of others; None where no way is known."""
        if self._walks is None:
            return None
        ways = [self._walks.seconds(a, b) for a in first for b in second]
        return min((each for each in ways if each is not None), default=None)

    def _reach(self, zone: str) -> frozenset[str]:
        """Return the zones one comes to from a zone without a badge, with itself."""
        found, waiting = {zone}, [zone]
        while waiting:
            for beyond in self._open.get(waiting.pop(), ()):
                if beyond not in found:
                    found.add(beyond)
                    waiting.append(beyond)
        return frozenset(found)


class UnreadExit(msgspec.Struct):
    """On how many evenings people of a hub were read going out, and on how many they must have gone out unread."""

    read: float = 0.0
    unread: float = 0.0

    def share(self) -> float:
        """Return the share of exits that are not read; before any is known, one in two hundred."""
        return (self.unread + 0.2) / (self.read + self.unread + 40.0)

    def needed(self, allowed: float) -> int:
        """Return how many conflicts of one person it takes until unread exits explain them at most this often."""
        share, count, chance = self.share(), 1, self.share()
        while chance > allowed and count < MAX_CONFLICTS:
            chance *= share
            count += 1
        return count


MAX_CONFLICTS = 6


def _is_inward(door: Door, reader: str, direction: str) -> bool | None:
    readers = door.readers
    if readers is not None and reader in {readers.in_, readers.out} - {None}:
        return reader == readers.in_
    if direction in {"in", "out"}:
        return direction == "in"
    if readers is not None and not reader and (readers.in_ is None or readers.out is None):
        return readers.in_ is not None
    return None


def _ways_without_badge(site: HubSite | None) -> dict[str, set[str]]:
    """Return from each zone those beside it that one comes to without a badge.

    A path between two zones that a door joins says how long the way through the door is, not that there is another.
    """
    ways: dict[str, set[str]] = defaultdict(set)
    if site is None:
        return ways
    doors = {frozenset((door.from_, door.to)) for door in site.doors}
    for path in site.paths:
        if frozenset((path.from_, path.to)) not in doors:
            ways[path.from_].add(path.to)
            if not path.one_way:
                ways[path.to].add(path.from_)
    for door in site.doors:
        if door.readers is None or door.readers.in_ is None:
            ways[door.from_].add(door.to)
        if door.readers is None or door.readers.out is None:
            ways[door.to].add(door.from_)
    return ways
