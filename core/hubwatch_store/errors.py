"""What the database's errors mean for us: try again, or somebody must change something."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from hubwatch_core.errors import Permanent, Transient


class Refused(Permanent):
    """The database will not store this data, however often it is offered."""


# SQLSTATE classes and codes, https://www.postgresql.org/docs/current/errcodes-appendix.html
_LOGIN = ("28", "3D")
_RIGHTS = "42501"
_SCHEMA = ("42", "3F")
_DATA = ("22", "23", "54")
# Connection, transaction rollback, resources (disk full among them), objects in use, operator intervention, system
# error. 25006: writing to a standby, as happens while a failover is under way; 25P03, 25P04: our transaction took too
# long; 26000: a pooler between us gave us another server's session; XX000 with the text below: two changed the schema
# at a time; 0A000 with it: a plan from before a migration. All of these are over with a new connection.
_AWAY = ("08", "40", "53", "55", "57", "58", "25006", "25P03", "25P04", "26000")
_PASSING = {"0A000": "cached plan must not change result type", "XX000": "tuple concurrently "}

_FAULT = "the database reports a fault"

# libpq gives no SQLSTATE when connecting fails. These are its own and the server's words where no waiting helps; in
# another language (lc_messages) they are not known, and we wait for somebody to notice.
_MISCONFIGURED = re.compile(
    r"""
      FATAL:\s+( .* does\ not\ exist                        # role, database
             | .* authentication\ failed | .* is\ not\ permitted\ to\ log\ in
             | no\ pg_hba\.conf\ entry | pg_hba\.conf\ rejects | permission\ denied\ for\ database
             | unrecognized\ configuration\ parameter | invalid\ value\ for\ parameter )
    | no\ password\ supplied | authentication\ method\ requirement
    | (^|:\ )(invalid\ | could\ not\ parse | could\ not\ match | definition\ of\ service)  # a connection option
    | server\ does\ not\ support\ SSL | certificate\ verify\ failed | (certificate|private\ key)\ file\ .*
    | server\ certificate\ for\ .*\ does\ not\ match
    """,
    re.VERBOSE | re.IGNORECASE,
)


@contextmanager
def translated() -> Iterator[None]:
    """Raise psycopg's errors as Transient, Permanent or Refused, with one line for an operator."""
    try:
        yield
    except PoolTimeout:
        raise Transient("the database did not answer in time") from None
    except (PoolClosed, TooManyRequests) as error:
        raise Transient(f"the database cannot be asked: {_line(error)}") from None
    except psycopg.Error as error:
        raise _meaning(error) from error


def _meaning(error: psycopg.Error) -> Transient | Permanent:
    state, line = error.sqlstate or "", _line(error)
    if state.startswith(_LOGIN) or (not state and _MISCONFIGURED.search(str(error))):
        return Permanent(f"the database does not let us in: {line}")
    if state == _RIGHTS:
        return Permanent(f"the database does not permit this to us: {line}")
    if state.startswith(_SCHEMA):
        return Permanent(f"the schema does not fit this program ({line}); run `hubwatch db migrate`")
    if state.startswith(_DATA) or (not state and isinstance(error, psycopg.DataError)):
        return Refused(f"the database refuses the data: {line}")
    return Transient(f"the database is away: {line}") if _is_away(error) else Permanent(f"{_FAULT}: {line}")


def _is_away(error: psycopg.Error) -> bool:
    state = error.sqlstate or ""
    if not state:
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return state.startswith(_AWAY) or (state in _PASSING and _PASSING[state] in str(error))


def _line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
