"""Who is on call at a moment: pure, from a rota's hand-overs, its overrides and who is away.

Hand-overs stand on the clock of the rota's time zone. On the two days of the change that clock skips or repeats an
hour: a time that it skips is read with the offset before the change, one that it shows twice is the first of the two
(RFC 5545 §3.3.5). Every other moment is in microseconds UTC, so turns have no gap and no overlap on any day.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hubwatch_core.clock import to_datetime, to_us

WEEK = timedelta(days=7)
WEEK_US = 7 * 86_400 * 1_000_000


@dataclass(frozen=True, slots=True)
class PersonSpan:
    """A stretch of time of one person; `until` is no longer in it."""

    person: str
    since: int
    until: int

    def holds(self, t_us: int) -> bool:
        """Return whether a moment is in it."""
        return self.since <= t_us < self.until


@dataclass(frozen=True, slots=True)
class OnCall:
    """Who is on call, and when that changes; None where it never does."""

    person: str
    until: int | None


@dataclass(frozen=True, slots=True)
class Hole:
    """A stretch of time in which nobody is on call."""

    since: int
    until: int


@dataclass(frozen=True, slots=True)
class Rota:
    """People who follow one another, each from one hand-over to the next."""

    zone: ZoneInfo
    begins: date
    """The first hand-over is the first one on this day or after it."""
    hand_overs: tuple[tuple[int, time], ...]
    """Days of the week (Monday is 0) and times of day."""
    people: tuple[str, ...]
    overrides: tuple[PersonSpan, ...] = ()
    """Whoever stands here has the time, whoever's turn it is."""
    away: tuple[PersonSpan, ...] = ()
    """Whose turn falls into such a time is stood in for by the next in the order who is there."""

    def who(self, t_us: int) -> str | None:
        """Return who is on call, None where nobody is."""
        for override in self.overrides:
            if override.holds(t_us):
                return override.person
        turn = self.turn(t_us)
        if turn is None:
            return None
        away = {span.person for span in self.away if span.holds(t_us)}
        order = (self.people[(turn + step) % len(self.people)] for step in range(len(self.people)))
        return next((person for person in order if person not in away), None)

    def on_call(self, t_us: int) -> OnCall | None:
        """Return who is on call and until when, None where nobody is."""
        person = self.who(t_us)
        if person is None:
            return None
        edges = self.edges(t_us, self.settled(t_us))
        return OnCall(person, next((edge for edge in edges if self.who(edge) != person), None))

    def holes(self, from_us: int) -> list[Hole]:
        """Return when nobody is on call from a moment on, for as long as anything but the plain order counts."""
        until = self.settled(from_us)
        edges = [from_us, *self.edges(from_us, until), until]
        found: list[Hole] = []
        for since, end in itertools.pairwise(edges):
            if self.who(since) is None:
                if found and found[-1].until == since:
                    found[-1] = Hole(found[-1].since, end)
                else:
                    found.append(Hole(since, end))
        return found

    def turn(self, t_us: int) -> int | None:
        """Return the number of the turn at a moment, counted from the first hand-over; None before that."""
        local = to_datetime(t_us).astimezone(self.zone).date()
        weeks = (local - self._monday) // WEEK
        # Some turns ahead of the moment, whatever the clocks did: then back to the last one that has begun.
        turn = (weeks + 2) * len(self.hand_overs)
        while turn >= 0 and self.hand_over(turn) > t_us:
            turn -= 1
        return None if turn < 0 else turn

    def hand_over(self, turn: int) -> int:
        """Return when a turn begins."""
        week, place = divmod(self._first + turn, len(self.hand_overs))
        day, clock = sorted(self.hand_overs)[place]
        return local_us(datetime.combine(self._monday + week * WEEK + timedelta(days=day), clock), self.zone)

    def edges(self, after: int, before: int) -> list[int]:
        """Return the moments between two at which who is on call may change, in order."""
        spans = {moment for span in (*self.overrides, *self.away) for moment in (span.since, span.until)}
        return sorted(edge for edge in {*spans, *self._turns(after, before)} if after < edge < before)

    def settled(self, t_us: int) -> int:
        """Return a moment after which only the plain order counts, a whole round of it included."""
        last = max((span.until for span in (*self.overrides, *self.away)), default=t_us)
        return max(t_us, last, self.hand_over(0)) + (len(self.people) + 1) * WEEK_US

    def _turns(self, after: int, before: int) -> Iterator[int]:
        turn = self.turn(after)
        turn = 0 if turn is None else turn
        while (moment := self.hand_over(turn)) < before:
            yield moment
            turn += 1

    @property
    def _monday(self) -> date:
        return self.begins - timedelta(days=self.begins.weekday())

    @property
    def _first(self) -> int:
        return sum(day < self.begins.weekday() for day, _ in self.hand_overs)


def local_us(moment: datetime, zone: ZoneInfo) -> int:
    """Return a moment of a zone's clock in microseconds UTC."""
    return to_us(moment.replace(tzinfo=zone, fold=0).astimezone(UTC))


def zone_text(t_us: int, zone: ZoneInfo) -> str:
    """Return a moment to the minute on a zone's clock, with the zone's own name: `2026-10-25 02:30 CEST`."""
    return f"{to_datetime(t_us).astimezone(zone):%Y-%m-%d %H:%M %Z}"
