"""The security level of each hub: changed by a journalled act, never by a file; one that has an end ends by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hubwatch_core.alarm import SYSTEM
from hubwatch_core.errors import Permanent
from hubwatch_store.database import DatabaseConnection, translated
from hubwatch_store.database.sql_files import queries

LEVELS = (1, 2, 3)
"""As in ISPS and MARSEC: normal, heightened, exceptional."""
MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Level:
    """The level of a hub, and the act that set it; without one it is as the hub began."""

    hub: str
    level: int
    since: datetime | None
    by: str | None
    note: str | None
    until: datetime | None


@dataclass(frozen=True, slots=True)
class LevelChange:
    """One entry of the journal."""

    at: datetime
    level: int
    former: int
    by: str
    note: str
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Scale:
    """What the levels scale: the values for each level, and what they mean."""

    what: str
    meaning: str
    values: tuple[float, ...]


async def set_level(
    connection: DatabaseConnection, hub: str, level: int, *, by: str, note: str, until: datetime | None = None
) -> int:
    """Set the level of a hub, as `by` says, and return the one before; with `until` that one is in force again then.

    Raises Permanent when nobody says it or why, or there is no such hub, Transient when the database is away.
    """
    if not by.strip() or not note.strip():
        raise Permanent("a level is set by somebody, for a reason: give --by and --note")
    named = queries("level")
    with translated():
        async with connection.transaction():
            former = await hold_level(connection, hub)
            values = {"hub": hub, "level": level, "former": former, "by": by, "note": note, "until": until}
            await connection.execute(named["add"], values)
            await _put(connection, values)
            return former


async def hold_level(connection: DatabaseConnection, hub: str) -> int:
    """Return the level of a hub, which nobody else changes until the caller's transaction ends.

    Raises Permanent when there is no such hub, Transient when the database is away.
    """
    with translated():
        await _end_due(connection, hub)
        row = await (await connection.execute(queries("level")["lock"], {"hub": hub})).fetchone()
    if row is None:
        raise Permanent(f"there is no hub {hub}")
    return int(str(row[0]))


async def end_due(connection: DatabaseConnection) -> list[str]:
    """End what has ended by now, at every hub; return the hubs where that was so. Raises Transient or Permanent."""
    with translated():
        async with connection.transaction():
            hubs = [str(row[0]) for row in await _due(connection, None)]
            return [hub for hub in hubs if await _end_due(connection, hub)]


async def levels(connection: DatabaseConnection, hub: str | None = None) -> list[Level]:
    """Return the level of every hub, or of one. Raises Transient or Permanent."""
    with translated():
        cursor = await connection.execute(queries("level")["standing"], {"hub": hub})
        return [Level(*row) for row in await _rows(cursor)]


async def level_history(connection: DatabaseConnection, hub: str, most: int = MOST_SHOWN) -> list[LevelChange]:
    """Return the last changes at a hub, the newest first. Raises Transient or Permanent."""
    with translated():
        cursor = await connection.execute(queries("level")["history"], {"hub": hub, "most": most})
        return [LevelChange(*row) for row in await _rows(cursor)]


async def scales(connection: DatabaseConnection) -> list[Scale]:
    """Return what each level scales. Raises Transient or Permanent."""
    with translated():
        cursor = await connection.execute(queries("level")["scales"])
        return [Scale(what, meaning, tuple(values)) for what, meaning, values in await _rows(cursor)]


async def _due(connection: DatabaseConnection, hub: str | None) -> Sequence[tuple[Any, ...]]:
    return await _rows(await connection.execute(queries("level")["due"], {"hub": hub}))


async def _end_due(connection: DatabaseConnection, hub: str) -> bool:
    """End what has ended at one hub, which nobody else changes meanwhile; return whether there was something."""
    await connection.execute(queries("level")["lock"], {"hub": hub})
    ended = False
    while due := await _due(connection, hub):
        ((_, level, former, act, what),) = due
        note = f"level {what} has ended at its time"
        values = {"hub": hub, "level": level, "former": former, "by": SYSTEM, "note": note, "ends": act}
        await connection.execute(queries("level")["end"], values)
        await _put(connection, values)
        ended = True
    return ended


async def _put(connection: DatabaseConnection, values: dict[str, Any]) -> None:
    await connection.execute(queries("level")["put"], values)
    await connection.execute(queries("site")["tell"], {"hub": values["hub"]})


async def _rows(cursor: Any) -> Sequence[tuple[Any, ...]]:
    found: Sequence[tuple[Any, ...]] = await cursor.fetchall()
    return found
