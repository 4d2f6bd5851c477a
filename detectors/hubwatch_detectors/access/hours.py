"""At which hours a person comes, and how unusual an hour is with what is done in it.

A night alone proves nothing: people are called in. So the chance of the hour, never below that of a call at night, is
multiplied by the chance that the owner uses such doors (`habits.py`). Somebody on call who uses the usual doors is
normal; a stranger at night in unusual rooms is not. Who has a shift and is not on call has no such excuse.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec

from hubwatch_core.clock import to_datetime
from hubwatch_site import Cardholder, HubSite
from hubwatch_site.model import Shift, days_of

HUB_WEIGHT = 5.0
"""Uses of a person that count as much as the hours of the whole hub."""
NEIGHBOUR = 0.25
"""Share of a use that counts for the hour before and the hour after it."""
ON_CALL = 25.0
"""How much more often than others people on call come at night. Our choice."""
NO_CALL = 0.05
"""How often, beside others, somebody comes at night who has a shift and is not on call. Our choice."""
UNUSUAL = 0.02
"""An hour is worth a look when less than this share of the uses are in hours as rare."""
FEWEST_USES = 20
"""A person with fewer is judged by the shift alone."""
DAY = 24


class Hours(msgspec.Struct):
    """When the people of a hub use doors, all together."""

    uses: list[float] = msgspec.field(default_factory=lambda: [1.0] * DAY)

    def learn(self, hour: int) -> None:
        """Take a use into what is known of all."""
        self.uses[hour] += 1

    def rarity(self, own: list[int], hour: int) -> float:
        """Return the share of a person's uses in hours as rare as this."""
        total, everybody = sum(own), sum(self.uses)
        smooth = [_blurred(own, each) + HUB_WEIGHT * self.uses[each] / everybody for each in range(DAY)]
        return sum(each for each in smooth if each <= smooth[hour]) / (total + HUB_WEIGHT)


def _blurred(uses: list[int], hour: int) -> float:
    beside = uses[hour - 1] + uses[(hour + 1) % DAY]
    return (1 - 2 * NEIGHBOUR) * uses[hour] + NEIGHBOUR * beside


@dataclass(frozen=True, slots=True)
class Calendar:
    """Hours and shifts of a hub."""

    zone: ZoneInfo
    shifts: dict[str, Shift]

    @classmethod
    def of(cls, site: HubSite | None) -> Calendar:
        """Return that of a site; without one the hours are UTC."""
        if site is None:
            return cls(ZoneInfo("UTC"), {})
        return cls(ZoneInfo(site.hub.time_zone), {shift.name: shift for shift in site.shifts})

    def local(self, t: int) -> datetime:
        """Return a time (µs) as the hub's clocks show it."""
        return to_datetime(t).astimezone(self.zone)

    def is_outside(self, t: int, person: Cardholder | None, margin_s: float) -> bool | None:
        """Return whether a time (µs) is outside a person's shift by more than `margin_s`; None without a shift."""
        shift = self.shifts.get(person.shift or "") if person is not None else None
        if shift is None:
            return None
        return not _covers(shift, self.local(t).replace(tzinfo=None), timedelta(seconds=margin_s))

    def floor(self, person: Cardholder | None, calls_per_day: float) -> float:
        """Return the least chance that a person comes at any hour, per day."""
        if person is not None and person.on_call:
            return min(1.0, calls_per_day * ON_CALL)
        if person is not None and person.shift in self.shifts:
            return calls_per_day * NO_CALL
        return calls_per_day


def _covers(shift: Shift, moment: datetime, margin: timedelta) -> bool:
    begin, end = shift.hours
    for back in (-1, 0, 1):
        day = (moment - timedelta(days=back)).date()
        if day.weekday() in days_of(shift.days):
            first = datetime.combine(day, begin)
            last = datetime.combine(day, end) + (timedelta(days=1) if _is_over_night(begin, end) else timedelta())
            if first - margin <= moment <= last + margin:
                return True
    return False


def _is_over_night(begin: time, end: time) -> bool:
    return end < begin
