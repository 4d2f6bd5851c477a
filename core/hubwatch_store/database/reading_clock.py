"""The database's clock, which is the hub's."""

from __future__ import annotations

from typing import Any

from hubwatch_core.clock import to_us
from hubwatch_store.database.errors import translated
from hubwatch_store.database.pool import Pool
from hubwatch_store.database.session import DatabaseConnection


async def database_clock(connection: DatabaseConnection) -> int:
    """Return the database's time (µs UTC). Raises Transient or Permanent."""
    with translated():
        row: tuple[Any, ...] | None = await (await connection.execute("SELECT clock_timestamp()")).fetchone()
    assert row is not None, "a select without a table gives one row"
    return to_us(row[0])


async def clock_of(pool: Pool) -> int:
    """Return the time of a pool's database (µs UTC). Raises Transient or Permanent."""
    with translated():
        async with pool.connection() as connection:
            return await database_clock(connection)
