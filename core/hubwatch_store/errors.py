"""What the database's errors mean for us: try again, or somebody must change something."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from hubwatch_core.errors import Permanent, Transient


class Refused(Permanent):
    """The database will not store this data, however often it is offered."""


# SQLSTATE classes, https://www.postgresql.org/docs/current/errcodes-appendix.html
_LOGIN = ("28", "3D")
# libpq gives no SQLSTATE when connecting fails; these are the server's own words for class 28 and 3D.
_LOGIN_TEXTS = ("does not exist", "authentication failed", "no pg_hba.conf entry", "permission denied for database")
_SCHEMA = ("42", "3F")
_DATA = ("22", "23", "54")
# Connection, transaction rollback, resources (disk full among them), operator intervention, system error; and
# 25006: writing to a standby, which happens while a failover is under way.
_AWAY = ("08", "40", "53", "55", "57", "58", "25006")


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
    state = error.sqlstate or ""
    refused = not state and "FATAL:" in str(error) and any(text in str(error) for text in _LOGIN_TEXTS)
    if state.startswith(_LOGIN) or refused:
        return Permanent(f"the database does not let us in: {_line(error)}")
    if state.startswith(_SCHEMA):
        return Permanent(f"the schema does not fit this program ({_line(error)}); run `hubwatch db migrate`")
    if state.startswith(_DATA) or (not state and isinstance(error, psycopg.DataError)):
        return Refused(f"the database refuses the data: {_line(error)}")
    if state.startswith(_AWAY) or isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return Transient(f"the database is away: {_line(error)}")
    return Permanent(f"the database reports a fault: {_line(error)}")


def _line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
