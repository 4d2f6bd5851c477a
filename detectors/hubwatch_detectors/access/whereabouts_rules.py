"""Rules of place: nobody is at two doors at once, comes in while inside, or is inside without having come in."""

from __future__ import annotations

from collections.abc import Sequence

from hubwatch_core.clock import SECOND_US
from hubwatch_core.words import Priority
from hubwatch_detectors.access.badge_config import BadgesConfig
from hubwatch_detectors.access.presented import BadgeReport, Moment
from hubwatch_detectors.access.whereabouts import Passage, PassageVerdict, UnreadExit, Ways

HOUR_US = 3600 * SECOND_US
DAY_US = 24 * HOUR_US
AGAIN_ONE_PERSON_S = 3.0
"""At a turnstile nobody turns round: a second reading is a second passage, unless it is a bounce. Our choice."""

CONFLICT_DAYS = 3
"""Where exits go unread, conflicts of one person within this time count together. Our choice."""


class WhereaboutsRules:
    """Judges where badges are; `names` are the doors by their numbers."""

    def __init__(self, config: BadgesConfig, ways: Ways) -> None:
        self._config, self._ways = config, ways

    def judge(self, moment: Moment, exits: UnreadExit, names: Sequence[str]) -> list[BadgeReport]:
        """Judge a badge at a reader, and take its owner to where it leads."""
        found = [*self._travel(moment, names), *self._zones(moment, exits, names)]
        moment.person.doubtful |= bool(found)
        return found

    def _travel(self, moment: Moment, names: Sequence[str]) -> list[BadgeReport]:
        at, person = moment.at, moment.person
        if not person.last or person.place == moment.door:
            return []
        before = names[person.place]
        here = None if moment.passage is None else moment.passage.stands
        least_s = self._ways.seconds(self._ways.sides(before, person.stood), self._ways.sides(at.sensor, here))
        took_s = (at.t - person.last) / SECOND_US
        if least_s is None or took_s >= least_s:
            return []
        why = f"badge at {before}, then at {at.sensor} {took_s:.0f} s later: nobody gets there in under {least_s:.0f} s"
        evidence = {"from": before, "seconds": round(took_s, 3), "least_seconds": round(least_s, 3)}
        return [BadgeReport("access.impossible_travel", Priority.HIGH, why, evidence, least_s / max(took_s, 0.001))]

    def _zones(self, moment: Moment, exits: UnreadExit, names: Sequence[str]) -> list[BadgeReport]:
        at, person, passage = moment.at, moment.person, moment.passage
        if passage is None:
            person.stood = None
            return []
        verdict = self._ways.verdict(person.zone, passage)
        if self._turned_round(moment, passage):
            verdict = PassageVerdict.IN_ORDER
        found: list[BadgeReport] = []
        if verdict is PassageVerdict.THERE_ALREADY and passage.inward:
            found = self._there_already(moment, passage, exits, names)
        elif verdict is not PassageVerdict.IN_ORDER and at.t > person.conflict + DAY_US:
            found = [_not_read(moment, passage, names)]
        elif verdict is PassageVerdict.IN_ORDER and passage.inward and person.last and self._is_next_day(moment):
            exits.read += 1
        person.stood = passage.stands
        person.zone = passage.stands if at.denied else passage.opens
        return found

    def _turned_round(self, moment: Moment, passage: Passage) -> bool:
        """Return whether the person may have badged shortly before and not gone through."""
        person, door = moment.person, self._ways.doors[moment.at.sensor]
        again_s = min(self._config.again_s, AGAIN_ONE_PERSON_S) if door.one_person else self._config.again_s
        recent = moment.at.t <= person.last + round(again_s * SECOND_US)
        return recent and person.stood is not None and passage.stands in self._ways.reach(person.stood)

    def _is_next_day(self, moment: Moment) -> bool:
        """Return whether so long has passed that the person must have been away."""
        return moment.at.t >= moment.person.last + round(self._config.exit_forgotten_h * HOUR_US)

    def _there_already(
        self, moment: Moment, passage: Passage, exits: UnreadExit, names: Sequence[str]
    ) -> list[BadgeReport]:  # fmt: skip
        """Judge a person who comes in though they are in: by an exit that went unread long ago, or a second badge."""
        at, person = moment.at, moment.person
        if self._is_next_day(moment):
            exits.unread += 1
            return []
        person.conflicts = person.conflicts + 1 if at.t <= person.conflict + CONFLICT_DAYS * DAY_US else 1
        person.conflict = at.t
        needed = exits.needed(self._config.passback_rate)
        if person.conflicts < needed:
            return []
        hours, last_door = (at.t - person.last) / HOUR_US, names[person.place]
        why = f"badge comes into {passage.opens} though its owner is inside, read {hours:.1f} h before at {last_door}"
        evidence = {
            "zone": passage.opens,
            "last_door": last_door,
            "hours_since": round(hours, 3),
            "conflicts": person.conflicts,
            "conflicts_needed": needed,
            "share_of_exits_unread": round(exits.share(), 4),
        }
        return [BadgeReport("access.passback", Priority.HIGH, why, evidence, float(person.conflicts))]


def _not_read(moment: Moment, passage: Passage, names: Sequence[str]) -> BadgeReport:
    was = moment.person.zone
    why = f"badge read in {passage.stands}, but its owner was last in {was} and not read on the way"
    evidence = {"zone": passage.stands, "last_zone": was, "last_door": names[moment.person.place]}
    return BadgeReport("access.tailgating", Priority.MEDIUM, why, evidence)
