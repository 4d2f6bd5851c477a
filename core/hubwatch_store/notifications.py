"""Messages to people in the database: what waits, who is sending it, and what came of every attempt.

All pauses are reckoned by the database's clock, so that several processes agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hubwatch_core.ids import new_ulid
from hubwatch_store.alarm_rows import Action, Alarm, Entry
from hubwatch_store.alarms import alarm_by_id, entry_of, fetch, write
from hubwatch_store.errors import translated
from hubwatch_store.pool import Connection, Pool


@dataclass(frozen=True, slots=True)
class Unrouted:
    """A journal entry that no route has been asked about yet."""

    journal: int
    action: Action
    alarm: int
    type: str
    priority: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message that is ours to send, once, until its lease is over; `age_s` is how long it has waited."""

    id: str
    route: str
    attempt: int
    age_s: float
    entry: Entry
    alarm: Alarm


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A message nobody tries any more."""

    id: str
    alarm: int
    route: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of one attempt, for its record."""

    outcome: str
    status: int | None
    error: str | None


async def take_unrouted(connection: Connection, most: int) -> list[Unrouted]:
    """Take journal entries to ask the routes about; they are gone once the transaction commits."""
    rows = await fetch(connection, "notifications", "take_unrouted", most=most)
    return [Unrouted(r["journal"], Action(r["action"]), r["alarm"], r["type"], r["priority"]) for r in rows]


async def queue(connection: Connection, entry: Unrouted, route: str) -> None:
    """Put a message about a journal entry into the outbox of a route; its ULID is made here and never changes."""
    await write(
        connection, "notifications", "queue", id=new_ulid(), journal=entry.journal, alarm=entry.alarm, route=route
    )


async def claim(pool: Pool, route: str, *, lease_s: float, give_up_after_s: float) -> Claimed | None:
    """Take the most urgent due message of a route for one attempt, and record that the attempt is under way.

    Whoever dies with it loses it after `lease_s`: then it is due again, under the same id.
    """
    with translated():
        async with pool.connection() as connection, connection.transaction():
            rows = await fetch(
                connection, "notifications", "claim", route=route, lease_s=lease_s, give_up_after_s=give_up_after_s
            )
            if not rows:
                return None
            return await _claimed(connection, route, rows[0])


async def _claimed(connection: Connection, route: str, row: dict[str, Any]) -> Claimed:
    (entry,) = await fetch(connection, "notifications", "entry", journal=row["journal"])
    alarm = await alarm_by_id(connection, row["alarm"])
    assert alarm is not None, "the outbox refers to alarms"
    await write(
        connection,
        "notifications",
        "begin_attempt",
        alarm=alarm.id,
        route=route,
        attempt=row["attempts"],
        message=row["id"],
    )
    return Claimed(row["id"], route, row["attempts"], row["age_s"], entry_of(entry), alarm)


async def settle(pool: Pool, message: Claimed, attempt: Attempt, *, state: str) -> None:
    """Record an attempt after which there is none: state `delivered` or `refused`."""
    with translated():
        async with pool.connection() as connection, connection.transaction():
            await _record(connection, message, attempt)
            await write(connection, "notifications", "settle", message=message.id, state=state)


async def postpone(pool: Pool, message: Claimed, attempt: Attempt, *, pause_s: float, hold_route: bool) -> None:
    """Record a failed attempt and say when the next is due; `hold_route` keeps the route's other messages back too."""
    with translated():
        async with pool.connection() as connection, connection.transaction():
            await _record(connection, message, attempt)
            await write(connection, "notifications", "postpone", message=message.id, pause_s=pause_s)
            if hold_route:
                await write(connection, "notifications", "hold_route", route=message.route, pause_s=pause_s)


async def abandon(pool: Pool, message: Claimed, attempt: Attempt, reason: str) -> None:
    """Record a failed attempt after which the message is given up."""
    with translated():
        async with pool.connection() as connection, connection.transaction():
            await _record(connection, message, attempt)
            await write(connection, "notifications", "settle", message=message.id, state="given_up")
            await write(
                connection,
                "notifications",
                "record_given_up",
                alarm=message.alarm.id,
                route=message.route,
                attempt=message.attempt,
                error=reason,
                message=message.id,
            )


async def give_up_overdue(pool: Pool, give_up_after_s: float, reason: str) -> list[GivenUp]:
    """Give up whatever has waited too long, on any route, also one that is no longer configured."""
    with translated():
        async with pool.connection() as connection:
            rows = await fetch(connection, "notifications", "give_up", give_up_after_s=give_up_after_s, error=reason)
    return [GivenUp(row["id"], row["alarm"], row["route"], row["attempts"]) for row in rows]


async def count_waiting(connection: Connection) -> dict[str, int]:
    """Count the messages that wait, by route."""
    return {row["route"]: row["messages"] for row in await fetch(connection, "notifications", "waiting")}


async def attempts_of(connection: Connection, alarm: int) -> list[dict[str, Any]]:
    """Give every attempt to tell people of one alarm, oldest first, as rows."""
    return await fetch(connection, "notifications", "of_alarm", alarm=alarm)


async def _record(connection: Connection, message: Claimed, attempt: Attempt) -> None:
    await write(
        connection,
        "notifications",
        "end_attempt",
        message=message.id,
        attempt=message.attempt,
        outcome=attempt.outcome,
        status=attempt.status,
        error=attempt.error,
    )
