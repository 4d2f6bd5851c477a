"""What people look at: alarms as they stand, each with its journal and its delivery record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rich.console import Console

from hubwatch_alarms.acts import existing
from hubwatch_alarms.facts import (
    adjudicated_of_facts,
    alarm_of_facts,
    entry_of_facts,
    facts_of,
    facts_of_adjudication,
    facts_of_entry,
    facts_of_telling,
    iso,
    telling_of_facts,
)
from hubwatch_alarms.instructions import Instruction, Instructions
from hubwatch_alarms.settings import CommandSettings
from hubwatch_core import tables
from hubwatch_core.alarm import EXERCISE, Alarm, JournalEntry
from hubwatch_core.clock import to_us
from hubwatch_core.permission import Actor
from hubwatch_store.alarms import (
    Adjudicated,
    Telling,
    adjudications,
    alarms,
    expected,
    figures,
    notifications,
)
from hubwatch_store.database import DatabaseConnection, connect, one_state, translated


@dataclass(frozen=True, slots=True)
class AlarmDetails:
    """An alarm with its journal and every attempt to tell people of it."""

    alarm: Alarm
    journal: Sequence[JournalEntry]
    attempts: Sequence[dict[str, Any]]
    was: Adjudicated | None = None
    """What people found it to be."""

    def facts(self, instructions: Instructions) -> dict[str, object]:
        """Return it as JSON values."""
        instruction = instructions.of(self.alarm.type, self.alarm.hub)
        told = [row | {"at": row["at"].isoformat().replace("+00:00", "Z")} for row in self.attempts]
        return facts_of(self.alarm, instruction.title) | {
            "do": instruction.do,
            "journal": [facts_of_entry(entry) for entry in self.journal],
            "notifications": told,
            "adjudication": None if self.was is None else facts_of_adjudication(self.was),
        }


def whole_of_facts(facts: Mapping[str, Any]) -> AlarmDetails:
    """Return everything about an alarm of its JSON values."""
    was = facts["adjudication"]
    return AlarmDetails(
        alarm_of_facts(facts),
        [entry_of_facts(each) for each in facts["journal"]],
        [row | {"at": datetime.fromisoformat(row["at"])} for row in facts["notifications"]],
        None if was is None else adjudicated_of_facts(was),
    )


def instruction_of_facts(facts: Mapping[str, Any]) -> Instruction:
    """Return what an alarm is called and what to do of it, of its JSON values."""
    return Instruction(facts["title"].removeprefix(f"{EXERCISE}: "), facts["do"])


def instructions_of(settings: CommandSettings) -> Instructions:
    """Read the instructions the settings name."""
    return Instructions.load(settings.instructions_file)


def console() -> Console:
    """Return the terminal; colours only where it has them."""
    return tables.console()


@dataclass(frozen=True, slots=True)
class AlarmList:
    """Alarms in the order in which they want attention, whether people were told of each, and how many more match."""

    alarms: Sequence[Alarm]
    telling: Mapping[int, Telling]
    more: int
    causes: Mapping[int, int] = field(default_factory=dict)
    """Which alarm is the cause of an alarm that is a symptom."""
    floods: Sequence[str] = ()
    """The hubs where there are more alarms than somebody can read; theirs come in the order in which they began."""
    place: Sequence[int] | None = None
    """That of the last one in their order, where there are more."""
    at_least: bool = False
    """Whether even more match: what is closed is counted up to a bound."""

    def facts(self, instructions: Instructions) -> list[dict[str, object]]:
        """Return it as JSON values."""
        return [
            facts_of(alarm, instructions.of(alarm.type, alarm.hub).title)
            | facts_of_telling(self.telling.get(alarm.id, Telling()))
            | {"cause": self.causes.get(alarm.id)}
            for alarm in self.alarms
        ]


def of_facts(answer: Mapping[str, Any]) -> AlarmList:
    """Return a list of what the API answers."""
    found = answer["alarms"]
    return AlarmList(
        [alarm_of_facts(each) for each in found],
        {each["id"]: telling_of_facts(each) for each in found},
        answer["more"],
        {each["id"]: each["cause"] for each in found if each.get("cause") is not None},
        answer.get("floods", ()),
        at_least=answer.get("at_least", False),
    )


async def all_alarms(settings: CommandSettings, *, hub: str | None, closed: bool, most: int) -> AlarmList:
    """Read alarms in the order in which they want attention; raises Transient, Permanent."""
    with translated():
        async with await connect(settings.database, "hubwatch alarms list") as connection:
            return await listed(connection, hub=hub, closed=closed, most=most)


async def listed(
    connection: DatabaseConnection, *, hub: str | None, closed: bool, most: int, seen: Sequence[str] | None = None,
    after: Sequence[int] | None = None,
) -> AlarmList:  # fmt: skip
    """Read alarms over a connection, of the hubs that are `seen`, `after` a place, where these are given.

    Inside `translated()`.
    """
    # Else an alarm that closes between two queries is in both of their answers, or in none.
    async with one_state(connection):
        rows = await alarms.page_of_alarms(connection, hub=hub, closed=closed, most=most + 1, seen=seen, after=after)
        found, place = [alarm for alarm, _ in rows[:most]], rows[most - 1][1] if len(rows) > most else None
        more = 0
        if place is not None:
            more = await alarms.count_alarms(connection, hub=hub, closed=closed, seen=seen, after=place)
        numbers = [alarm.id for alarm in found]
        flooded = [flood.hub for flood in await figures.floods(connection, seen)]
        return AlarmList(
            found,
            await notifications.telling(connection, numbers),
            more,
            await figures.causes(connection, numbers),
            [each for each in flooded if hub in {None, each}],
            place,
            at_least=closed and alarms.is_least(more),
        )


async def whole_alarm(settings: CommandSettings, alarm: int) -> AlarmDetails:
    """Read everything about one alarm; raises Permanent when there is none of that number."""
    with translated():
        async with await connect(settings.database, "hubwatch alarms show") as connection:
            return await details(connection, alarm)


async def details(connection: DatabaseConnection, alarm: int, person: Actor | None = None) -> AlarmDetails:
    """Read everything about one alarm that a person sees, inside `translated()`; raises NoSuchAlarm."""
    async with one_state(connection):
        return AlarmDetails(
            await existing(connection, alarm, person),
            await alarms.journal(connection, alarm),
            await notifications.attempts_of(connection, alarm),
            await adjudications.said_of(connection, alarm),
        )


async def suppressed(
    connection: DatabaseConnection, *, hub: str | None = None, seen: Sequence[str] | None = None,
    most: int = expected.MOST_SUPPRESSED, after: Sequence[Any] | None = None,
) -> list[dict[str, object]]:  # fmt: skip
    """Read all that nobody is told of, as JSON values, of the hubs that are `seen`; inside `translated()`."""
    rows = await expected.suppressed(connection, hub=hub, seen=seen, most=most, after=after)
    return [dict(row) | {name: _iso(row[name]) for name in ("since", "until")} for row in rows]


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else iso(to_us(moment))
