"""The queue of open alarms, a page at a time, and what happened to alarms since somebody last looked.

Every function works inside `translated()`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hubwatch_core.alarm import Alarm
from hubwatch_store.alarms import alarms
from hubwatch_store.database import DatabaseConnection, fetch

UNTOLD_AFTER_S = 30.0
"""To tell people takes a moment: only then is it said that nobody was told."""
MOST_UNTOLD = 1000


class Which(StrEnum):
    """Which of the open alarms."""

    ALL = "all"
    WAITING = "waiting"
    """Nobody has them."""
    TAKEN = "taken"
    MINE = "mine"
    """Whoever looks has them."""
    ASIDE = "aside"
    """Shelved, expected or out of service."""


@dataclass(frozen=True, slots=True)
class QueueFilter:
    """What somebody wants to see of the queue."""

    hub: str | None = None
    zone: str | None = None
    priority: int | None = None
    """This priority and those more urgent."""
    which: Which = Which.ALL


@dataclass(frozen=True, slots=True)
class HubSeen:
    """A hub that somebody sees."""

    hub: str
    name: str
    security_level: int


@dataclass(frozen=True, slots=True)
class AlarmMove:
    """An entry of the alarms' journal, with the alarm as it stands now."""

    id: int
    at: datetime
    action: str
    by: str
    to_state: str
    alarm: int
    hub: str
    zone: str | None
    sensor: str
    type: str
    priority: int
    state: str
    acknowledged_by: str | None
    incident: int | None
    exercise: int | None
    """The drill that made the alarm up; None is what is real."""


async def page(
    connection: DatabaseConnection,
    wanted: QueueFilter,
    *,
    person: str,
    skip: int,
    most: int,
    seen: Sequence[str] | None,
    calm: bool = False,
) -> list[Alarm]:
    """Return up to `most` open alarms after the first `skip`, of the hubs that are `seen` where that is given.

    `calm`: it is known that none of these hubs is in a flood.
    """
    rows = await fetch(
        connection, "console", "queue_calm" if calm else "queue", hub=wanted.hub, zone=wanted.zone,
        priority=wanted.priority, which=str(wanted.which), person=person, skip=skip, most=most, seen=_list(seen),
    )  # fmt: skip
    return [alarms.alarm_of(row) for row in rows]


async def counts(
    connection: DatabaseConnection, hub: str | None, seen: Sequence[str] | None
) -> dict[tuple[str, int], int]:
    """Count open alarms by state and priority, those of exercises too."""
    rows = await fetch(connection, "console", "counts", hub=hub, seen=_list(seen))
    return {(row["state"], row["priority"]): row["alarms"] for row in rows}


async def exercised(
    connection: DatabaseConnection, hub: str | None, seen: Sequence[str] | None
) -> dict[tuple[str, int], int]:
    """Count the open alarms that exercises made up, by state and priority."""
    rows = await fetch(connection, "console", "exercised", hub=hub, seen=_list(seen))
    return {(row["state"], row["priority"]): row["alarms"] for row in rows}


async def untold(connection: DatabaseConnection, hub: str | None, seen: Sequence[str] | None) -> int:
    """Count the real alarms that nobody has and of which nobody was told in time, up to `MOST_UNTOLD`."""
    (row,) = await fetch(
        connection, "console", "untold", hub=hub, seen=_list(seen), after_s=UNTOLD_AFTER_S, most=MOST_UNTOLD
    )
    return int(row["alarms"])


async def hubs(connection: DatabaseConnection, seen: Sequence[str] | None) -> list[HubSeen]:
    """Return the hubs that somebody sees, by name."""
    return [HubSeen(**row) for row in await fetch(connection, "console", "hubs", seen=_list(seen))]


async def zones(connection: DatabaseConnection, seen: Sequence[str] | None) -> list[str]:
    """Return the zones of the hubs that somebody sees, at most 500."""
    return [row["zone"] for row in await fetch(connection, "console", "zones", seen=_list(seen))]


async def last_move(connection: DatabaseConnection) -> int:
    """Return the number of the newest entry of the alarms' journal, 0 where there is none.

    Entries are written by one at a time (`lock_alarms`), so that none with a smaller number comes later.
    """
    (row,) = await fetch(connection, "console", "last_move")
    return int(row["last"])


async def moves(connection: DatabaseConnection, after: int, most: int) -> list[AlarmMove]:
    """Return up to `most` entries of the alarms' journal after one, in order."""
    return [AlarmMove(**row) for row in await fetch(connection, "console", "moves", after=after, most=most)]


def _list(seen: Sequence[str] | None) -> list[str] | None:
    return None if seen is None else list(seen)
