"""Alarms in the database: findings that wait, alarms as they stand, and their journal.

Every function works inside the transaction of `moving`; errors are translated there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from hubwatch_core.alarm import Action, Alarm, DetectedCondition, JournalEntry
from hubwatch_core.clock import to_datetime, to_us
from hubwatch_core.words import AlarmState
from hubwatch_store.alarms import closed_pages
from hubwatch_store.database import DatabaseConnection, Pool, fetch, settle, translated, write
from hubwatch_store.ownership import still_ours

_ALARM_FIELDS = tuple(field.name for field in fields(Alarm))
_TIMES = frozenset(
    {"opened", "last_active", "returned", "acknowledged", "closed", "shelved_until", "returns_at", "realarm"}
)

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NewDetection:
    """A finding that waited: a new detection, or (`is_end`) the end of one; `zone` is its sensor's, where known.

    `bound` tells that the detection already went to an alarm.
    """

    detection: DetectedCondition
    is_end: bool
    bound: bool
    zone: str | None
    end_why: str | None = None
    """Why nobody watches it any more, where it ended for that."""
    ended_later: bool = False
    """Whether it was there when it was made, and ended by a record of its own."""
    delay: str | None = None
    """What became of it where it had to wait: `alarmed` or `passed`."""
    waits: bool = False
    """Whether it still does."""


@asynccontextmanager
async def moving(pool: Pool, owner: str | None = None) -> AsyncIterator[DatabaseConnection]:
    """Return a transaction in which alarms may be moved, the only one at that time in the whole database.

    With the token of an `owner`, none is made once another process has its work. Raises Transient or Permanent;
    nothing of the transaction remains then.
    """
    with translated():
        async with pool.connection() as connection, alone(connection):
            await still_ours(connection, owner)
            yield connection


@asynccontextmanager
async def alone(connection: DatabaseConnection) -> AsyncIterator[None]:
    """Make a transaction on `connection` as in `moving`."""
    with translated():
        # In a pipeline a write does not wait for its answer: a move costs one round trip, not one for each row.
        async with connection.transaction(), connection.pipeline():
            await write(connection, "alarms", "lock")
            yield


async def take_arrivals(connection: DatabaseConnection, most: int) -> list[NewDetection]:
    """Take up to `most` waiting findings, oldest first; they are gone once the transaction commits."""
    rows = await fetch(connection, "alarms", "take_arrivals", most=most)
    return [
        NewDetection(
            _detection(row),
            row["is_end"],
            row["bound"],
            row["zone"],
            row["end_why"],
            row["ended_later"],
            row["delay"],
            row["waits"],
        )
        for row in rows
    ]


@asynccontextmanager
async def part(connection: DatabaseConnection) -> AsyncIterator[None]:
    """Make a part of a transaction that fails by itself: then nothing of it remains, and the rest can go on."""
    with translated():
        async with connection.transaction():
            yield
            await settle(connection)  # what a write has to say must come before the part ends


async def refuse(connection: DatabaseConnection, arrival: NewDetection, reason: str) -> None:
    """Keep a finding of which no alarm can be made."""
    found = arrival.detection
    await write(connection, "alarms", "refuse", detection=found.id, ended=arrival.is_end, hub=found.hub, reason=reason)


async def count_refused(connection: DatabaseConnection) -> int:
    """Count the findings of which no alarm could be made."""
    (row,) = await fetch(connection, "alarms", "refused")
    return int(row["refused"])


async def count_waiting(connection: DatabaseConnection) -> int:
    """Count the findings that wait."""
    (row,) = await fetch(connection, "alarms", "waiting")
    return int(row["waiting"])


async def end_detections(connection: DatabaseConnection, of: Sequence[int]) -> None:
    """Count the ends of all detections of some alarms: one that is reported later changes nothing."""
    await write(connection, "alarms", "end_detections", alarms=list(of))


async def closed_alarm(connection: DatabaseConnection, found: DetectedCondition) -> Alarm | None:
    """Return the closed alarm of the condition that `found` speaks of, if that was known to be there all its time."""
    if found.end is None:
        return None
    rows = await fetch(
        connection, "alarms", "closed_alarm", hub=found.hub, sensor=found.sensor, type=found.type,
        subject=found.subject, exercise=found.exercise, start=to_datetime(found.start), end=to_datetime(found.end),
    )  # fmt: skip
    return alarm_of(rows[0]) if rows else None


async def alarm_by_id(connection: DatabaseConnection, alarm: int) -> Alarm | None:
    """Return one alarm, open or closed."""
    rows = await fetch(connection, "alarms", "by_id", id=alarm)
    return alarm_of(rows[0]) if rows else None


async def shelf_over(connection: DatabaseConnection, now: int) -> list[Alarm]:
    """Return the shelved alarms whose time is over at `now`, or that were shelved after it: the clock was set back."""
    return [alarm_of(row) for row in await fetch(connection, "alarms", "shelf_over", now=to_datetime(now))]


async def moments_over(connection: DatabaseConnection, now: int, longest_s: float, most: int) -> list[Alarm]:
    """Return up to `most` alarms that return or are told again at a moment that has come at `now`.

    One further ahead than `longest_s` was set before the clock was set back, and counts as come.
    """
    rows = await fetch(connection, "alarms", "moments_over", now=to_datetime(now), longest_s=longest_s, most=most)
    return [alarm_of(row) for row in rows]


async def list_alarms(
    connection: DatabaseConnection, *, hub: str | None, closed: bool, most: int, seen: Sequence[str] | None = None
) -> list[Alarm]:
    """Return up to `most` alarms in the order in which they want attention; closed ones only when asked for.

    Of one hub or of all, and of those only the hubs that are `seen`, where that is given.
    """
    found = await page_of_alarms(connection, hub=hub, closed=closed, most=most, seen=seen)
    return [alarm for alarm, _ in found]


async def page_of_alarms(
    connection: DatabaseConnection, *, hub: str | None, closed: bool, most: int, seen: Sequence[str] | None = None,
    after: Sequence[int] | None = None,
) -> list[tuple[Alarm, list[int]]]:  # fmt: skip
    """Return the same, each with its place in that order: those `after` a place where that is given."""
    values: dict[str, Any] = {"hub": hub, "seen": None if seen is None else list(seen)}
    rows: list[Any] = []
    if after is None or after[0] <= 0:
        place = None if after is None else list(after)
        rows = await fetch(connection, "alarms", "list_alarms", **values, after=place, most=most)
    if closed and len(rows) < most:
        values |= closed_pages.before(after)
        rows += await fetch(connection, "alarms", "list_closed", **values, most=most - len(rows))
    return [(alarm_of(row), row["place"]) for row in rows]


async def count_alarms(
    connection: DatabaseConnection, *, hub: str | None, closed: bool, seen: Sequence[str] | None = None,
    after: Sequence[int] | None = None,
) -> int:  # fmt: skip
    """Count what `page_of_alarms` would list without an end; of closed ones up to `closed_pages.MOST_COUNTED`."""
    values: dict[str, Any] = {"hub": hub, "seen": None if seen is None else list(seen)}
    found = 0
    if after is None or after[0] <= 0:
        (row,) = await fetch(
            connection, "alarms", "count_alarms", **values, after=None if after is None else list(after)
        )
        found += row["alarms"]
    if closed:
        values |= closed_pages.before(after)
        (row,) = await fetch(connection, "alarms", "count_closed", **values, most=closed_pages.MOST_COUNTED)
        found += row["alarms"]
    return found


def is_least(counted: int) -> bool:
    """Return whether even more may be closed than `count_alarms` has counted."""
    return counted >= closed_pages.MOST_COUNTED


async def count_open(connection: DatabaseConnection) -> dict[tuple[str, int], int]:
    """Count open alarms by (state, priority)."""
    rows = await fetch(connection, "alarms", "count_open")
    return {(row["state"], row["priority"]): row["alarms"] for row in rows}


async def save(connection: DatabaseConnection, alarm: Alarm, entries: Sequence[JournalEntry]) -> None:
    """Write an alarm as it stands now, and the entries of the move that brought it there."""
    await save_all(connection, [alarm], [(alarm.id, entry) for entry in entries])


async def save_all(
    connection: DatabaseConnection, changed: Sequence[Alarm], entries: Sequence[tuple[int, JournalEntry]]
) -> None:
    """Write alarms as they stand now, each once, and the entries of the moves that brought them there, in order."""
    columns = {name: [getattr(alarm, name) for alarm in changed] for name in _ALARM_FIELDS}
    columns |= {name: [_moment(each) for each in columns[name]] for name in _TIMES}
    await write(connection, "alarms", "save", **columns | {"state": [str(alarm.state) for alarm in changed]})
    if entries:
        said = [entry for _, entry in entries]
        await write(
            connection,
            "alarms",
            "write_entries",
            alarms=[alarm for alarm, _ in entries],
            times=[to_datetime(entry.at) for entry in said],
            actions=[str(entry.action) for entry in said],
            persons=[entry.by for entry in said],
            from_states=[None if entry.from_state is None else str(entry.from_state) for entry in said],
            to_states=[str(entry.to_state) for entry in said],
            notes=[entry.note for entry in said],
            detections=[entry.detection for entry in said],
            verified=[entry.verified for entry in said],
        )


async def journal(connection: DatabaseConnection, alarm: int) -> list[JournalEntry]:
    """Return the journal of one alarm, oldest first."""
    return [entry_of(row) for row in await fetch(connection, "alarms", "journal", alarm=alarm)]


def entry_of(row: Row) -> JournalEntry:
    """Make a journal entry of its row."""
    before = row["from_state"]
    return JournalEntry(
        action=Action(row["action"]),
        at=to_us(row["at"]),
        from_state=None if before is None else AlarmState(before),
        to_state=AlarmState(row["to_state"]),
        by=row["by"],
        note=row["note"],
        detection=row["detection"],
        verified=row.get("verified"),
    )


def alarm_of(row: Row) -> Alarm:
    """Make an alarm of its row."""
    values = {name: row[name] for name in _ALARM_FIELDS}
    values |= {name: _micros(row[name]) for name in _TIMES}
    return Alarm(**values | {"state": AlarmState(row["state"])})


def _detection(row: Row) -> DetectedCondition:
    ended: datetime | None = row["end"]
    return DetectedCondition(
        id=row["id"],
        type=row["type"],
        hub=row["hub"],
        sensor=row["sensor"],
        subject=row["subject"],
        start=to_us(row["start"]),
        end=_micros(ended),
        detected=to_us(row["detected"]),
        score=row["score"],
        priority=row["priority"],
        late=row["late"],
        why=row["why"],
        peak=row["peak"],
        exercise=row["exercise"],
    )


def _moment(t_us: int | None) -> datetime | None:
    return None if t_us is None else to_datetime(t_us)


def _micros(moment: datetime | None) -> int | None:
    return None if moment is None else to_us(moment)
