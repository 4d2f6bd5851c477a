"""LISTEN: hears at once that something was written, so that polling need only be a net."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from psycopg import sql

from hubwatch_core.errors import Transient
from hubwatch_store.database.errors import translated
from hubwatch_store.database.session import answers, connect, hang_up
from hubwatch_store.database.settings import DatabaseSection

PROOF_EVERY_S = 1.0
"""How often the connection is asked whether it still hears: a dead one is as silent as one without news."""


async def listen(
    settings: DatabaseSection, channels: Sequence[str], name: str = "hubwatch"
) -> AsyncGenerator[str, None]:
    """Yield the channel of every NOTIFY, and "" at least once a second when the connection has shown that it hears.

    Notifications sent while nobody listened are not repeated. Raises Transient when the connection is lost or does not
    answer within `connect_timeout_s`.
    """
    connection = await connect(settings, name)
    try:
        with translated():
            for channel in channels:
                await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
            yield ""
            while True:
                async for notice in connection.notifies(timeout=PROOF_EVERY_S):
                    yield notice.channel
                if not await answers(connection, settings.connect_timeout_s):
                    raise Transient(f"the database did not answer within {settings.connect_timeout_s} s")
                yield ""
    finally:
        hang_up(connection)
        await connection.close()
