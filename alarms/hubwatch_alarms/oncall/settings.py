"""Settings of who is on call: people with the ways to reach them, and rotas."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, time
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field

from hubwatch_alarms.oncall.matching import LocalDay
from hubwatch_alarms.oncall.rota import Hole, PersonSpan, Rota, local_us, zone_text
from hubwatch_core.clock import now_us
from hubwatch_core.config import ConfigId, Conflict, Partial, Section
from hubwatch_site import DAYS, TimeZoneName

APART_MINUTES = 4 * 60
"""Hand-overs of one rota that are nearer to one another could change places on the day the clocks change."""


def _moment(value: Any) -> datetime:
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        raise ValueError("must be a moment as in 2026-12-24 08:00") from None
    if moment.tzinfo is not None:
        raise ValueError("is on the clock of the rota's time zone: leave the offset out")
    return moment


def _hand_over(value: Any) -> str:
    if not re.fullmatch(rf"({'|'.join(DAYS)}) ([01]\d|2[0-3]):[0-5]\d", str(value)):
        raise ValueError("must be a day and a time as in mon 08:00")
    return str(value)


LocalMoment = Annotated[datetime, BeforeValidator(_moment)]
HandOver = Annotated[str, BeforeValidator(_hand_over)]


class WaySection(Section):
    """A way to reach a person."""

    route: ConfigId = Field(description="The route that it takes.", examples=["mail"])
    to: Annotated[str, Field(min_length=1, max_length=320)] | None = Field(
        None, description="Where on that route, such as a mail address.", examples=["kim@port.example.org"]
    )


class PersonSection(Section):
    """Somebody who can be told."""

    name: ConfigId = Field(description="Who: the name under which they log in.", examples=["kim"])
    ways: Annotated[tuple[WaySection, ...], Field(min_length=1, max_length=10)] = Field(
        description="How to reach them; all of these ways are used.", examples=[[{"route": "mail", "to": "kim@port"}]]
    )

    def on(self) -> Iterator[str]:
        """Yield the ways to this person, each as the outbox has it: the route, a slash and who."""
        for way in self.ways:
            yield f"{way.route}/{self.name}"


class SpanSection(Section):
    """A stretch of time of one person, on the clock of the rota's time zone."""

    person: ConfigId = Field(description="Who.", examples=["kim"])
    from_: LocalMoment = Field(alias="from", description="Since when.", examples=["2026-12-24 08:00"])
    until: LocalMoment = Field(description="Until when.", examples=["2026-12-27 08:00"])

    def conflicts(self) -> Iterator[Conflict]:
        """It has a length."""
        if self.until <= self.from_:
            yield ("until",), "must be later than from"

    def span(self, zone: ZoneInfo) -> PersonSpan:
        """Return it on the time line."""
        return PersonSpan(self.person, local_us(self.from_, zone), local_us(self.until, zone))


class OverrideSection(SpanSection):
    """Whoever has a stretch of time, whoever's turn it is."""


class AwaySection(SpanSection):
    """When somebody is away; the next in the order stands in."""

    from_: LocalMoment = Field(alias="from", description="Since when.", examples=["2026-01-12 08:00"])
    until: LocalMoment = Field(description="Until when.", examples=["2026-01-19 08:00"])


class RotaSection(Section):
    """People who are on call by turns."""

    name: ConfigId = Field(description="Name of the rota.", examples=["duty"])
    time_zone: TimeZoneName = Field(description="Whose clock the hand-overs follow.", examples=["Europe/Amsterdam"])
    begins: LocalDay = Field(
        description="Day of the first hand-over: that of the first of `people`.", examples=["2026-01-05"]
    )
    hand_over: Annotated[tuple[HandOver, ...], Field(max_length=21)] = Field(
        description="When the next one takes over, each week: one day and time, or several.", examples=[["mon 08:00"]]
    )
    people: Annotated[tuple[ConfigId, ...], Field(min_length=1, max_length=200)] = Field(
        description="Who, in the order in which they follow one another.", examples=[["kim"]]
    )
    overrides: Annotated[tuple[OverrideSection, ...], Field(max_length=1000)] = Field(
        (), description="Swapped times, one table each."
    )
    away: Annotated[tuple[AwaySection, ...], Field(max_length=1000)] = Field(
        (), description="Holidays, one table each: the next in the order stands in."
    )

    def conflicts(self) -> Iterator[Conflict]:
        """Somebody is on call at every moment from now on, and it is one person."""
        if not self.hand_over:
            yield ("hand_over",), "needs at least one day and time"
            return
        yield from self._too_near()
        yield from self._overlapping()
        for hole in self.rota.holes(now_us()):
            yield ("people",), f"nobody is on call {self._says(hole)}"

    @property
    def rota(self) -> Rota:
        """Return who is on call when."""
        zone = ZoneInfo(self.time_zone)
        return Rota(
            zone,
            self.begins,
            tuple((DAYS.index(text[:3]), time.fromisoformat(text[4:])) for text in self.hand_over),
            self.people,
            tuple(each.span(zone) for each in self.overrides),
            tuple(each.span(zone) for each in self.away),
        )

    def _too_near(self) -> Iterator[Conflict]:
        week = 7 * 24 * 60
        minutes = sorted(
            DAYS.index(text[:3]) * 24 * 60 + int(text[4:6]) * 60 + int(text[7:]) for text in self.hand_over
        )
        following = [*minutes[1:], minutes[0] + week]
        if any(after - before < APART_MINUTES for before, after in zip(minutes, following, strict=True)):
            yield ("hand_over",), f"must be at least {APART_MINUTES // 60} hours apart"

    def _overlapping(self) -> Iterator[Conflict]:
        rota = self.rota
        for index, span in enumerate(rota.overrides):
            for earlier in rota.overrides[:index]:
                if span.since < earlier.until and earlier.since < span.until:
                    yield ("overrides", index, "from"), f"overlaps another override, of {earlier.person}"
            for away in rota.away:
                if away.person == span.person and span.since < away.until and away.since < span.until:
                    yield ("overrides", index, "person"), f"{span.person} is away then"

    def _says(self, hole: Hole) -> str:
        zone = ZoneInfo(self.time_zone)
        when = f"from {zone_text(hole.since, zone)} to {zone_text(hole.until, zone)}"
        return f"{when}: everybody is away, or `begins` is later"


def conflicts_of_oncall(parts: Partial[Any]) -> Iterator[Conflict]:
    """Yield names that stand twice, people and routes that there are not; `parts` is the whole configuration."""
    for table in ("people", "rotas"):
        yield from _twice(parts, table)
    people = frozenset(name for _, each in parts.every("people") if (name := each.get("name")) is not None)
    routes = frozenset(name for _, each in parts.every("routes") if (name := each.get("name")) is not None)
    for index, rota in parts.entries("rotas"):
        for path, name in _people_of(rota):
            if name not in people:
                yield ("rotas", index, *path), f"there is nobody called {name} in [[people]]"
    yield from _ways(parts, routes)


def _ways(parts: Partial[Any], names: frozenset[str]) -> Iterator[Conflict]:
    """Yield ways that lead nowhere, and routes that lead to people without being a way to anybody."""
    routes = {route.name: route for _, route in parts.entries("routes")}
    used = set()
    for index, person in parts.entries("people"):
        for place, way in enumerate(person.ways):
            path = ("people", index, "ways", place)
            used.add(way.route)
            route = routes.get(way.route)
            if way.route not in names:
                yield (*path, "route"), f"there is no route called {way.route}"
            elif route is not None and route.takes_address and way.to is None:
                yield (*path, "to"), f"is required: {way.route} has to know where"
            elif route is not None and not route.takes_address and way.to is not None:
                yield (*path, "to"), f"{way.route} leads to one place: leave `to` out"
            elif way.to is not None and route is not None and (wrong := route.fault_of(way.to)):
                yield (*path, "to"), wrong
            if any(other.route == way.route for other in person.ways[:place]):
                yield (*path, "route"), f"{person.name} has a way over {way.route} already"
    whole = len(parts.entries("people")) == len(parts.every("people"))
    for index, each in parts.entries("routes"):
        if each.needs_person and whole and each.name not in used:
            yield (
                ("routes", index, "name"),
                f"nobody is reached by {each.name}: make it a way of somebody in [[people]]",
            )


def _twice(parts: Partial[Any], table: str) -> Iterator[Conflict]:
    names = [each.get("name") for _, each in parts.every(table)]
    for index, name in enumerate(names):
        if name is not None and name in names[:index]:
            yield (table, index, "name"), f"there are several called {name} in [[{table}]]"


def _people_of(rota: RotaSection) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield the names of people that stand in a rota, each with its key."""
    for place, name in enumerate(rota.people):
        yield ("people", place), name
    for kind, spans in (("overrides", rota.overrides), ("away", rota.away)):
        for place, span in enumerate(spans):
            yield (kind, place, "person"), span.person
