"""Wishes that alarms end because what reported their condition is gone: an agent, a sensor, a detector.

Whoever knows writes one in the transaction in which it becomes true; the alarms component moves the alarms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hubwatch_core.alarm import SYSTEM, Alarm
from hubwatch_store.alarms.alarms import alarm_of
from hubwatch_store.database import DatabaseConnection, fetch, write


@dataclass(frozen=True, slots=True)
class Closing:
    """One wish: which open alarms, who asked, why, and whether what nobody acknowledged waits for a person."""

    id: int
    hub: str
    sensor: str | None
    types: Sequence[str] | None
    by: str
    reason: str
    keep_unacknowledged: bool


async def ask_closing(
    connection: DatabaseConnection,
    *,
    hub: str,
    reason: str,
    sensor: str | None = None,
    types: Sequence[str] | None = None,
    by: str = SYSTEM,
    keep_unacknowledged: bool,
) -> None:
    """Ask that the open alarms of a hub (of one sensor, of these types or families of types) end; works in the
    transaction of `connection`.

    With `keep_unacknowledged` an alarm that nobody has acknowledged becomes `returned` and waits for a person; without
    it every one is closed. `reason` stands in the journal and must be a text without NUL.
    """
    await write(
        connection,
        "alarms",
        "ask_closing",
        hub=hub,
        sensor=sensor,
        types=None if types is None else list(types),
        by=by,
        reason=reason,
        keep_unacknowledged=keep_unacknowledged,
    )


async def closings(connection: DatabaseConnection, most: int) -> list[Closing]:
    """Return up to `most` wishes, oldest first."""
    return [Closing(**row) for row in await fetch(connection, "alarms", "closings", most=most)]


async def alarms_of(connection: DatabaseConnection, closing: Closing, most: int) -> list[Alarm]:
    """Return up to `most` of the open alarms that a wish is about and that it would change."""
    rows = await fetch(
        connection,
        "alarms",
        "closed_by_wish",
        hub=closing.hub,
        sensor=closing.sensor,
        types=None if closing.types is None else list(closing.types),
        keep_unacknowledged=closing.keep_unacknowledged,
        most=most,
    )
    return [alarm_of(row) for row in rows]


async def done(connection: DatabaseConnection, closing: Closing) -> None:
    """Take a wish away."""
    await write(connection, "alarms", "closing_done", id=closing.id)
