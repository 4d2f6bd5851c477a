"""Drills in the database: what is made up and when, and what came of it.

Every function works inside the transaction of its caller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hubwatch_core.alarm import Alarm
from hubwatch_core.clock import to_datetime
from hubwatch_core.ids import new_ulid
from hubwatch_store.alarms.alarms import alarm_of
from hubwatch_store.database import DatabaseConnection, fetch, write


@dataclass(frozen=True, slots=True)
class Drill:
    """One exercise: of which scenario, where, from when to when, by whom."""

    id: int
    hub: str
    scenario: str
    title: str
    zone: str | None
    began: datetime
    ends: datetime
    by: str
    verified: bool
    note: str | None
    ended: datetime | None
    ended_by: str | None


@dataclass(frozen=True, slots=True)
class DrillSensor:
    """A sensor or an agent (kind `agent`) where something can be made up."""

    kind: str
    name: str
    zone: str | None


@dataclass(frozen=True, slots=True)
class DrillStep:
    """One detection to make up, `due` µs after the beginning; its condition goes at `until`, or with the drill."""

    due: int
    until: int | None
    type: str
    sensor: str
    subject: str | None
    priority: int
    score: float
    why: str


async def sensors(connection: DatabaseConnection, hub: str, zone: str | None) -> list[DrillSensor]:
    """Return the sensors and agents of a hub, or of one of its zones."""
    return [DrillSensor(**row) for row in await fetch(connection, "drills", "sensors", hub=hub, zone=zone)]


async def begin(
    connection: DatabaseConnection, values: Mapping[str, object], began: int, steps: Sequence[DrillStep]
) -> Drill | None:
    """Write a drill of these fields and what it makes up; None while there is another one at its hub."""
    rows = await fetch(connection, "drills", "add", **values, began=to_datetime(began))
    if not rows:
        return None
    drill = Drill(**rows[0])
    for number, step in enumerate(steps, start=1):
        until = None if step.until is None else to_datetime(began + step.until)
        await write(
            connection, "drills", "add_step", drill=drill.id, number=number, detection=new_ulid(),
            due=to_datetime(began + step.due), until=until, type=step.type, sensor=step.sensor, subject=step.subject,
            priority=step.priority, score=step.score, why=step.why,
        )  # fmt: skip
    return drill


async def running(connection: DatabaseConnection, hub: str) -> Drill | None:
    """Return the drill of a hub that is not over."""
    rows = await fetch(connection, "drills", "running", hub=hub)
    return Drill(**rows[0]) if rows else None


async def one(connection: DatabaseConnection, number: int) -> Drill | None:
    """Return a drill, whatever became of it."""
    rows = await fetch(connection, "drills", "one", id=number)
    return Drill(**rows[0]) if rows else None


async def list_drills(
    connection: DatabaseConnection, *, hub: str | None, most: int, seen: Sequence[str] | None = None,
    before: int | None = None,
) -> list[Drill]:  # fmt: skip
    """Return up to `most` drills, the newest first, of the hubs that are `seen`, `before` one where these are given."""
    values = {"hub": hub, "most": most, "seen": None if seen is None else list(seen), "before": before}
    return [Drill(**row) for row in await fetch(connection, "drills", "list_drills", **values)]


async def end(connection: DatabaseConnection, number: int, by: str) -> Drill | None:
    """End a drill before its time; None when it was over already."""
    rows = await fetch(connection, "drills", "end", id=number, by=by)
    return Drill(**rows[0]) if rows else None


async def go_on(connection: DatabaseConnection, now: int, most: int) -> int:
    """End what is over, make up what is due, let go what has lasted long enough; return how many findings that made."""
    moment = to_datetime(now)
    await write(connection, "drills", "end_due", now=moment)
    sent = await fetch(connection, "drills", "send_due", now=moment, most=most)
    gone = await fetch(connection, "drills", "end_sent", now=moment)
    return len(sent) + len(gone)


async def left(connection: DatabaseConnection, most: int) -> list[tuple[Alarm, str]]:
    """Return up to `most` open alarms of drills that are over, each with who ended its drill."""
    rows = await fetch(connection, "drills", "left", most=most)
    return [(alarm_of(row), row["ended_by"]) for row in rows]


async def close_incidents(connection: DatabaseConnection, now: int) -> None:
    """End incidents of drills that are over, although somebody has commented on them or has them."""
    await write(connection, "drills", "close_incidents", now=to_datetime(now))


async def alarms_of(connection: DatabaseConnection, number: int) -> list[dict[str, Any]]:
    """Return the alarms of a drill with who answered, as rows."""
    return await fetch(connection, "drills", "alarms", id=number)


async def told_of(connection: DatabaseConnection, number: int) -> list[dict[str, Any]]:
    """Return whom a drill told and by what, as rows."""
    return await fetch(connection, "drills", "told", id=number)


async def steps_of(connection: DatabaseConnection, number: int) -> list[dict[str, Any]]:
    """Return what a drill makes up and what of it was, as rows."""
    return await fetch(connection, "drills", "steps", id=number)
