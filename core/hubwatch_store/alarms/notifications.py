"""Messages to people in the database: what waits, who is sending it, and what came of every attempt.

All pauses are reckoned by the database's clock, so that several processes agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hubwatch_core.alarm import Action, Alarm, JournalEntry, never_folded
from hubwatch_core.clock import to_us
from hubwatch_core.delivery import DeliveryOutcome
from hubwatch_core.ids import new_ulid
from hubwatch_store.alarms.alarms import alarm_by_id, entry_of
from hubwatch_store.alarms.route_failures import ROUTE_FAILED
from hubwatch_store.database import DatabaseConnection, Pool, fetch, translated, write
from hubwatch_store.ownership import still_ours

MOST_REROUTED = 200


@dataclass(frozen=True, slots=True)
class Unrouted:
    """A journal entry that no route has been asked about yet."""

    journal: int
    action: Action
    alarm: int
    type: str
    subject: str | None
    priority: int
    hub: str
    zone: str | None
    level: int
    """The security level of its hub."""
    is_untold: bool
    """Whether nobody is told of it: its alarm is expected, came and went while it was, or is back with who has it."""


@dataclass(frozen=True, slots=True)
class Carried:
    """A message that is told with another one of the same incident, and what its alarm is."""

    id: str
    attempt: int
    alarm: int
    type: str
    priority: int
    zone: str | None
    sensor: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message that is ours to send, once, until its lease is over; `age_s` is how long it has waited."""

    id: str
    route: str
    attempt: int
    age_s: float
    entry: JournalEntry
    alarm: Alarm
    first_at: int
    """When the alarm's first journal entry was written."""
    carried: tuple[Carried, ...] = ()
    """Messages that are told with it."""

    @property
    def attempts(self) -> list[tuple[str, int]]:
        """Return the id and the attempt of every message that this attempt tells."""
        return [(self.id, self.attempt), *((each.id, each.attempt) for each in self.carried)]


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A message nobody tries any more."""

    id: str
    alarm: int
    route: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Rerouted:
    """A message that goes out on a route that is not its own."""

    alarm: int
    route: str


@dataclass(frozen=True, slots=True)
class Untold:
    """Open alarms that nobody has taken and nobody was told of: how many, since when (µs), the most urgent one."""

    alarms: int
    since: int | None
    most_urgent: int | None
    priority: int | None


@dataclass(frozen=True, slots=True)
class Telling:
    """Whether people were told of an alarm; times in µs."""

    told: int | None = None
    """When a message of it was last delivered."""
    untold_since: int | None = None
    """Since when a message waits that nothing delivered came after; None when everything was told."""
    tries: int = 0
    given_up: bool = False
    """Whether nobody tries any more."""
    routes: tuple[str, ...] = ()
    """The routes that have not delivered."""


@dataclass(frozen=True, slots=True)
class Addressed:
    """A message to a person, as far as its link needs it."""

    alarm: int
    person: str
    answered: bool


@dataclass(frozen=True, slots=True)
class NamedAlarm:
    """An alarm that a message told of."""

    alarm: int
    surpassed: bool
    """Whether it has become more urgent since."""


async def take_unrouted(connection: DatabaseConnection, most: int) -> list[Unrouted]:
    """Take journal entries to ask the routes about; they are gone once the transaction commits."""
    rows = await fetch(connection, "notifications", "take_unrouted", most=most)
    names = ("alarm", "type", "subject", "priority", "hub", "zone", "level", "is_untold")
    return [Unrouted(row["journal"], Action(row["action"]), *(row[name] for name in names)) for row in rows]


async def queue(connection: DatabaseConnection, wanted: Sequence[tuple[Unrouted, str]]) -> None:
    """Put messages about journal entries into the outboxes of routes; their ULIDs are made here and never change."""
    if wanted:
        await write(
            connection, "notifications", "queue", ids=[new_ulid() for _ in wanted],
            journals=[entry.journal for entry, _ in wanted], alarms=[entry.alarm for entry, _ in wanted],
            routes=[route for _, route in wanted],
        )  # fmt: skip


async def claim(
    pool: Pool,
    route: str,
    *,
    lease_s: float,
    give_up_after_s: float,
    owner: str | None = None,
    ways: Sequence[str] = (),
    group_s: float = 0.0,
) -> Claimed | None:
    """Take the most urgent due message of a route for one attempt, and record that the attempt is under way.

    `ways` are the ways to people over it, as the outbox has them. What waits for the same person of the same incident
    is taken with it, but nothing critical; within `group_s` after such a message the next one waits.

    Whoever dies with it loses it after `lease_s`: then it is due again, under the same id. With the token of an
    `owner`, nothing is taken once another process has its work.
    """
    with translated():
        async with pool.connection() as connection, connection.transaction():
            await still_ours(connection, owner)
            rows = await fetch(
                connection,
                "notifications",
                "claim",
                routes=[route, *ways],
                lease_s=lease_s,
                give_up_after_s=give_up_after_s,
                group_s=group_s,
            )
            if not rows:
                return None
            return await _claimed(connection, rows[0], lease_s)


async def _claimed(connection: DatabaseConnection, row: dict[str, Any], lease_s: float) -> Claimed:
    (entry,) = await fetch(connection, "notifications", "entry", journal=row["journal"])
    alarm = await alarm_by_id(connection, row["alarm"])
    assert alarm is not None, "the outbox refers to alarms"
    carried = await _gathered(connection, row, alarm, lease_s)
    message = Claimed(
        row["id"],
        row["route"],
        row["attempts"],
        row["age_s"],
        entry_of(entry),
        alarm,
        to_us(entry["first_at"]),
        carried,
    )
    alarms = [alarm.id, *(each.alarm for each in carried)]
    for told, (each, attempt) in zip(alarms, message.attempts, strict=True):
        lead = (None, None) if each == message.id else (message.id, message.attempt)
        await write(
            connection, "notifications", "begin_attempt", alarm=told, route=message.route, message=each,
            attempt=attempt, carried_by=lead[0], carried_attempt=lead[1],
        )  # fmt: skip
    return message


async def _gathered(
    connection: DatabaseConnection, row: dict[str, Any], alarm: Alarm, lease_s: float
) -> tuple[Carried, ...]:
    """Take what is told together with a message: to a person, of one incident, and nothing that is never folded."""
    if "/" not in row["route"] or never_folded(alarm.type, alarm.priority) or alarm.incident is None:
        return ()
    rows = await fetch(
        connection, "notifications", "gather", message=row["id"], route=row["route"], incident=alarm.incident,
        lease_s=lease_s, priority=alarm.priority,
    )  # fmt: skip
    return tuple(Carried(**each) for each in sorted(rows, key=lambda each: (each["priority"], each["alarm"])))


async def finish(pool: Pool, message: Claimed, outcome: DeliveryOutcome, *, state: str) -> None:
    """Record an attempt after which there is none: state `delivered` or `refused`."""
    with translated():
        async with pool.connection() as connection, connection.transaction():
            await _record(connection, message, outcome)
            for each, _ in message.attempts:
                await write(connection, "notifications", "finish", message=each, state=state)


async def postpone(pool: Pool, message: Claimed, outcome: DeliveryOutcome, *, pause_s: float, hold_route: bool) -> None:
    """Record a failed attempt and say when the next is due; `hold_route` keeps the route's other messages back too."""
    with translated():
        async with pool.connection() as connection, connection.transaction():
            await _record(connection, message, outcome)
            for each, _ in message.attempts:
                await write(connection, "notifications", "postpone", message=each, pause_s=pause_s)
            if hold_route:
                await write(connection, "notifications", "hold_route", route=message.route, pause_s=pause_s)


async def abandon(pool: Pool, message: Claimed, outcome: DeliveryOutcome, reason: str) -> None:
    """Record a failed attempt after which the message is given up; what was told with it is younger and tried again."""
    with translated():
        async with pool.connection() as connection, connection.transaction():
            await _record(connection, message, outcome)
            for each, _ in message.attempts[1:]:
                await write(connection, "notifications", "postpone", message=each, pause_s=0)
            await write(connection, "notifications", "finish", message=message.id, state="given_up")
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


async def queue_on_other_routes(
    pool: Pool, routes: Sequence[str], after_s: float, owner: str | None = None, known: Sequence[str] = ()
) -> list[Rerouted]:
    """Queue on every other of `routes` the newest message of each alarm that could not be delivered for `after_s`.

    `known` are the ways that are served beside these: what waits for another one has failed.
    """
    with translated():
        async with pool.connection() as connection, connection.transaction():
            await still_ours(connection, owner)
            rows = await fetch(
                connection, "notifications", "other_routes", routes=list(routes), known=[*routes, *known],
                after_s=after_s, most=MOST_REROUTED, route_failed=ROUTE_FAILED,
            )  # fmt: skip
            for row in rows:
                message = {"id": new_ulid(), "journal": row["journal"], "alarm": row["alarm"], "route": row["route"]}
                await write(connection, "notifications", "queue_again", **message)
    return [Rerouted(row["alarm"], row["route"]) for row in rows]


async def revive(pool: Pool, routes: Sequence[str], after_s: float) -> int:
    """Take up again the newest message of each open alarm that nobody knows of, `after_s` after it was given up."""
    with translated():
        async with pool.connection() as connection:
            return len(await fetch(connection, "notifications", "revive", routes=list(routes), after_s=after_s))


async def untold(connection: DatabaseConnection, after_s: float) -> Untold:
    """Return how many open alarms that nobody has taken were told to nobody for at least `after_s`."""
    (row,) = await fetch(connection, "notifications", "untold", after_s=after_s)
    since = None if row["since"] is None else to_us(row["since"])
    return Untold(row["alarms"], since, row["most_urgent"], row["priority"])


async def telling(connection: DatabaseConnection, alarms: Sequence[int]) -> dict[int, Telling]:
    """Return by alarm whether people were told of it."""
    rows = await fetch(connection, "notifications", "telling", alarms=list(alarms))
    return {
        row["alarm"]: Telling(
            told=None if row["told"] is None else to_us(row["told"]),
            untold_since=None if row["untold_since"] is None else to_us(row["untold_since"]),
            tries=row["tries"],
            given_up=row["given_up"],
            routes=tuple(row["routes"] or ()),
        )
        for row in rows
    }


async def count_waiting(connection: DatabaseConnection) -> dict[str, int]:
    """Count the messages that wait, by route."""
    return {row["route"]: row["messages"] for row in await fetch(connection, "notifications", "waiting")}


async def attempts_of(connection: DatabaseConnection, alarm: int) -> list[dict[str, Any]]:
    """Return every attempt to tell people of one alarm, oldest first, as rows."""
    return await fetch(connection, "notifications", "of_alarm", alarm=alarm)


async def addressed(connection: DatabaseConnection, message: str) -> Addressed | None:
    """Return a message to a person by its id; None when there is none."""
    rows = await fetch(connection, "notifications", "addressed", message=message)
    return Addressed(**rows[0]) if rows else None


async def named(connection: DatabaseConnection, message: str, attempt: int) -> list[NamedAlarm]:
    """Return the alarms that an attempt of a message to a person told of, its own first."""
    rows = await fetch(connection, "notifications", "named", message=message, attempt=attempt)
    return [NamedAlarm(**row) for row in rows]


async def answer(connection: DatabaseConnection, message: str) -> bool:
    """Note that the link of a message is used up; False when it was before."""
    return bool(await fetch(connection, "notifications", "answer", message=message))


async def _record(connection: DatabaseConnection, message: Claimed, outcome: DeliveryOutcome) -> None:
    for each, attempt in message.attempts:
        await write(
            connection, "notifications", "end_attempt", message=each, attempt=attempt, outcome=outcome.result,
            status=outcome.status, error=outcome.error,
        )  # fmt: skip
