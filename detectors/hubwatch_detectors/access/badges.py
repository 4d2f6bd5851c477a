"""Badges: whether a badge is where, when and how its owner would be, over all doors of a hub.

Rules where rules are exact: a badge at two doors faster than anybody walks (impossible travel), at a way in though its
owner is inside (passback), inside though it was never read on the way (tailgating), used after a long rest or outside
its validity (dormant). Likelihood where habits decide: doors that are another person's (cloned), hours and doors
together (after hours). What needs the site is not judged without one.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from hubwatch_core.clock import SECOND_US
from hubwatch_core.wire import Clear, Detection
from hubwatch_core.words import Priority, SensorKind
from hubwatch_detectors.access.badge_config import BadgesConfig
from hubwatch_detectors.access.habit_rules import HabitRules
from hubwatch_detectors.access.habits import Habits
from hubwatch_detectors.access.hours import Calendar, Hours
from hubwatch_detectors.access.people import People, Person
from hubwatch_detectors.access.presented import BadgeReport, Moment, Presented
from hubwatch_detectors.access.whereabouts import UnreadExit, Ways
from hubwatch_detectors.access.whereabouts_rules import DAY_US, HOUR_US, WhereaboutsRules
from hubwatch_detectors.chunk import Chunk
from hubwatch_detectors.contract import NEVER, Detector, Finding, Origin, Scope, Site, Spec
from hubwatch_detectors.rates import EXACT, Rate, badge_uses, people

MAX_WAITING = 2000
"""Events that wait for those of other agents; of more the oldest is judged at once."""
GAP_FACTOR = 3.0
"""A badge is dormant after this many of its owner's longest pauses, and never before the configured days. Our choice:
who comes every quarter is not dormant each time."""


class BadgesMemory(msgspec.Struct):
    """What is remembered of the badges of one hub."""

    people: People = msgspec.field(default_factory=People)
    habits: Habits = msgspec.field(default_factory=Habits)
    hours: Hours = msgspec.field(default_factory=Hours)
    exits: UnreadExit = msgspec.field(default_factory=UnreadExit)
    waiting: list[Presented] = []


class Badges(Detector[BadgesMemory]):
    """All badges of one hub."""

    def __init__(self, config: BadgesConfig, origin: Origin, site: Site) -> None:
        self.config, self.origin, self._site = config, origin, site
        self.memory = BadgesMemory()
        of_hub = site.of(origin.hub)
        self._ways = Ways(of_hub, config.fastest_m_s)
        self._places = WhereaboutsRules(config, self._ways)
        self._habits = HabitRules(config, Calendar.of(of_hub), len(self._ways.doors))
        self._settle_us, self._gap_us = round(config.settle_s * SECOND_US), round(config.session_gap_h * HOUR_US)
        self._clear_us = round(min(config.clear_h, config.session_gap_h) * HOUR_US)

    def due(self) -> int:
        """Return when the oldest event that waits is judged, or what goes on about a badge may be over."""
        memory = self.memory
        settled = min([each.t for each in memory.waiting], default=NEVER) + self._settle_us + 1
        quiet = min([memory.people.known[each].used for each in memory.people.active], default=NEVER)
        return min(settled, quiet + self._clear_us + self._settle_us + 2, NEVER)

    def update(self, chunk: Chunk) -> list[Finding]:
        """Take what the readers of one door said."""
        found: list[Finding] = []
        for event in chunk.events:
            found += self.advance(event.t)
            presented = Presented.of(chunk.sensor.sensor, event)
            if presented is not None and presented not in self.memory.waiting:
                self.memory.waiting.append(presented)
                if len(self.memory.waiting) > MAX_WAITING:
                    found += self._judge_until(min(each.t for each in self.memory.waiting))
        return found

    def advance(self, now: int) -> list[Finding]:
        """Judge what has waited long enough at `now`, and end what has gone on and is over."""
        return self._judge_until(now - self._settle_us - 1)

    def rewind(self) -> None:
        """Keep habits, hours and when badges were used; forget where people are."""
        memory = self.memory
        memory.waiting, memory.people.active = [], {}
        for person in memory.people.known.values():
            person.forget_moment()

    def _judge_until(self, moment: int) -> list[Finding]:
        waiting, found = self.memory.waiting, list[Finding]()
        due = sorted((each for each in waiting if each.t <= moment), key=lambda each: (each.t, each.sensor))
        if due:
            self.memory.waiting = [each for each in waiting if each.t > moment]
        for each in due:
            found += [*self._end_quiet(each.t), *self._judge(each)]
        return [*found, *self._end_quiet(moment)]

    def _end_quiet(self, now: int) -> Iterator[Finding]:
        people = self.memory.people
        for subject in list(people.active):
            person = people.known[subject]
            over = person.used + self._clear_us
            if now > over:
                yield from _ended(person, over)
                del people.active[subject]

    def _judge(self, at: Presented) -> Iterator[Finding]:
        memory = self.memory
        if at.denied and at.subject not in memory.people.known:
            return  # a stranger at a closed door has no habits, and must not push out those who have
        person, forgotten = memory.people.take(at.subject)
        if forgotten is not None:
            yield from _ended(forgotten, max(at.t, forgotten.used))
        names = memory.habits.names
        if at.t < person.last or (at.t == person.last and at.sensor <= names[person.place]):
            return
        moment = Moment(
            at,
            person,
            self._site.cardholder(self.origin.hub, at.subject),
            memory.habits.number(at.sensor),
            self._ways.passage(at.sensor, at.reader, at.direction),
        )
        if not at.denied and at.t > person.used + self._gap_us:
            self._begin_session(person)
        for report in self._reports(moment):
            yield self._told(report, moment)
        person.last, person.place = at.t, moment.door

    def _begin_session(self, person: Person) -> None:
        if person.doubtful:
            person.keep(len(person.session))
        else:
            self._habits.learn(person, len(person.session), self.memory.habits, self.memory.hours)
        person.doubtful, person.uses = False, 0

    def _reports(self, moment: Moment) -> Iterator[BadgeReport]:
        memory, person, t = self.memory, moment.person, moment.at.t
        yield from self._places.judge(moment, memory.exits, memory.habits.names)
        if moment.at.denied:
            return
        yield from self._dormant(moment)
        if person.used:
            person.longest_us = max(person.longest_us, t - person.used)
        person.used = max(person.used, t)
        if not moment.is_outward:
            yield from self._habits.judge(moment, memory.habits, memory.hours)

    def _dormant(self, moment: Moment) -> Iterator[BadgeReport]:
        person = moment.person
        reason = _invalid(moment) or self._rested(moment.at.t, person)
        if reason is not None and moment.at.t > person.told + self._clear_us:
            person.told = moment.at.t
            evidence = {"reason": reason, "last_used": person.used or None}
            yield BadgeReport("access.dormant", Priority.MEDIUM, f"badge used {reason}", evidence)

    def _rested(self, t: int, person: Person) -> str | None:
        usual_us = max(self.config.dormant_days * DAY_US, GAP_FACTOR * person.longest_us)
        if not person.used or t - person.used <= usual_us:
            return None
        return f"for the first time in {(t - person.used) / DAY_US:.0f} days"

    def _told(self, report: BadgeReport, moment: Moment) -> Detection:
        at, person = moment.at, moment.person
        priority = report.priority
        if self._ways.is_vital(at.sensor):
            priority = Priority(max(Priority.CRITICAL, priority - 1))
        detection = self.origin.detection(
            report.kind,
            sensor=at.sensor,
            subject=at.subject,
            start=at.t if report.start is None else report.start,
            end=None if report.lasts else at.t,
            detected=at.t,
            score=report.score,
            priority=priority,
            why=report.why,
            evidence={"reader": at.reader, **report.evidence},
        )
        if report.lasts:
            self.memory.people.active[at.subject] = None
            person.goes_on(report.kind, detection.id, report.score)
        return detection


def _invalid(moment: Moment) -> str | None:
    owner, t = moment.owner, moment.at.t
    if owner is not None and owner.valid_to is not None and t > owner.valid_to:
        return "after its validity ended"
    if owner is not None and owner.valid_from is not None and t < owner.valid_from:
        return "before its validity begins"
    return None


def _ended(person: Person, now: int) -> Iterator[Finding]:
    """End what goes on about a person; what was done in that session is not learned, or not yet."""
    for id_, peak in zip((person.cloned, person.after_hours), person.peaks, strict=True):
        if id_ is not None:
            yield Clear(id_, person.used, now, score=round(peak, 3))
            person.doubtful = True
    if person.doubtful:
        person.keep(len(person.session))
    person.cloned = person.after_hours = None
    person.peaks = (0.0, 0.0)


SPEC = Spec(
    name="badges",
    version=2,
    scope=Scope.HUB,
    types=(
        "access.impossible_travel",
        "access.passback",
        "access.tailgating",
        "access.dormant",
        "access.cloned",
        "access.after_hours",
    ),
    config=BadgesConfig,
    make=Badges,
    kinds=frozenset({SensorKind.ACCESS}),
    rates=(
        Rate(
            "clone_rate",
            ("access.cloned",),
            SensorKind.ACCESS,
            "four uses of a badge",
            badge_uses(0.25),
            by_hand=("clone_score",),
            needs="badge_uses_per_day",
        ),
        Rate(
            "passback_rate",
            ("access.passback",),
            SensorKind.ACCESS,
            "person",
            people,
            needs="people_per_day",
            is_bound=True,
        ),
        Rate("after_hours_rate", ("access.after_hours",), SensorKind.ACCESS, "person", people, needs="people_per_day"),
    ),
    no_share=dict.fromkeys(("access.impossible_travel", "access.tailgating", "access.dormant"), EXACT),
    source="Dirichlet habits by empirical Bayes; otherwise rules of place and time",
    warm_up="20 uses of a badge for habits, none for places",
    events_only=True,
)
