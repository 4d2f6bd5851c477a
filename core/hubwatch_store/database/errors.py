"""What the database's errors mean for us: try again, or somebody must change something; on the same session or anew."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from hubwatch_core.errors import Permanent, Transient
from hubwatch_core.plain_text import one_line


class DatabaseRefused(Permanent):
    """The database will not store this data, however often it is offered."""


class DatabaseLoginRefused(Transient):
    """The database does not let us in.

    For what runs that is an outage like any other: a password is changed in two places, one after the other, and the
    next connection reads it anew. What starts and what a person waits for ends with it.
    """


# SQLSTATE classes and codes, https://www.postgresql.org/docs/current/errcodes-appendix.html
_LOGIN = ("28", "3D")
_RIGHTS = "42501"
_SCHEMA = ("42", "3F")
_DATA = ("22", "23", "54")
# Connection, transaction rollback, resources (disk full among them), objects in use, operator intervention, system
# error. 25006: writing to a standby, as happens while a failover is under way; 25P03, 25P04: our transaction took too
# long; XX000 with the text below: two changed the schema at a time; 0A000 with it: a plan from before a migration.
_AWAY = ("08", "40", "53", "55", "57", "58", "25006", "25P03", "25P04")
# A prepared statement that is not there, or there already: the session is not ours alone.
_POOLER = ("26000", "42P05")
# After these the session is as good as before: data, constraints, rollback, limits, locks, a statement that was
# cancelled. After any other error only a new connection is sure to help, so the session is closed.
_SESSION_IS_SOUND = ("22", "23", "40", "54", "55", "57014")
_PASSING = {"0A000": "cached plan must not change result type", "XX000": "tuple concurrently "}

POOLER_BETWEEN = (
    "database.dsn leads to a connection pooler (PgBouncer or the like), where LISTEN, locks and prepared statements do "
    "not work as they must; let database.dsn name PostgreSQL itself"
)

_FAULT = "the database reports a fault"

# libpq gives no SQLSTATE when connecting fails. These are its own and the server's words; in another language
# (lc_messages) they are not known, and we say that it is away. First, who we are is not accepted, or what shows it
# cannot be used, now; then, options that no waiting helps.
_NOT_LET_IN = re.compile(
    r"""
      FATAL:\s+( .* does\ not\ exist                        # role, database
             | .* authentication\ failed | .* is\ not\ permitted\ to\ log\ in
             | no\ pg_hba\.conf\ entry | pg_hba\.conf\ rejects | permission\ denied\ for\ database )
    | no\ password\ supplied
    | certificate\ verify\ failed | (certificate|private\ key)\ file\ .*
    | server\ certificate\ for\ .*\ does\ not\ match
    """,
    re.VERBOSE | re.IGNORECASE,
)
_POOLER_REFUSES = "unsupported startup parameter"
"""What PgBouncer says of the settings that each session of ours begins with."""
_MISCONFIGURED = re.compile(
    r"""
      FATAL:\s+( unrecognized\ configuration\ parameter | invalid\ value\ for\ parameter )
    | authentication\ method\ requirement | server\ does\ not\ support\ SSL
    | (^|:\ )(invalid\ | could\ not\ parse | could\ not\ match | definition\ of\ service)  # a connection option
    """,
    re.VERBOSE | re.IGNORECASE,
)


@contextmanager
def translated() -> Iterator[None]:
    """Raise psycopg's errors as Transient, Permanent or DatabaseRefused, with one line for an operator."""
    try:
        yield
    except psycopg.Error as error:
        raise _meaning(error) from error


def leaves_session_sound(error: BaseException) -> bool:
    """Return whether a session can be used again after `error`, which psycopg raised or `translated` made of it."""
    for each in (error, error.__cause__):
        if isinstance(each, psycopg.Error):
            return (each.sqlstate or "").startswith(_SESSION_IS_SOUND)
    return isinstance(error, Exception) and not isinstance(error, Transient | TimeoutError)


def _meaning(error: psycopg.Error) -> Transient | Permanent:
    state, line = error.sqlstate or "", _line(error)
    if not state:
        return _meaning_without_state(error, line)
    if state.startswith(_LOGIN):
        return DatabaseLoginRefused(f"the database rejected the login: {line}")
    if state in _POOLER:
        return Transient(f"the session with the database is not ours alone ({line}): {POOLER_BETWEEN}")
    return _meaning_of_state(error, state, line)


def _meaning_without_state(error: psycopg.Error, line: str) -> Transient | Permanent:
    if _NOT_LET_IN.search(str(error)):
        return DatabaseLoginRefused(f"the database rejected the login: {line}")
    if _POOLER_REFUSES in str(error):
        return Permanent(f"{POOLER_BETWEEN}: {line}")
    if _MISCONFIGURED.search(str(error)):
        return Permanent(f"the database rejected the connection: {line}")
    if isinstance(error, psycopg.DataError):
        return DatabaseRefused(f"the database rejected the data: {line}")
    return Transient(f"the database is unavailable: {line}") if _is_away(error) else Permanent(f"{_FAULT}: {line}")


def _meaning_of_state(error: psycopg.Error, state: str, line: str) -> Transient | Permanent:
    if state == _RIGHTS:
        return Permanent(f"the database denied permission: {line}")
    if state.startswith(_SCHEMA):
        return Permanent(f"the schema does not fit this program ({line}); run `hubwatch db migrate`")
    if state.startswith(_DATA):
        return DatabaseRefused(f"the database rejected the data: {line}")
    return Transient(f"the database is unavailable: {line}") if _is_away(error) else Permanent(f"{_FAULT}: {line}")


def _is_away(error: psycopg.Error) -> bool:
    state = error.sqlstate or ""
    if not state:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return state.startswith(_AWAY) or (state in _PASSING and _PASSING[state] in str(error))


def _line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return one_line(lines[0]) if lines else type(error).__name__
