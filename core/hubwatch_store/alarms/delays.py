"""Detections that wait before they make an alarm, because their type has an on delay."""

from __future__ import annotations

from hubwatch_core.alarm import DetectedCondition
from hubwatch_core.clock import to_datetime
from hubwatch_store.alarms.closing import Closing
from hubwatch_store.database import DatabaseConnection, fetch, write


async def delay(connection: DatabaseConnection, found: DetectedCondition, now: int, due: int) -> None:
    """Let a detection wait until `due`."""
    await _keep(connection, found, now, due, None)


async def pass_by(connection: DatabaseConnection, found: DetectedCondition, now: int, due: int) -> None:
    """Record that a detection was over before `due`, so that it makes no alarm."""
    await _keep(connection, found, now, due, "passed")


async def ended(connection: DatabaseConnection, found: DetectedCondition, now: int, *, lasted: bool) -> bool:
    """Decide on a detection that waits and has ended: alarmed if it `lasted`. Return whether it passed by."""
    rows = await fetch(
        connection, "alarms", "delayed_ended", detection=found.id, now=to_datetime(now), lasted=lasted
    )  # fmt: skip
    if rows and lasted:
        await write(connection, "alarms", "take_again", detection=found.id)
    return bool(rows) and not lasted


async def release_due(connection: DatabaseConnection, now: int, most: int) -> int:
    """Let up to `most` detections that have waited long enough be taken; return how many."""
    rows = await fetch(connection, "alarms", "delays_over", now=to_datetime(now), most=most)
    for row in rows:
        await write(connection, "alarms", "take_again", detection=row["detection"])
    return len(rows)


async def drop(connection: DatabaseConnection, wish: Closing, now: int) -> None:
    """Let what waits of something that is gone make no alarm."""
    await write(
        connection, "alarms", "delays_dropped", hub=wish.hub, sensor=wish.sensor,
        types=None if wish.types is None else list(wish.types), now=to_datetime(now),
    )  # fmt: skip


async def _keep(
    connection: DatabaseConnection, found: DetectedCondition, now: int, due: int, outcome: str | None
) -> None:
    await write(
        connection, "alarms", "delay", detection=found.id, hub=found.hub, now=to_datetime(now), due=to_datetime(due),
        outcome=outcome,
    )  # fmt: skip
