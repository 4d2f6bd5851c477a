"""People with badges, as the reference for access control models them, and attacks on them.

Habits over the doors are Dirichlet with 0.3 for each of 24 doors: that gives the reference's distances and its table of
detection probabilities when the habit is known. Each person comes on working days at an own hour, with 4.5 uses a day
(which gives the reference's figures for 10, 30 and 120 days of history). Added to it: nights on call (the person's own
doors, at any hour of the night), exits that go unread, and people who mistype in bursts. Seeded.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from hubwatch_core.wire import Channel, Clear, Detection, Event, Sensor
from hubwatch_core.words import ChannelKind, SensorKind
from hubwatch_detectors.access.badge_config import BadgesConfig
from hubwatch_detectors.access.badges import Badges
from hubwatch_detectors.access.door import Access
from hubwatch_detectors.access.door_config import AccessConfig
from hubwatch_detectors.chunk import Chunk
from hubwatch_detectors.contract import Finding, Origin, Site
from hubwatch_site import Cardholder, HubSite
from support.detectors_hub import AGENT, HUB

MIDNIGHT = 1_795_132_800_000_000
"""2026-11-20 00:00 UTC."""
HOUR_S, DAY_S = 3600.0, 86_400.0
DOORS, CONCENTRATION = 24, 0.3
USES_PER_DAY = 4.5
ON_CALL_PER_DAY = 0.002
UNREAD_EXITS = 0.02
INSIDE = 0.595
"""Share of the time in which the owner of a cloned badge is inside when the clone comes."""


class At(NamedTuple):
    """A badge at a door, in seconds after `MIDNIGHT`."""

    seconds: float
    door: int
    subject: str
    inward: bool = True
    denied: bool = False


def us(seconds: float) -> int:
    """Return the time (µs) `seconds` after `MIDNIGHT`."""
    return MIDNIGHT + round(seconds * 1e6)


def door_sensor(number: int) -> Sensor:
    """Return the inventory's entry of a door."""
    name = f"door-{number}"
    return Sensor(name, SensorKind.ACCESS, "office", channels=[Channel("position", "1", ChannelKind.STATE, 200_000)])


def building(count: int = DOORS, **more: Any) -> HubSite:
    """Return a site: a street, and a building with doors that are badged both ways."""
    return HubSite.model_validate(
        {
            "hub": {"id": HUB, "name": "Port", "mode": "sea", "time_zone": "UTC"},
            "zones": [{"id": "street"}, {"id": "building"}, *more.pop("zones", [])],
            "doors": [
                {"sensor": f"door-{n}", "from": "street", "to": "building", "readers": {"in": "in", "out": "out"}}
                for n in range(count)
            ]
            + more.pop("doors", []),
            **more,
        }
    )


@dataclass
class BadgeBench:
    """A detector of badges that is told who was where."""

    site: HubSite | None = None
    people: dict[str, Cardholder] = field(default_factory=dict)
    config: BadgesConfig = field(default_factory=BadgesConfig)
    found: list[Finding] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the detector."""
        self.detector = self.made()

    def made(self) -> Badges:
        """Return a detector that knows nothing yet."""
        site = Site(hubs={} if self.site is None else {HUB: self.site}, people={HUB: self.people})
        return Badges(self.config, Origin("badges", 1, HUB), site)

    def play(self, moments: Sequence[At]) -> list[Finding]:
        """Let badges be at readers and some seconds pass; return what was found."""
        found: list[Finding] = []
        for each in sorted(moments):
            found += self.detector.update(chunk_of(each))
        if moments:
            found += self.detector.advance(us(max(moments).seconds + 10))
        self.found += found
        return found

    def kinds(self) -> list[str]:
        """Return the types of all that was found."""
        return [each.type for each in self.found if isinstance(each, Detection)]


def chunk_of(at: At) -> Chunk:
    """Return what an agent says of a badge at a door."""
    side = "in" if at.inward else "out"
    kind = "access.denied" if at.denied else "access.granted"
    event = Event(f"door-{at.door}", us(at.seconds), kind, at.subject, {"reader": side, "direction": side})
    return Chunk(HUB, AGENT, door_sensor(at.door), (), (event,))


@dataclass
class Crowd:
    """People with habits; `life` gives their days."""

    people: int
    seed: int = 1
    doors: int = DOORS
    concentration: float = CONCENTRATION

    def __post_init__(self) -> None:
        """Draw the habits."""
        self.random = np.random.default_rng(self.seed)
        self.habits = self.random.dirichlet(np.full(self.doors, self.concentration), self.people)
        self.begins_h = self.random.normal(8.0, 1.0, self.people)
        self.night_calls: list[tuple[int, int]] = []

    def name(self, person: int) -> str:
        """Return a person's pseudonym."""
        return f"badge:{person:05d}"

    def usual(self, person: int, uses: int) -> list[int]:
        """Return doors that a person uses."""
        drawn: list[int] = self.random.choice(self.doors, uses, p=self.habits[person]).tolist()
        return drawn

    def foreign(self, uses: int) -> list[int]:
        """Return doors that a stranger uses."""
        drawn: list[int] = self.random.integers(self.doors, size=uses).tolist()
        return drawn

    def session(self, person: int, begin_s: float, doors: Sequence[int], hours: float = 8.0) -> list[At]:
        """Let a badge be used at doors, from `begin_s` on, within some hours."""
        times = begin_s + np.sort(self.random.uniform(0, hours * HOUR_S, len(doors)))
        return [At(float(t), d, self.name(person)) for t, d in zip(times, doors, strict=True)]

    def life(self, first_day: int, days: int, on_call: float = 0.0) -> Iterator[tuple[int, list[At]]]:
        """Return normal days; `on_call` is the chance of a call at night per person and day."""
        for day in range(first_day, first_day + days):
            moments: list[At] = []
            counts = self.random.poisson(USES_PER_DAY, self.people)
            begins = day * DAY_S + HOUR_S * (self.begins_h + self.random.normal(0, 0.3, self.people))
            for person in range(self.people):
                moments += self.session(person, begins[person], self.usual(person, int(counts[person])))
            for person in np.nonzero(self.random.random(self.people) < on_call)[0].tolist():
                self.night_calls.append((day, person))
                night = day * DAY_S + HOUR_S * float(self.random.uniform(0, 4))
                moments += self.session(person, night, self.usual(person, 2), 0.5)
            yield day, moments


class CloneFigures(NamedTuple):
    """Sessions of four uses, by owners and by clones, and how many of each were called cloned."""

    sessions: int
    false: int
    found: int
    stream_uses: int
    stream_false: int


def clones(people: int, days: int, rounds: int, seed: int = 1, uses: int = 4) -> CloneFigures:
    """Let people live for some days; then let owner and clone use each badge, each from the same history."""
    crowd, bench = Crowd(people, seed), BadgeBench()
    stream_uses = stream_false = 0
    for day, moments in crowd.life(0, days):
        found = of_type(bench.play(moments), "access.cloned")
        if day >= days // 2:
            stream_uses, stream_false = stream_uses + len(moments), stream_false + len(found)
    false = hits = 0
    for round_ in range(rounds):
        begin = (days + 1 + 3 * round_) * DAY_S + 9 * HOUR_S
        state = bench.detector.state()
        own = [m for p in range(people) for m in crowd.session(p, begin, crowd.usual(p, uses))]
        false += len(of_type(bench.play(own), "access.cloned"))
        bench.detector.restore(state)
        foreign = [m for p in range(people) for m in crowd.session(p, begin, crowd.foreign(uses))]
        hits += len(of_type(bench.play(foreign), "access.cloned"))
        bench.detector.restore(state)
    return CloneFigures(people * rounds, false, hits, stream_uses, stream_false)


class RateFigures(NamedTuple):
    """How many of some trials were found, and how many false alarms there were in how many chances."""

    trials: int
    found: int
    chances: int
    false: int


def passback(people: int, days: int, entries: int = 4, unread: float = 0.0, seed: int = 1) -> RateFigures:
    """Let people come and go with lunch outside; then let a clone come in some times while they live on.

    At each entry of the clone the owner is inside with probability `INSIDE`.
    """
    random, bench = np.random.default_rng(seed), BadgeBench(building())
    false = 0
    for day in range(days):
        moments = [m for p in range(people) for m in _comes_and_goes(random, p, day, unread)]
        false += len(of_type(bench.play(moments), "access.passback"))
    found = 0
    for p in range(people):
        state = bench.detector.state()
        found += any(_cloned_in(random, bench, p, days + n) for n in range(entries))
        bench.detector.restore(state)
    return RateFigures(people, found, people * days, false)


def _comes_and_goes(random: np.random.Generator, person: int, day: int, unread: float) -> Iterator[At]:
    subject, begin = f"badge:{person:05d}", day * DAY_S
    for first, last in ((8.0, 12.0), (12.8, 17.0)):
        doors = random.integers(DOORS, size=2)
        yield At(begin + HOUR_S * (first + random.uniform(0, 0.4)), int(doors[0]), subject)
        if random.random() >= unread:
            yield At(begin + HOUR_S * (last + random.uniform(0, 0.4)), int(doors[1]), subject, inward=False)


def _cloned_in(random: np.random.Generator, bench: BadgeBench, person: int, day: int) -> bool:
    """Let a clone come in once on a day, with its owner inside or not, and go out again; return whether it is found."""
    subject, begin = f"badge:{person:05d}", day * DAY_S
    doors = [int(each) for each in random.integers(DOORS, size=4)]
    moments = [At(begin + 10 * HOUR_S, doors[1], subject), At(begin + 11 * HOUR_S, doors[2], subject, inward=False)]
    if random.random() < INSIDE:
        moments.insert(0, At(begin + 8.2 * HOUR_S, doors[0], subject))
    return bool(of_type(bench.play(moments), "access.passback"))


TRAVEL_MIN = ((0, 1, 25.0), (1, 2, 80.0), (0, 2, 90.0))
"""Places and the least minutes between them."""


def travel(trips: int, seed: int = 1) -> RateFigures:
    """Let badges be used at two of three places, at delays below and above the least time between them."""
    random = np.random.default_rng(seed)
    site = HubSite.model_validate(
        {
            "hub": {"id": HUB, "name": "Port", "mode": "sea", "time_zone": "UTC"},
            "zones": [{"id": f"{side}-{n}"} for n in range(3) for side in ("outside", "inside")],
            "doors": [{"sensor": f"door-{n}", "from": f"outside-{n}", "to": f"inside-{n}"} for n in range(3)],
            "travel": [
                {"from": f"outside-{a}", "to": f"outside-{b}", "seconds": minutes * 60} for a, b, minutes in TRAVEL_MIN
            ],
        }
    )
    bench, counts = BadgeBench(site), [0, 0, 0, 0]
    for n in range(trips):
        a, b, minutes = TRAVEL_MIN[int(random.integers(3))]
        a, b = (a, b) if random.random() < 0.5 else (b, a)
        delay_s = float(random.uniform(0, 2)) * minutes * 60
        begin, subject = n * DAY_S, f"badge:{n % 500:05d}"
        found = of_type(
            bench.play([At(begin, a, subject), At(begin + delay_s, b, subject)]), "access.impossible_travel"
        )
        below = delay_s < minutes * 60
        counts[0 if below else 2] += 1
        counts[1 if below else 3] += len(found)
    return RateFigures(*counts)


def nights(people: int, days: int, seed: int = 1, on_call: float = ON_CALL_PER_DAY) -> RateFigures:
    """Let people be called in at night; then let strangers use each badge twice at night at any door."""
    crowd, bench = Crowd(people, seed), BadgeBench()
    false = 0
    for day, moments in crowd.life(0, days, on_call):
        found = of_type(bench.play(moments), "access.after_hours")
        false += len(found) if day >= days // 2 else 0
    begin = (days + 1) * DAY_S + 1.5 * HOUR_S
    foreign = [m for p in range(people) for m in crowd.session(p, begin, crowd.foreign(4), 1.0)]
    hits = len(of_type(bench.play(foreign), "access.after_hours"))
    return RateFigures(people, hits, people * (days - days // 2), false)


class Denial(NamedTuple):
    """A denial, or a grant, at one reader; hours after the beginning."""

    hours: float
    subject: str | None
    granted: bool = False


@dataclass
class Mistyping:
    """People who are denied at one reader: `per_h` denials an hour in bursts, most of which end with a grant."""

    seed: int = 1
    per_h: float = 0.5
    retries: float = 0.35
    gap_s: float = 6.0
    granted: float = 0.8
    named: bool = True

    def hours(self, count: float) -> list[Denial]:
        """Return what happens in some hours."""
        random = np.random.default_rng(self.seed)
        begins = random.uniform(0, count, random.poisson(self.per_h * (1 - self.retries) * count))
        return sorted(each for begin in begins for each in self._burst(random, float(begin)))

    def _burst(self, random: np.random.Generator, t: float) -> Iterator[Denial]:
        subject = f"badge:{int(random.integers(300))}" if self.named else None
        yield Denial(t, subject or "")
        while random.random() < self.retries:
            t += (0.5 + random.exponential(self.gap_s)) / HOUR_S
            yield Denial(t, subject or "")
        if random.random() < self.granted:
            yield Denial(t + (1 + random.exponential(self.gap_s)) / HOUR_S, subject or "", granted=True)


ATTACKS = {"many": "badge:a{}", "one": "badge:stolen", "unnamed": ""}
"""An attacker tries many badges, guesses the code of one, or the reader names none."""


class ReaderBench:
    """A door detector that is told of denials and grants at one reader."""

    def __init__(self, config: AccessConfig | None = None) -> None:
        self.detector = Access(config or AccessConfig(), Origin("access", 2, HUB, "door-0"), Site())
        self._sensor = door_sensor(0)

    def play(self, moments: Sequence[Denial]) -> int:
        """Let denials and grants happen; return how many times a brute force was reported."""
        return sum(self.one(each) for each in moments)

    def one(self, each: Denial) -> int:
        """Let one denial or grant happen; return whether a brute force was reported."""
        kind = "access.granted" if each.granted else "access.denied"
        event = Event("door-0", us(each.hours * HOUR_S), kind, each.subject or None, {"reader": "in"})
        return len(of_type(self.detector.update(Chunk(HUB, AGENT, self._sensor, (), (event,))), "access.brute_force"))


def mistyping_alarms(readers: int, months: float, **people: Any) -> int:
    """Return the false alarms of readers with people who mistype."""
    return sum(ReaderBench().play(Mistyping(seed=n, **people).hours(720 * months)) for n in range(readers))


def attempts(per_h: float, style: str, runs: int, seed: int = 1, **people: Any) -> list[int]:
    """Return the attempts until each attack is found, after a month with people who mistype."""
    random, bench, counts = np.random.default_rng(seed), ReaderBench(), []
    bench.play(Mistyping(seed=seed, named=style != "unnamed", **people).hours(720))
    state = bench.detector.state()
    for _ in range(runs):
        bench.detector.restore(state)
        hours, count = 722 + float(random.exponential(2)), 0
        bench.detector.advance(us((hours - 0.1) * HOUR_S))
        while count < 500:
            count, hours = count + 1, hours + float(random.exponential(1 / per_h))
            if bench.one(Denial(hours, ATTACKS[style].format(count))):
                break
        counts.append(count)
    return counts


def of_type(found: Sequence[Finding], kind: str) -> list[Detection]:
    """Return the detections of a type."""
    return [each for each in found if isinstance(each, Detection) and each.type == kind]


def ends(found: Sequence[Finding]) -> list[Clear]:
    """Return the ends."""
    return [each for each in found if isinstance(each, Clear)]


def interval(found: int, trials: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson)."""
    z, p = 1.96, found / trials
    middle, half = p + z * z / (2 * trials), z * math.sqrt(p * (1 - p) / trials + z * z / (4 * trials * trials))
    return (middle - half) / (1 + z * z / trials), (middle + half) / (1 + z * z / trials)
