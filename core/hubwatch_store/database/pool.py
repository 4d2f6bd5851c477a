"""A pool of connections for those who ask now and then.

psycopg's own pool connects in the background: whoever asks is told that there was no connection in time, not that the
password was refused, and it knows its connection string once for all. Here whoever asks connects, and is told.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic

from psycopg.pq import TransactionStatus

from hubwatch_core.errors import Transient
from hubwatch_store.database.errors import leaves_session_sound
from hubwatch_store.database.session import DatabaseConnection, answers, connect, hang_up
from hubwatch_store.database.settings import DatabaseSection, conninfo

UNUSED_S = 60.0
"""A connection beyond `min_connections` that nobody has used for this long is closed."""


@dataclass(frozen=True, slots=True)
class _Idle:
    connection: DatabaseConnection
    since: float


class Pool:
    """Autocommit connections, made when they are needed, proven before they are given out."""

    def __init__(self, settings: DatabaseSection, name: str) -> None:
        self._settings, self._name = settings, name
        self._most = max(settings.min_connections, settings.max_connections)
        self._slots = asyncio.Semaphore(self._most)
        self._idle: list[_Idle] = []
        """What may be given out; the one used last is last."""

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[DatabaseConnection]:
        """Lend a connection; after an error that leaves its session in doubt it is closed, at once.

        Raises Transient when the database is away, refuses the login or all connections are in use; Permanent as
        `connect`. Whoever asks something over it does so inside `translated()`.
        """
        connection = await self._taken()
        try:
            yield connection
        except BaseException as error:
            sound = leaves_session_sound(error)
            await self._give_back(connection, sound=sound)
            if not sound:
                await self.close()  # what was connected when that one was is no better
            raise
        else:
            await self._give_back(connection, sound=True)
        finally:
            self._slots.release()

    async def close(self) -> None:
        """Close what nobody uses."""
        idle, self._idle = self._idle, []
        for each in idle:
            await each.connection.close()

    async def _taken(self) -> DatabaseConnection:
        limit_s = self._settings.connect_timeout_s
        try:
            async with asyncio.timeout(limit_s):
                await self._slots.acquire()
        except TimeoutError:
            raise Transient(f"all {self._most} connections to the database were in use for {limit_s:g} s") from None
        try:
            while self._idle:
                connection = self._idle.pop().connection
                if await self._still_answers(connection):
                    return connection
                await self.close()
            return await connect(self._settings, self._name)
        except BaseException:
            self._slots.release()
            raise

    async def _still_answers(self, connection: DatabaseConnection) -> bool:
        try:
            return not connection.closed and await answers(connection, self._settings.connect_timeout_s)
        except BaseException:
            await _dismiss(connection)
            raise

    async def _give_back(self, connection: DatabaseConnection, *, sound: bool) -> None:
        if sound and not connection.closed and connection.info.transaction_status == TransactionStatus.IDLE:
            self._idle.append(_Idle(connection, monotonic()))
        else:
            await _dismiss(connection)
        while len(self._idle) > max(1, self._settings.min_connections):
            if monotonic() - self._idle[0].since < UNUSED_S:
                break
            await self._idle.pop(0).connection.close()


@asynccontextmanager
async def open_pool(settings: DatabaseSection, name: str = "hubwatch") -> AsyncIterator[Pool]:
    """Return a pool; does not wait for the database to be there. Raises Permanent when the password file is no good."""
    conninfo(settings, name)
    pool = Pool(settings, name)
    try:
        yield pool
    finally:
        await pool.close()


async def _dismiss(connection: DatabaseConnection) -> None:
    """Close a connection without a word to the server, which may not be there."""
    hang_up(connection)
    await connection.close()
