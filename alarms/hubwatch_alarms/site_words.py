"""Places in the words of a hub's site, and which way something went through them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from hubwatch_core.plain_text import one_line
from hubwatch_site import HubSite, Walks
from hubwatch_store.alarms import Member

MOST_VIA = 2
"""Places between the first and the last that a way names."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Where on a line of sensors one of them is: a fence with its sections, or a lane with its steps."""

    line: str
    place: int


class SiteWords:
    """What people at a hub call its places; without a site the names that agents say."""

    def __init__(self, hub: str, site: HubSite | None = None) -> None:
        self.hub = one_line(hub if site is None else site.hub.name)
        zones = () if site is None else site.zones
        sensors = () if site is None else site.sensors
        fences = () if site is None else site.fences
        self._zones = {zone.id: one_line(zone.name) for zone in zones if zone.name}
        self._sensors = {place.id: one_line(place.label) for place in sensors if place.label}
        self._doors = {} if site is None else {door.sensor: (door.from_, door.to) for door in site.doors}
        self._stages = {
            section.sensor: Stage(fence.zone, place) for fence in fences for place, section in enumerate(fence.sections)
        }
        self._behind = {(fence.zone, behind.sensor) for fence in fences for behind in fence.behind}
        self._steps = {
            step.sensor: Stage(lane.id, place)
            for lane in (() if site is None else site.lanes)
            for place, step in enumerate(lane.steps)
        }
        walks = None if site is None else Walks(site)
        self._leads: Callable[[str, str], bool] = lambda one, other: (
            walks is not None and walks.seconds(one, other) is not None
        )

    def zone(self, name: str) -> str:
        """Return what people call a zone."""
        return self._zones.get(name) or one_line(name)

    def sensor(self, name: str) -> str:
        """Return what people call a sensor."""
        return self._sensors.get(name) or one_line(name)

    def place(self, member: Member) -> str:
        """Return where an alarm is: its zone, else its sensor."""
        return self.sensor(member.sensor) if member.zone is None else self.zone(member.zone)

    def exactly(self, member: Member) -> str:
        """Return where an alarm is, with its sensor where the site has a word for that."""
        label = self._sensors.get(member.sensor)
        return self.place(member) if label is None or member.zone is None else f"{self.zone(member.zone)} ({label})"

    def way(self, members: Sequence[Member]) -> str | None:
        """Return which way alarms went, one after the other along the links of the site; None when they show none.

        `members` are in the order of time; what one sensor says again is no step further. Through zones first, else
        along a fence, else along a lane.
        """
        first: dict[str, Member] = {}
        for member in members:
            first.setdefault(member.sensor, member)
        members = list(first.values())
        return (
            self._through_zones(members)
            or self._along(members, self._stages, "")
            or self._along(members, self._steps, "lane ")
        )

    def _through_zones(self, members: Sequence[Member]) -> str | None:
        passed: list[tuple[str, int]] = []
        for member in members:
            zone = self._entered(member, passed[-1][0] if passed else None)
            if zone is None or (passed and passed[-1][0] == zone):
                continue
            if passed and not (passed[-1][1] < member.opened and self._joins(passed[-1][0], zone, member.sensor)):
                return None
            passed.append((zone, member.opened))
        if len(passed) < 2:
            return None
        names = [self.zone(zone) for zone, _ in passed]
        between = names[1:-1]
        if not between:
            via = ""
        elif len(between) <= MOST_VIA:
            via = f" through {' and '.join(between)}"
        else:
            via = f" through {len(between)} places"
        return f"from {names[0]}{via} to {names[-1]}"

    def _entered(self, member: Member, before: str | None) -> str | None:
        """Return the zone in which something is then: beyond a door, seen from where it was before."""
        outside, inside = self._doors.get(member.sensor, (None, None))
        if before is not None and before == outside:
            return inside
        return outside if before is not None and before == inside else member.zone

    def _joins(self, one: str, other: str, sensor: str) -> bool:
        return (one, sensor) in self._behind or self._leads(one, other)

    def _along(self, members: Sequence[Member], stages: dict[str, Stage], kind: str) -> str | None:
        """Return the way along one line of sensors, each later one further in the same direction."""
        found = [(stages[member.sensor], member) for member in members if member.sensor in stages]
        if len(found) < 2 or len({stage.line for stage, _ in found}) > 1:
            return None
        places = [stage.place for stage, _ in found]
        times = [member.opened for _, member in found]
        steady = _rising(places) or _rising(places[::-1])
        if not (steady and _rising(times)):
            return None
        first, last = (self.sensor(found[end][1].sensor) for end in (0, -1))
        line = found[0][0].line
        name = f"{kind}{one_line(line)}" if kind else self.zone(line)
        return f"along {name} from {first} to {last}"


def _rising(numbers: Sequence[int]) -> bool:
    return all(one < other for one, other in pairwise(numbers))
