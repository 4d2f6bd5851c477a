"""LISTEN: hears at once that something was written, so that polling need only be a net."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from psycopg import sql

from hubwatch_store.config import DatabaseSection
from hubwatch_store.errors import translated
from hubwatch_store.pool import connect

HEARTBEAT_S = 1.0


async def listen(
    settings: DatabaseSection, channels: Sequence[str], name: str = "hubwatch"
) -> AsyncGenerator[str, None]:
    """Yield the channel of every NOTIFY, and "" at least once a second so that the caller can stop.

    Notifications sent while nobody listened are not repeated. Raises Transient when the connection is lost.
    """
    connection = await connect(settings, name)
    with translated():
        async with connection:
            for channel in channels:
                await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
            yield ""
            while True:
                async for notice in connection.notifies(timeout=HEARTBEAT_S):
                    yield notice.channel
                # A dead peer shows only when something is asked of it.
                await connection.execute("SELECT 1")
                yield ""
