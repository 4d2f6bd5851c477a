"""Sessions that we have given up and that the server may still have, with their locks.

Behind a link that swallows what is sent, a server waits for a client that has long since gone: its TCP timers see a
proxy or a load balancer that acknowledges. What it holds blocks the session that takes the place of the lost one. So
the next connection of this process ends it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

MAX_LEFT = 100
"""Of one database; the oldest is forgotten beyond it."""

WHO_AM_I: LiteralString = """
    SELECT pg_backend_pid(), (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid())
"""
_END: LiteralString = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE pid = %s AND backend_start = %s AND usename = current_user
"""


@dataclass(frozen=True, slots=True)
class ServerSession:
    """A session as its server knows it. Another one may get its process id, but not its begin as well."""

    dsn: str
    pid: int
    began: object


_left: dict[ServerSession, None] = {}


def give_up(session: ServerSession) -> None:
    """Note a session to be ended at the server."""
    mine = left_at(session.dsn)
    if len(mine) >= MAX_LEFT:
        _left.pop(mine[0], None)
    _left[session] = None


def left_at(dsn: str) -> list[ServerSession]:
    """Return the sessions with a database that were given up, oldest first."""
    return [each for each in list(_left) if each.dsn == dsn]


def is_ended(session: ServerSession) -> None:
    """Note that the server does not have a session any more."""
    _left.pop(session, None)


def end_of(session: ServerSession) -> tuple[LiteralString, list[object]]:
    """Return the statement that ends a session at the server, if it is still there."""
    return _END, [session.pid, session.began]
