"""What detectors have taken since their states were last written, so that a crash loses nothing of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

from hubwatch_store.database import DatabaseConnection, Pool, translated
from hubwatch_store.database.sql_files import queries


class JournalRow(NamedTuple):
    """Entries of one hub; `version` says how they are written, `id` their place, once they are stored."""

    hub: str
    version: int
    entries: bytes
    id: int = 0


async def load_journal(pool: Pool, hubs: Sequence[str] = ()) -> list[JournalRow]:
    """Return what was taken since the last snapshots, of `hubs` or of all when none is named, in order.

    Raises Transient or Permanent.
    """
    with translated():
        async with pool.connection() as connection:
            cursor = await connection.execute(queries("detector_journal")["load"], {"hubs": list(hubs) or None})
            rows = cast("list[tuple[str, int, bytes, int]]", await cursor.fetchall())
    return [JournalRow(*row) for row in rows]


async def add_entries(connection: DatabaseConnection, rows: Sequence[JournalRow]) -> dict[str, int]:
    """Store rows inside the caller's transaction; return the place of each hub's last one."""
    places: dict[str, int] = {}
    for row in rows:
        cursor = await connection.execute(queries("detector_journal")["add"], row._asdict())
        (places[row.hub],) = cast("tuple[int]", await cursor.fetchone())
    return places


async def drop_entries(connection: DatabaseConnection, hub: str, until: int) -> None:
    """Remove the rows of a hub up to a place, inside the caller's transaction."""
    await connection.execute(queries("detector_journal")["drop"], {"hub": hub, "until": until})
