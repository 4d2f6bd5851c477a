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
from hubwatch_store.alarms import ROUTE_FAILED, Unrouted, escalations
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


def failed_route(type_: str, subject: str | None) -> str | None:
    """Return the route of whose failure an alarm tells, which is no way to tell it; None for any other alarm."""
    return subject if type_ == ROUTE_FAILED else None


def route_of(way: str) -> str:
    """Return the route of a way, which is one or leads over it to a person."""
    return way.partition("/")[0]


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

    async def follow(
        self, connection: DatabaseConnection, entry: Unrouted, now: int, *, past: str | None = None
    ) -> int:
        """Begin or end the escalations of an alarm after a journal entry; return how many messages that makes.

        Nothing goes over the route `past`.
        """
        queued = 0
        if entry.action in ENDS:
            await escalations.end(connection, entry.alarm)
        if entry.action not in TOLD:
            return queued
        where = Circumstances(entry.hub, entry.zone, entry.level, now)
        for section in self._sections.values():
            if section.is_for(entry.type, entry.priority, where):
                told = sum(step.after_s == 0 for step in section.steps)
                for way in self._ways(section.steps[:told], now, past):
                    await escalations.queue(connection, entry.journal, entry.alarm, way, section.name)
                    queued += 1
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
        return queued

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
            ways = list(self._ways([step], now, failed_route(each.type, each.subject)))
            due = section.due(each.told + 1, each.began, now)
            told = ", ".join(ways) or "nobody"
            note = f"step {each.told + 1} of {each.escalation}: nobody has acknowledged, told {told}"
            journal = await escalations.tell_step(connection, each, now=now, due=due, note=note)
            for way in ways:
                await escalations.queue(connection, journal, each.alarm, way, each.escalation)
            _log.warning("nobody has acknowledged an alarm, telling the next", alarm=each.alarm, step=each.told + 1)
        return len(found)

    def every_way(self, past: str) -> list[str]:
        """Return each way to a person that is not over the route `past`."""
        return [way for person in self._people.values() for way in person.on() if route_of(way) != past]

    def _ways(self, steps: Sequence[StepSection], now: int, past: str | None = None) -> Iterator[str]:
        """Yield each way that steps tell on: a route, or a route and the person it leads to; none over `past`."""
        people = dict.fromkeys(name for step in steps for name in self._told_by(step, now))
        routes = dict.fromkeys(route for step in steps for route in step.routes)
        ways = (*routes, *(way for name in people for way in self._people[name].on()))
        yield from (way for way in ways if route_of(way) != past)

    def _told_by(self, step: StepSection, now: int) -> Iterator[str]:
        for name in step.rotas:
            rota = self._rotas[name]
            person = rota.who(now)
            # Nobody on call, which the configuration should not allow: rather all than none.
            yield from rota.people if person is None else (person,)
        yield from step.people
