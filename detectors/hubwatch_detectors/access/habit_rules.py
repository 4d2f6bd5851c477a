"""Likelihood of habits: doors that are another person's, and hours that are not the owner's."""

from __future__ import annotations

import math
from typing import Any

from hubwatch_core.words import Priority
from hubwatch_detectors.access.badge_config import BadgesConfig
from hubwatch_detectors.access.habits import FEWEST_USES, WINDOW, Habits
from hubwatch_detectors.access.hours import UNUSUAL, Calendar, Hours
from hubwatch_detectors.access.people import Person, Use
from hubwatch_detectors.access.presented import BadgeReport, Moment

CLONE_PRIORITIES = ((1e-4, Priority.HIGH), (1e-3, Priority.MEDIUM))
"""By the chance that the owner uses such doors; above these it is low."""
SURE = CLONE_PRIORITIES[0][0]
"""What the owner does as rarely is never learned, however calm it is afterwards."""
LOOKS = 2.0
"""Judging after every use of a night costs at most about twice the false alarms of judging once (simulated)."""
MOST_SHOWN = 10


class HabitRules:
    """Judges what a badge does by what its owner, and the people of the hub, used to do."""

    def __init__(self, config: BadgesConfig, calendar: Calendar, doors_of_site: int) -> None:
        self._config, self._calendar, self._doors_of_site = config, calendar, doors_of_site

    def judge(self, moment: Moment, habits: Habits, hours: Hours) -> list[BadgeReport]:
        """Judge a use of a badge."""
        person, size = moment.person, habits.size(self._doors_of_site)
        hour = self._calendar.local(moment.at.t).hour
        person.uses += 1
        person.session.append(Use(moment.at.t, moment.door, hour, habits.score(person, moment.door, size)))
        if person.is_active() or person.doubtful:
            person.keep(len(person.session) - WINDOW)
        else:
            self.learn(person, len(person.session) - WINDOW, habits, hours)
        return [*self._cloned(moment, habits, size), *self._after_hours(moment, habits, hours, size)]

    def learn(self, person: Person, count: int, habits: Habits, hours: Hours) -> None:
        """Take the first `count` uses of a session, in which nothing was found, into the history."""
        size = habits.size(self._doors_of_site)
        for use in person.session[: max(count, 0)]:
            for door, hour in [(use.door, use.hour), *person.trusted()]:
                habits.learn(person, door, size)
                hours.learn(hour)
                person.learn(door, hour)
        person.session = person.session[max(count, 0) :]

    def _cloned(self, moment: Moment, habits: Habits, size: int) -> list[BadgeReport]:
        person, uses = moment.person, len(moment.person.session)
        if person.total() < FEWEST_USES:
            return []
        score = sum(use.score for use in person.session)
        threshold = habits.threshold(person, size, self._config.clone_rate)
        if self._config.clone_score is not None:
            threshold = self._config.clone_score
        if person.cloned is None and score < threshold:
            return []
        chance = habits.chance(person, uses, score, size)
        if person.cloned is None:
            person.may_learn()
        if chance <= SURE or person.after_hours is not None:
            person.never_learn()
        if person.cloned is not None:
            person.peaks = max(person.peaks[0], score), person.peaks[1]
            return []
        why = f"badge used at {_doors(person, habits)}, which its owner hardly uses (chance {chance:.1g})"
        evidence = _of_habit(person, habits) | {"threshold": round(threshold, 3), "chance": _short(chance)}
        priority = next((each for most, each in CLONE_PRIORITIES if chance <= most), Priority.LOW)
        return [BadgeReport("access.cloned", priority, why, evidence, score, person.session[0].t, lasts=True)]

    def _after_hours(self, moment: Moment, habits: Habits, hours: Hours, size: int) -> list[BadgeReport]:
        person, t = moment.person, moment.at.t
        rare = [use for use in person.session if self._rarity(moment, use, hours) <= UNUSUAL]
        if not rare or rare[-1].t != t:
            return []
        floor = self._calendar.floor(moment.owner, self._config.night_calls_per_day)
        hour, doors = max(self._rarity(moment, rare[-1], hours), floor), 1.0
        if person.total() >= FEWEST_USES:
            doors = min(1.0, LOOKS * habits.chance(person, len(rare), sum(use.score for use in rare), size))
        chance = max(hour * doors, 1e-300)
        score = -math.log(chance)
        if person.after_hours is not None:
            person.peaks = person.peaks[0], max(person.peaks[1], score)
        if person.after_hours is not None or chance > self._config.after_hours_rate:
            return []
        clock = f"{self._calendar.local(t):%H:%M}"
        why = (
            f"badge used at {clock} at {_doors(person, habits)}: not its owner's hours and doors (chance {chance:.1g})"
        )
        evidence = _of_habit(person, habits) | {
            "chance_of_hour": _short(hour),
            "chance_of_doors": _short(doors),
            "allowed": self._config.after_hours_rate,
            "uses_by_hour": list(person.hours),
        }
        return [BadgeReport("access.after_hours", Priority.MEDIUM, why, evidence, score, rare[0].t, lasts=True)]

    def _rarity(self, moment: Moment, use: Use, hours: Hours) -> float:
        """Return the share of uses in hours as rare as that of a use; 1 where it is not to be judged."""
        person = moment.person
        outside = self._calendar.is_outside(use.t, moment.owner, self._config.shift_margin_h * 3600)
        if outside is False:
            return 1.0
        if outside and not person.hours[use.hour]:
            return 0.0
        return hours.rarity(person.hours, use.hour) if person.total() >= FEWEST_USES else 1.0


def _of_habit(person: Person, habits: Habits) -> dict[str, Any]:
    usual = sorted(person.doors.items(), key=lambda each: (-each[1], each[0]))[:MOST_SHOWN]
    return {
        "uses": [[use.t, habits.names[use.door], round(use.score, 3)] for use in person.session],
        "history": person.total(),
        "usual_doors": {habits.names[door]: count for door, count in usual},
        "concentration": habits.concentration(),
    }


def _doors(person: Person, habits: Habits) -> str:
    return ", ".join(dict.fromkeys(habits.names[use.door] for use in person.session))


def _short(chance: float) -> float:
    return float(f"{chance:.3g}")
