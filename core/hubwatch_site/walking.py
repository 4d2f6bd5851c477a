"""How fast a person can be in another zone at the very least, by the ways of a site."""

from __future__ import annotations

import heapq
from collections import defaultdict

from hubwatch_site.model import FarPlace, HubSite

FASTEST_M_S = 6.0
"""Speed with which metres become the least time: a trained runner in boots over some hundred metres. Our choice; a
quicker person is found by nothing else either, and a slower one is never accused."""
ZoneOfHub = tuple[str, str]
"""Hub and zone."""


class Walks:
    """Ways through the zones of a hub and to those of others.

    A door joins its two zones without taking time, unless a path between the same two says how long that way takes.
    """

    def __init__(self, site: HubSite, fastest_m_s: float = FASTEST_M_S) -> None:
        self._hub = site.hub.id
        self._from: dict[ZoneOfHub, dict[ZoneOfHub, float]] = defaultdict(dict)
        self._metres: dict[ZoneOfHub, dict[ZoneOfHub, float]] = defaultdict(dict)
        for path in site.paths:
            seconds = path.seconds if path.metres is None else path.metres / fastest_m_s
            metres = path.metres if path.seconds is None else path.seconds * fastest_m_s
            self._join(path.from_, path.to, seconds or 0.0, metres or 0.0, one_way=path.one_way)
        for door in site.doors:
            for start, end in ((door.from_, door.to), (door.to, door.from_)):
                if (self._hub, end) not in self._from[self._hub, start]:
                    self._join(start, end, 0.0, 0.0, one_way=True)
        for travel in site.travel:
            self._join(travel.from_, travel.to, travel.seconds, travel.seconds * fastest_m_s)

    def seconds(self, start: str, end: str, *, hub: str | None = None) -> float | None:
        """Return the least time from a zone of this hub to another, of `hub` where given; None when no way is known."""
        return _least(self._from, (self._hub, start), (hub or self._hub, end))

    def metres(self, start: str, end: str) -> float | None:
        """Return how far a zone of this hub is from another; None when no way is known."""
        return _least(self._metres, (self._hub, start), (self._hub, end))

    def _join(
        self, start: str | FarPlace, end: str | FarPlace, seconds: float, metres: float, *, one_way: bool = False
    ) -> None:
        a, b = self._place(start), self._place(end)
        for one, other in ((a, b),) if one_way else ((a, b), (b, a)):
            self._from[one][other] = min(seconds, self._from[one].get(other, seconds))
            self._metres[one][other] = min(metres, self._metres[one].get(other, metres))

    def _place(self, end: str | FarPlace) -> ZoneOfHub:
        return (end.hub, end.zone) if isinstance(end, FarPlace) else (self._hub, end)


def _least(ways: dict[ZoneOfHub, dict[ZoneOfHub, float]], start: ZoneOfHub, end: ZoneOfHub) -> float | None:
    """Return the length of the shortest way (Dijkstra)."""
    best = {start: 0.0}
    queue = [(0.0, start)]
    while queue:
        so_far, place = heapq.heappop(queue)
        if place == end:
            return so_far
        if so_far > best[place]:
            continue
        for other, further in ways.get(place, {}).items():
            total = so_far + further
            if total < best.get(other, float("inf")):
                best[other] = total
                heapq.heappush(queue, (total, other))
    return None
