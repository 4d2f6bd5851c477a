"""One connection for one command that awaits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from hubwatch_core.permission import Actor
    from hubwatch_store.database import DatabaseConnection

Result = TypeVar("Result")


def with_database(
    work: Callable[[DatabaseConnection], Awaitable[Result]], config: Path | None, dsn: str | None, name: str
) -> Result:
    """Do some work over a connection of its own, which the database knows by `name`.

    Raises ConfigError, Transient or Permanent.
    """
    from hubwatch_ops.database.settings import load_database
    from hubwatch_store.database import check_schema, connect

    settings = load_database(config, dsn)
    check_schema(settings)

    async def connected() -> Result:
        async with await connect(settings, name) as connection:
            return await work(connection)

    return asyncio.run(connected())


def at_their_word(
    work: Callable[[DatabaseConnection, Actor], Awaitable[Result]],
    by: str,
    config: Path | None,
    dsn: str | None,
    name: str,
) -> Result:
    """Do what somebody orders who only says who they are; raises Permanent where there is a directory of users."""
    from hubwatch_store.users import taken_at_their_word

    async def ordered(connection: DatabaseConnection) -> Result:
        return await work(connection, await taken_at_their_word(connection, by))

    return with_database(ordered, config, dsn, name)
