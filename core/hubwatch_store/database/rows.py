"""Named queries whose rows are asked for by column name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from psycopg.rows import dict_row

from hubwatch_store.database.session import DatabaseConnection, settle
from hubwatch_store.database.sql_files import queries


@asynccontextmanager
async def one_state(connection: DatabaseConnection) -> AsyncIterator[None]:
    """Make a transaction whose queries all see what was stored at its first one; it writes nothing."""
    async with connection.transaction():
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield


async def fetch(connection: DatabaseConnection, topic: str, name: str, /, **values: object) -> list[dict[str, Any]]:
    """Run a named query that has rows, and give them by column name."""
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(queries(topic)[name], values)
        await settle(connection)
        return await cursor.fetchall()


async def write(connection: DatabaseConnection, topic: str, name: str, /, **values: object) -> None:
    """Run a named query without rows; inside a pipeline its errors may come with a later query."""
    await connection.execute(queries(topic)[name], values)
