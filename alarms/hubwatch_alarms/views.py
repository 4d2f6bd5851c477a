"""What people look at: alarms as they stand, each with its journal and its delivery record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from hubwatch_alarms.config import CommandSettings
from hubwatch_alarms.facts import facts_of, facts_of_entry
from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.people import existing
from hubwatch_store import alarms, notifications
from hubwatch_store.alarm_rows import Alarm, Entry
from hubwatch_store.errors import translated
from hubwatch_store.pool import connect


@dataclass(frozen=True, slots=True)
class Whole:
    """An alarm with its journal and every attempt to tell people of it."""

    alarm: Alarm
    journal: Sequence[Entry]
    attempts: Sequence[dict[str, Any]]

    def facts(self, instructions: Instructions) -> dict[str, object]:
        """Give it as JSON values."""
        instruction = instructions.of(self.alarm.type)
        told = [row | {"at": row["at"].isoformat().replace("+00:00", "Z")} for row in self.attempts]
        return facts_of(self.alarm, instruction.title) | {
            "do": instruction.do,
            "journal": [facts_of_entry(entry) for entry in self.journal],
            "notifications": told,
        }


def instructions_of(settings: CommandSettings) -> Instructions:
    """Read the instructions the settings name."""
    return Instructions.load(settings.instructions_file)


def console() -> Console:
    """Give the terminal; colours only where it has them."""
    return Console()


def list_facts(found: Sequence[Alarm], instructions: Instructions) -> list[dict[str, object]]:
    """Give alarms as JSON values."""
    return [facts_of(alarm, instructions.of(alarm.type).title) for alarm in found]


async def all_alarms(settings: CommandSettings, *, hub: str | None, closed: bool, most: int) -> list[Alarm]:
    """Read alarms in the order in which they want attention; raises Transient, Permanent."""
    with translated():
        async with await connect(settings.database, "hubwatch alarms list") as connection:
            return await alarms.list_alarms(connection, hub=hub, closed=closed, most=most)


async def whole_alarm(settings: CommandSettings, alarm: int) -> Whole:
    """Read everything about one alarm; raises Permanent when there is none of that number."""
    with translated():
        async with await connect(settings.database, "hubwatch alarms show") as connection:
            found = await existing(connection, alarm)
            return Whole(
                found, await alarms.journal(connection, alarm), await notifications.attempts_of(connection, alarm)
            )
