"""What people may do with an alarm, each in a transaction of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from hubwatch_alarms import acts, drilling, suppressing
from hubwatch_alarms.drilling import DrillWish
from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.mover import AlarmChange
from hubwatch_alarms.scenarios import load_scenarios, scenario_of
from hubwatch_alarms.settings import CommandSettings, ShelvingSection
from hubwatch_alarms.suppressing import Wish
from hubwatch_core.alarm import SYSTEM, Adjudication, Alarm
from hubwatch_core.errors import BadCall, Permanent
from hubwatch_core.permission import Actor
from hubwatch_core.plain_text import is_text, quoted
from hubwatch_store.alarms import ExpectedAlarms, ExpectedKind, alarms
from hubwatch_store.alarms import drills as stored_drills
from hubwatch_store.database import DatabaseConnection, connect, translated
from hubwatch_store.users import taken_at_their_word

LONGEST_NAME = 100
LONGEST_NOTE = 1000


def parse_id(text: str) -> int:
    """Read an alarm's number, with or without a leading `#`; raises BadCall when it is none."""
    digits = text.removeprefix("#")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 18):
        raise BadCall(f"{quoted(text)} is no alarm: alarms have numbers, `hubwatch alarms list` shows them")
    return int(digits)


def parse_name(text: str | None, option: str = "--by") -> str:
    """Read the name of a person; raises BadCall when it names nobody."""
    name = (text or "").strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise BadCall(f"{option} must name a person, in at most {LONGEST_NAME} printable characters")
    if name.lower() == SYSTEM:
        raise BadCall(f"{option} must name a person: {SYSTEM} is what hubwatch itself does")
    return name


def parse_note(text: str | None, option: str = "--note") -> str | None:
    """Read what a person has to say; raises BadCall when it cannot be kept."""
    if text is not None and (len(text) > LONGEST_NOTE or "\0" in text or not is_text(text)):
        raise BadCall(f"{option} may have at most {LONGEST_NOTE} characters, of UTF-8 text")
    return text or None


def parse_reason(text: str, option: str = "--note") -> str:
    """Read why a person does something that needs a reason; raises BadCall when there is none."""
    reason = parse_note(text.strip(), option)
    if reason is None:
        raise BadCall(f"{option} must say why")
    return reason


def parse_adjudication(text: str, note: str | None, option: str = "--note") -> Adjudication:
    """Read what somebody found an alarm to be; raises BadCall for another word, or for `other` without a note."""
    if text not in set(Adjudication):
        raise BadCall(f"{quoted(text)} is no adjudication: it may be {', '.join(Adjudication)}")
    if text == Adjudication.OTHER and note is None:
        raise BadCall(f"{option} must say what the alarm was when it was none of the other words")
    return Adjudication(text)


def parse_kind(text: str) -> ExpectedKind:
    """Read why something is expected; raises BadCall for another word."""
    if text not in set(ExpectedKind):
        raise BadCall(f"{quoted(text)} is no kind of suppression: it may be {', '.join(ExpectedKind)}")
    return ExpectedKind(text)


def parse_duration_s(text: str) -> float:
    """Read a duration like 90s, 30m, 2h or 1d; raises BadCall when it is none."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
    number, unit = text[:-1], text[-1:]
    if unit not in units or not (number.isascii() and number.isdigit() and 0 < len(number) <= 6):
        raise BadCall(f"{quoted(text)} is no duration: write it like 30m, 2h or 90s")
    return float(int(number) * units[unit])


async def acknowledge(settings: CommandSettings, alarm: int, by: str, note: str | None) -> AlarmChange:
    """Take an alarm; raises MoveRefused when it is closed, shelved or with somebody else, Transient, Permanent."""
    async with acting(settings, by, "hubwatch alarms ack") as (connection, person):
        return await acts.acknowledge(connection, person, alarm, note)


async def shelve(
    settings: CommandSettings, alarm: int, by: str, duration_s: float, note: str, agreed_by: str | None = None
) -> AlarmChange:
    """Set an alarm aside for a time; raises Permanent when that is longer than the settings allow, or when it needs a
    second person and none is named.
    """
    check_duration(settings.shelving, duration_s)
    async with acting(settings, by, "hubwatch alarms shelve") as (connection, person):
        change = await acts.shelve(
            connection, person, alarm, duration_s, note, critical_max_s=settings.shelving.critical_max_s,
            agreed_by=agreed_by,
        )  # fmt: skip
        assert isinstance(change, AlarmChange), "without a directory there is nobody to wait for"
        return change


async def unshelve(settings: CommandSettings, alarm: int, by: str, note: str | None) -> AlarmChange:
    """Take an alarm off the shelf; whoever does so has it."""
    async with acting(settings, by, "hubwatch alarms unshelve") as (connection, person):
        return await acts.unshelve(connection, person, alarm, note)


async def close(settings: CommandSettings, alarm: int, by: str, reason: str) -> AlarmChange:
    """End an alarm whatever its condition does; raises MoveRefused when it is closed already."""
    async with acting(settings, by, "hubwatch alarms close") as (connection, person):
        return await acts.close(connection, person, alarm, reason)


async def adjudicate(settings: CommandSettings, alarm: int, verdict: Adjudication, by: str, note: str | None) -> Alarm:
    """Record what an alarm was, open or closed, and return it; raises Permanent when there is none."""
    async with acting(settings, by, "hubwatch alarms adjudicate") as (connection, person):
        return await acts.adjudicate(connection, person, alarm, verdict, note)


async def suppress(settings: CommandSettings, wish: Wish, by: str, agreed_by: str | None) -> ExpectedAlarms:
    """Say what is expected; raises Permanent when it needs a second person and none is named."""
    async with acting(settings, by, "hubwatch alarms suppress") as (connection, person):
        added = await suppressing.expect(connection, person, wish, settings.expecting, agreed_by=agreed_by)
        assert isinstance(added, ExpectedAlarms), "without a directory there is nobody to wait for"
        return added


async def lift(settings: CommandSettings, number: int, by: str) -> ExpectedAlarms:
    """End what is expected before its time; raises Permanent when it is over."""
    async with acting(settings, by, "hubwatch alarms lift") as (connection, person):
        return await suppressing.lift(connection, person, number)


async def drill(settings: CommandSettings, wish: DrillWish, by: str) -> dict[str, Any]:
    """Begin an exercise and return it as JSON values; raises Permanent when it cannot be there or another one runs."""
    known = load_scenarios(settings.scenarios_file)
    scenario_of(wish.scenario, known)
    async with acting(settings, by, "hubwatch alarms drill") as (connection, person):
        return drilling.facts_of_drill(await drilling.start(connection, person, wish, known))


async def end_drill(settings: CommandSettings, number: int, by: str) -> None:
    """End an exercise before its time; raises Permanent when it is over."""
    async with acting(settings, by, "hubwatch alarms drill") as (connection, person):
        await drilling.end(connection, person, number)


async def drill_report(settings: CommandSettings, number: int) -> dict[str, Any]:
    """Return how an exercise went as JSON values; raises Permanent when there is none of that number."""
    instructions = Instructions.load(settings.instructions_file)
    with translated():
        async with await connect(settings.database, "hubwatch alarms drill") as connection:
            return await drilling.report(connection, number, instructions)


async def drills(settings: CommandSettings, hub: str | None, most: int) -> list[dict[str, Any]]:
    """Return up to `most` exercises as JSON values, the newest first."""
    with translated():
        async with await connect(settings.database, "hubwatch alarms drill") as connection:
            found = await stored_drills.list_drills(connection, hub=hub, most=most)
    return [drilling.facts_of_drill(each) for each in found]


def check_duration(limits: ShelvingSection, duration_s: float) -> None:
    """Raise Permanent when an alarm may not be shelved for so long."""
    if not 0 < duration_s <= limits.max_s:
        raise Permanent(f"an alarm may be shelved for at most {limits.max_s / 3600:g} h (shelving.max_s)")


@asynccontextmanager
async def acting(settings: CommandSettings, by: str, name: str) -> AsyncIterator[tuple[DatabaseConnection, Actor]]:
    """Return a transaction for somebody who only says who they are; raises Permanent where there is a directory."""
    async with await connect(settings.database, name) as connection:
        person = await taken_at_their_word(connection, by)
        async with alarms.alone(connection):
            yield connection, person
