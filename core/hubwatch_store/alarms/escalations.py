"""Escalations of alarms in the database: which step was told, and when the next is due.

Every function works inside the transaction of `moving`, so that a step is told and counted or neither.
"""

from __future__ import annotations

from dataclasses import dataclass

from hubwatch_core.clock import to_datetime, to_us
from hubwatch_core.ids import new_ulid
from hubwatch_core.words import AlarmState
from hubwatch_store.database import DatabaseConnection, fetch, write


@dataclass(frozen=True, slots=True)
class DueStep:
    """An alarm of which an escalation's next step is due; `told` steps were told since `began` (µs)."""

    alarm: int
    escalation: str
    began: int
    told: int
    hub: str
    zone: str | None
    type: str
    subject: str | None
    priority: int
    state: AlarmState


async def begin(
    connection: DatabaseConnection, alarm: int, escalation: str, *, began: int, told: int, due: int, anew: bool
) -> None:
    """Put an alarm on an escalation, with its first steps told; one that is on it begins from there only if `anew`."""
    await write(
        connection, "escalations", "begin", alarm=alarm, escalation=escalation, began=to_datetime(began), told=told,
        due=to_datetime(due), anew=anew,
    )  # fmt: skip


async def end(connection: DatabaseConnection, alarm: int) -> None:
    """Stop every escalation of an alarm, for everybody: what waits is withdrawn."""
    await write(connection, "escalations", "end", alarm=alarm)
    await write(connection, "escalations", "withdraw", alarm=alarm)


async def leave(connection: DatabaseConnection, alarm: int, escalation: str) -> None:
    """Take an alarm off one escalation."""
    await write(connection, "escalations", "leave", alarm=alarm, escalation=escalation)


async def due(connection: DatabaseConnection, now: int, most: int) -> list[DueStep]:
    """Return up to `most` escalations of which a step is due, the most urgent alarm first."""
    rows = await fetch(connection, "escalations", "due", now=to_datetime(now), most=most)
    return [
        DueStep(
            row["alarm"], row["escalation"], to_us(row["began"]), row["told"], row["hub"], row["zone"], row["type"],
            row["subject"], row["priority"], AlarmState(row["state"]),
        )
        for row in rows
    ]  # fmt: skip


async def tell_step(connection: DatabaseConnection, step: DueStep, *, now: int, due: int, note: str) -> int:
    """Count a step as told and write it into the alarm's journal; return the number of the entry."""
    moment = to_datetime(now)
    await write(
        connection, "escalations", "step", alarm=step.alarm, escalation=step.escalation, told=step.told + 1, now=moment,
        due=to_datetime(due),
    )  # fmt: skip
    (row,) = await fetch(
        connection, "escalations", "write_step", alarm=step.alarm, now=moment, state=step.state, note=note
    )
    return int(row["journal"])


async def queue(connection: DatabaseConnection, journal: int, alarm: int, way: str, escalation: str) -> None:
    """Put a message about a journal entry into the outbox of a way, unless it is there."""
    await write(
        connection,
        "escalations",
        "queue",
        id=new_ulid(),
        journal=journal,
        alarm=alarm,
        route=way,
        escalation=escalation,
    )
