"""Who is told of an alarm, step after step, until a person has it.

That a message was delivered ends nothing. Acknowledging, shelving and closing end it for everybody: what was not sent
yet is withdrawn, and no step follows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hubwatch_alarms.oncall.escalation_settings import EscalationSection, StepSection
from hubwatch_alarms.oncall.matching import Circumstances
from hubwatch_alarms.oncall.rota import Rota
from hubwatch_alarms.oncall.settings import PersonSection, RotaSection
from hubwatch_core.alarm import TOLD, WAITING, Action
from hubwatch_core.logs import get_logger
from hubwatch_store.alarms import Unrouted, escalations
from hubwatch_store.database import DatabaseConnection

GOES_ON = frozenset({Action.RECURRED, Action.REALARMED})
"""After these an escalation that has begun goes on where it is."""
ENDS = frozenset(
    {
        Action.ACKNOWLEDGED,
        Action.SHELVED,
        Action.UNSHELVED,
        Action.SUPPRESSED,
        Action.TAKEN_OUT,
        Action.CLOSED,
    }
)
"""A person has it, set it aside, or it is over."""

_log = get_logger("alarms")


class Escalations:
    """The escalations of a configuration, with the people they tell."""

    def __init__(
        self,
        sections: Sequence[EscalationSection] = (),
        people: Sequence[PersonSection] = (),
        rotas: Sequence[RotaSection] = (),
    ) -> None:
        self._sections = {section.name: section for section in sections}
        self._people = {person.name: person for person in people}
        self._rotas: dict[str, Rota] = {rota.name: rota.rota for rota in rotas}

    async def follow(self, connection: DatabaseConnection, entry: Unrouted, now: int) -> None:
        """Begin or end the escalations of an alarm after a journal entry."""
        if entry.action in ENDS:
            await escalations.end(connection, entry.alarm)
        if entry.action not in TOLD:
            return
        where = Circumstances(entry.hub, entry.zone, entry.level, now)
        for section in self._sections.values():
            if section.is_for(entry.type, entry.priority, where):
                told = sum(step.after_s == 0 for step in section.steps)
                for way in self._ways(section.steps[:told], now):
                    await escalations.queue(connection, entry.journal, entry.alarm, way, section.name)
                due = section.due(told, now, now)
                await escalations.begin(
                    connection,
                    entry.alarm,
                    section.name,
                    began=now,
                    told=told,
                    due=due,
                    anew=entry.action not in GOES_ON,
                )

    async def go_on(self, connection: DatabaseConnection, now: int, most: int) -> int:
        """Tell the steps that are due; return how many."""
        found = await escalations.due(connection, now, most)
        for each in found:
            section = self._sections.get(each.escalation)
            if section is None:
                _log.warning("escalation is no longer configured", alarm=each.alarm, escalation=each.escalation)
                await escalations.leave(connection, each.alarm, each.escalation)
                continue
            if each.state not in WAITING:
                await escalations.end(connection, each.alarm)
                continue
            step = section.step(each.told)
            ways = list(self._ways([step], now))
            due = section.due(each.told + 1, each.began, now)
            note = f"step {each.told + 1} of {each.escalation}: nobody has acknowledged, told {', '.join(ways)}"
            journal = await escalations.tell_step(connection, each, now=now, due=due, note=note)
            for way in ways:
                await escalations.queue(connection, journal, each.alarm, way, each.escalation)
            _log.warning("nobody has acknowledged an alarm, telling the next", alarm=each.alarm, step=each.told + 1)
        return len(found)

    def _ways(self, steps: Sequence[StepSection], now: int) -> Iterator[str]:
        """Yield each way that steps tell on: a route, or a route and the person it leads to."""
        people = dict.fromkeys(name for step in steps for name in self._told_by(step, now))
        yield from dict.fromkeys(route for step in steps for route in step.routes)
        for name in people:
            yield from self._people[name].on()

    def _told_by(self, step: StepSection, now: int) -> Iterator[str]:
        for name in step.rotas:
            rota = self._rotas[name]
            person = rota.who(now)
            # Nobody on call, which the configuration should not allow: rather all than none.
            yield from rota.people if person is None else (person,)
        yield from step.people
