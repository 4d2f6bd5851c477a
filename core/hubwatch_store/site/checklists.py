"""What people have ticked on the checklist of a hub's security level, in the database.

Every function works inside `translated()`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from hubwatch_core.permission import Actor
from hubwatch_store.database import DatabaseConnection, fetch, write


@dataclass(frozen=True, slots=True)
class ListedLevel:
    """The security level of a hub; its list begins anew with each change of it."""

    level: int
    began: int | None
    """The entry of the level's journal with which it began; None: it is as the hub began."""
    list: int
    """Of which level the list is shown, as the table of what levels scale says."""


@dataclass(frozen=True, slots=True)
class Tick:
    """What was said last of an item: that it is done, or that it is to be done again."""

    item: str
    text: str
    """The item as it was read then."""
    done: bool
    by: str
    verified: bool
    at: datetime
    note: str | None


async def level_of(connection: DatabaseConnection, hub: str, *, hold: bool = False) -> ListedLevel | None:
    """Return the level of a hub, None where there is no such hub; with `hold` nobody sets it in this transaction."""
    if hold:
        await fetch(connection, "level", "lock", hub=hub)
    rows = await fetch(connection, "checklists", "level", hub=hub)
    return ListedLevel(**rows[0]) if rows else None


async def ticks(connection: DatabaseConnection, hub: str, began: int | None) -> dict[str, Tick]:
    """Return by item what was said last since a level began."""
    rows = await fetch(connection, "checklists", "ticks", hub=hub, began=began)
    return {row["item"]: Tick(**row) for row in rows}


async def add(
    connection: DatabaseConnection, hub: str, level: ListedLevel, item: str, text: str, by: Actor, *, done: bool,
    note: str | None,
) -> None:  # fmt: skip
    """Tick an item, or take the tick away."""
    await write(
        connection, "checklists", "add", hub=hub, began=level.began, level=level.level, item=item, text=text, done=done,
        by=by.name, verified=by.verified, note=note,
    )  # fmt: skip
