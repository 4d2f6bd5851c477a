"""Which alarms a route or an escalation is for: hub, zone, type, priority, security level and time of day."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field

from hubwatch_core.clock import now_us, to_datetime
from hubwatch_core.config import ConfigId, Conflict, Section
from hubwatch_site import Clock, TimeZoneName, days_of


def _day(value: Any) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise ValueError("must be a day as in 2026-01-05") from None


def _days(value: Any) -> str:
    days_of(str(value))
    return str(value)


LocalDay = Annotated[date, BeforeValidator(_day)]


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Where an alarm is, how the hub is guarded, and when something happened to it (µs; None is now)."""

    hub: str = ""
    zone: str | None = None
    level: int = 1
    at: int | None = None


ANYWHERE = Circumstances()


class HoursSection(Section):
    """A time of day on some days of the week, on a zone's clock."""

    days: Annotated[str, BeforeValidator(_days)] = Field("mon-sun", description="Days it begins on, as in mon-fri.")
    from_: Clock = Field(alias="from", description="When it begins.", examples=["18:00"])
    to: Clock = Field(description="When it ends; on the next day when that is earlier.", examples=["06:00"])
    time_zone: TimeZoneName = Field(description="Whose clock.", examples=["Europe/Amsterdam"])
    but_not_on: Annotated[tuple[LocalDay, ...], Field(max_length=1000)] = Field(
        (), description="Days on which it does not begin, such as public holidays.", examples=[["2026-12-25"]]
    )

    def conflicts(self) -> Iterator[Conflict]:
        """It has a length."""
        if self.from_ == self.to:
            yield ("to",), "must be another time than from; for whole days leave the hours out"

    def holds(self, t_us: int) -> bool:
        """Return whether a moment is in it, by what the clock of the zone shows then."""
        local = to_datetime(t_us).astimezone(ZoneInfo(self.time_zone))
        begin, end, clock = time.fromisoformat(self.from_), time.fromisoformat(self.to), local.time()
        today, yesterday = local.date(), date.fromordinal(local.toordinal() - 1)
        if begin < end:
            return self._begins_on(today) and begin <= clock < end
        return (self._begins_on(today) and clock >= begin) or (self._begins_on(yesterday) and clock < end)

    def _begins_on(self, day: date) -> bool:
        return day.weekday() in days_of(self.days) and day not in self.but_not_on


class MatchingSection(Section):
    """Which alarms something is for; what is left out matches everything."""

    name: ConfigId = Field(description="Name; unique.")
    min_priority: Annotated[int, Field(ge=1, le=4)] = Field(
        4, description="Least urgent priority that goes this way; 1 is the most urgent, 4 lets everything through."
    )
    types: tuple[ConfigId, ...] = Field(
        (), description='Detection types that go this way ("radiation" means all that begin so); none means all.'
    )
    hubs: tuple[ConfigId, ...] = Field((), description="Hubs whose alarms go this way; none means all.")
    zones: tuple[ConfigId, ...] = Field((), description="Zones whose alarms go this way; none means all.")
    levels: tuple[Literal[1, 2, 3], ...] = Field(
        (), description="Security levels of the hub at which alarms go this way; none means all."
    )
    hours: Annotated[tuple[HoursSection, ...], Field(max_length=50)] = Field(
        (), description="Times of day at which alarms go this way, one table each; none means always."
    )

    def is_for(self, type_: str, priority: int, where: Circumstances) -> bool:
        """Return whether an alarm is one of these."""
        return (
            priority <= self.min_priority
            and (not self.types or any(type_ == wanted or type_.startswith(f"{wanted}.") for wanted in self.types))
            and (not self.hubs or where.hub in self.hubs)
            and (not self.zones or where.zone in self.zones)
            and (not self.levels or where.level in self.levels)
            and self._in_hours(now_us() if where.at is None else where.at)
        )

    def _in_hours(self, t_us: int) -> bool:
        return not self.hours or any(each.holds(t_us) for each in self.hours)
