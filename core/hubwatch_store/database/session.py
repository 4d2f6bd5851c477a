"""Sessions with the database: every wait for its answer has an end, and then the session is closed at once.

Neither the server's `statement_timeout` nor TCP's timers end the wait for a session that stays open without a server
behind it: a proxy or load balancer may go on to acknowledge what we send. So the client counts, at the one place where
psycopg waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Generator
from contextlib import suppress
from time import monotonic
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection, Connection
from psycopg.conninfo import conninfo_to_dict

from hubwatch_core.errors import Permanent, Transient
from hubwatch_store.database.errors import POOLER_BETWEEN, DatabaseLoginRefused, translated
from hubwatch_store.database.left_behind import WHO_AM_I, ServerSession, end_of, give_up, is_ended, left_at
from hubwatch_store.database.settings import DatabaseSection, conninfo

ANSWER_MARGIN_S = 1.0
"""How much later than the server, which ends a statement by itself, we give it up."""

DatabaseConnection = AsyncConnection[tuple[object, ...]]

_T = TypeVar("_T")
_Waiting = Generator[Any, Any, _T]


class SilentSession(psycopg.OperationalError):
    """A session that did not answer in time; it is closed."""


class _AsyncSession(AsyncConnection[tuple[object, ...]]):
    """A session of a process."""

    limit_s: float | None = None
    """How long one answer may take."""
    known_as: ServerSession | None = None

    async def wait(self, gen: _Waiting[_T], *args: Any, **more: Any) -> _T:
        """Wait as psycopg does, at most `limit_s` seconds; raises SilentSession."""
        return await super().wait(_limited(gen, self, self.limit_s), *args, **more)

    async def settle(self) -> None:
        # `idle_in_transaction_session_timeout` counts only after the message Sync: in the middle of a pipeline a server
        # waits for a silent client for ever, with its locks.
        if self._pipeline is not None:
            await self._pipeline.sync()


class _Session(Connection[tuple[object, ...]]):
    """A session of a command or a thread, whose statements may take long: they end when nobody works on them."""

    limit_s: float | None = None
    """After how long without an answer we look whether the server is still at work."""
    at_work: Callable[[], bool] | None = None
    """Asks the server that over another connection."""
    known_as: ServerSession | None = None

    def wait(self, gen: _Waiting[_T], *args: Any, **more: Any) -> _T:
        """Wait as psycopg does; raises SilentSession when the server does not work on it after `limit_s` seconds."""
        return super().wait(_limited(gen, self, self.limit_s, self.at_work), *args, **more)


def _limited(
    gen: _Waiting[_T],
    session: _AsyncSession | _Session,
    limit_s: float | None,
    at_work: Callable[[], bool] | None = None,
) -> _Waiting[_T]:
    """Run psycopg's generator, which is resumed at least each 0.1 s; close the session when the time is over."""
    if limit_s is None:
        return (yield from gen)
    began = monotonic()
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if not ready and monotonic() - began > limit_s:
                if at_work is None or not at_work():
                    hang_up(session)
                    session.pgconn.finish()
                    raise SilentSession(f"no answer within {limit_s:g} s, session closed")
                began = monotonic()
            wanted = gen.send(ready)
    except StopIteration as end:
        answer: _T = end.value
        return answer


async def connect(settings: DatabaseSection, name: str = "hubwatch") -> DatabaseConnection:
    """Open one autocommit connection, with the password as it is in its file now.

    Raises Transient when the database is away, DatabaseLoginRefused when it does not let us in or the password file
    cannot be read, Permanent when a pooler is between us or an option is wrong.
    """
    info, limit_s = _info(settings, name), _connect_limit_s(settings)
    try:
        async with asyncio.timeout(limit_s):
            with translated():
                session = await _AsyncSession.connect(info, autocommit=True)
            return await _proven(session, settings)
    except TimeoutError:
        raise Transient(f"the database did not take the connection within {limit_s:g} s") from None


def _info(settings: DatabaseSection, name: str) -> str:
    try:
        return conninfo(settings, name)
    except Permanent as error:  # a file is just being replaced, or was replaced by a bad one
        raise DatabaseLoginRefused(str(error)) from None


async def _proven(session: _AsyncSession, settings: DatabaseSection) -> _AsyncSession:
    try:
        session.limit_s = settings.connect_timeout_s
        with translated():
            row = await (await session.execute(WHO_AM_I)).fetchone()
        session.known_as = _identified(session.info.backend_pid, row, settings.dsn)
        with translated():
            for given_up in left_at(settings.dsn):
                await session.execute(*end_of(given_up))
                is_ended(given_up)
        session.limit_s = settings.statement_timeout_s + ANSWER_MARGIN_S
    except BaseException:
        await session.close()
        raise
    return session


def connect_sync(settings: DatabaseSection, name: str = "hubwatch") -> Connection[tuple[object, ...]]:
    """Open one autocommit connection for a command or a thread; errors as in `connect`."""
    info = _info(settings, name)
    with translated():
        session = _Session.connect(info, autocommit=True)
    try:
        session.limit_s = settings.connect_timeout_s
        with translated():
            row = session.execute(WHO_AM_I).fetchone()
        session.known_as = _identified(session.info.backend_pid, row, settings.dsn)
        with translated():
            for given_up in left_at(settings.dsn):
                session.execute(*end_of(given_up))
                is_ended(given_up)
    except BaseException:
        session.close()
        raise
    pid = session.info.backend_pid
    session.limit_s = settings.statement_timeout_s + ANSWER_MARGIN_S
    session.at_work = lambda: _is_at_work(info, pid, settings.connect_timeout_s)
    return session


def limit_answers(session: Connection[Any], seconds: float) -> None:
    """Let a session of `connect_sync` wait for an answer no longer than that, whatever the server does meanwhile."""
    assert isinstance(session, _Session), "made by connect_sync"
    session.limit_s, session.at_work = seconds, None


async def answers(session: DatabaseConnection, within_s: float) -> bool:
    """Return whether a session that was not used for a while still answers; one that does not is closed."""
    assert isinstance(session, _AsyncSession), "made by connect"
    usual_s, session.limit_s = session.limit_s, within_s
    try:
        await session.execute("SELECT 1")
    except psycopg.Error:
        await session.close()
        return False
    finally:
        session.limit_s = usual_s
    return True


async def settle(connection: DatabaseConnection) -> None:
    """Wait for the answers to what was asked in a pipeline, so that the server waits for us only so long."""
    if isinstance(connection, _AsyncSession):
        await connection.settle()


def hang_up(connection: Connection[Any] | AsyncConnection[Any]) -> None:
    """Cut a connection, whatever runs on it: whoever waits for its answer, in any thread, gets an error at once.

    The server may not notice; the next connection of this process ends the session there.
    """
    if connection.closed:
        return
    if isinstance(connection, _AsyncSession | _Session) and connection.known_as is not None:
        give_up(connection.known_as)
    with socket.socket(fileno=os.dup(connection.fileno())) as link, contextlib.suppress(OSError):
        link.shutdown(socket.SHUT_RDWR)


def _identified(told_pid: int, row: tuple[object, ...] | None, dsn: str) -> ServerSession:
    """A pooler tells each client a process id of its own making; PostgreSQL tells that of the session."""
    if row is None or row[0] != told_pid:
        raise Permanent(POOLER_BETWEEN)
    return ServerSession(dsn, told_pid, row[1])


_AT_WORK = """
    SELECT state = 'active' AND wait_event_type IS DISTINCT FROM 'Client' FROM pg_stat_activity WHERE pid = %s
"""


def _is_at_work(info: str, pid: int, limit_s: float) -> bool:
    """Return whether the server still works on a statement of session `pid`, and does not wait for us itself."""
    with suppress(psycopg.Error), _Session.connect(info, autocommit=True) as other:
        other.limit_s = limit_s
        row = other.execute(_AT_WORK, [pid]).fetchone()
        return row is not None and row[0] is True
    return False


def _connect_limit_s(settings: DatabaseSection) -> float:
    """Return how long connecting may take in all: each host may have two addresses, and their names are looked up."""
    hosts = str(conninfo_to_dict(settings.dsn).get("host") or "").count(",") + 1
    return settings.connect_timeout_s * (2 * hosts + 1)
