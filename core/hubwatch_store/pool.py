"""Connections: a pool for those who ask now and then, one connection for those who write all the time."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from hubwatch_store.config import DatabaseSection, conninfo
from hubwatch_store.errors import translated

# The pool warns at every try; whoever uses it says once that the database is away and once that it is back.
logging.getLogger("psycopg.pool").setLevel(logging.ERROR)

Connection = AsyncConnection[tuple[object, ...]]
Pool = AsyncConnectionPool[AsyncConnection[tuple[object, ...]]]

RECONNECT_TRIES_S = 15.0
"""psycopg_pool doubles its pauses without end; a short life of each attempt keeps them under this."""


@asynccontextmanager
async def open_pool(settings: DatabaseSection, name: str = "hubwatch") -> AsyncIterator[Pool]:
    """Give a pool of autocommit connections; does not wait for the database to be there.

    Whoever takes a connection (`async with pool.connection()`) does so inside `translated()`: a database that is away
    is then Transient. Raises Permanent when the password file cannot be read.
    """
    pool: Pool = AsyncConnectionPool(
        conninfo(settings, name),
        min_size=settings.pool_min,
        max_size=max(settings.pool_min, settings.pool_max),
        timeout=settings.connect_timeout_s,
        reconnect_timeout=RECONNECT_TRIES_S,
        kwargs={"autocommit": True},
        check=AsyncConnectionPool.check_connection,
        open=False,
    )
    await pool.open()
    try:
        yield pool
    finally:
        await pool.close(timeout=settings.connect_timeout_s)


async def connect(settings: DatabaseSection, name: str = "hubwatch") -> Connection:
    """Open one autocommit connection; raises Transient when the database is away, Permanent when it refuses us."""
    with translated():
        return await AsyncConnection.connect(conninfo(settings, name), autocommit=True)


def connect_sync(settings: DatabaseSection, name: str = "hubwatch") -> psycopg.Connection[tuple[object, ...]]:
    """Open one autocommit connection for a command; errors as in `connect`."""
    with translated():
        return psycopg.connect(conninfo(settings, name), autocommit=True)


def hang_up(connection: psycopg.Connection[Any] | Connection) -> None:
    """Cut a connection, whatever runs on it: whoever waits for its answer, in any thread, gets an error at once."""
    if connection.closed:
        return
    with socket.socket(fileno=os.dup(connection.fileno())) as link, contextlib.suppress(OSError):
        link.shutdown(socket.SHUT_RDWR)
