"""Roles of the database: one for each program, with the rights it needs, and readers that see their hubs only.

What each may do stands in `sql/roles.sql`. A database where this was never applied works as before, as its owner.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import Connection, sql

from hubwatch_core.errors import Permanent
from hubwatch_store.database.errors import translated
from hubwatch_store.database.schema import standing
from hubwatch_store.database.session import connect_sync
from hubwatch_store.database.settings import DatabaseSection
from hubwatch_store.database.sql_files import queries

PREFIX = "hubwatch"
LOGINS = ("collector", "detectors", "alarms", "console", "operator", "maintenance", "backup", "enrol", "up")
"""Roles that log in, once they have a password or another way to prove who they are."""
EVERY_HUB = "*"

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_ROLE = re.compile(r"@([a-z_]+)")
_STEPS = ("roles", "owner", "shut", "withdrawn", "granted", "isolated", "limited")


def apply_roles(
    settings: DatabaseSection, prefix: str = PREFIX, passwords: Mapping[str, str] | None = None
) -> list[str]:
    """Make the roles, give the schema to its owner and each role what it needs; return the logins. Can be run again.

    `passwords` are of some of the `LOGINS`; the others keep theirs, or have none.

    Needs a login that may make roles and owns the schema's objects, such as a superuser; nothing else of hubwatch does.
    Raises Permanent when it may not, or the schema is behind, Transient when the database is away.
    """
    with connect_sync(settings, "hubwatch db roles") as connection:
        if pending := standing(connection).pending:
            raise Permanent(f"the schema is behind this program ({pending[0]}); run `hubwatch db migrate`")
        with translated(), connection.transaction():
            for step in _STEPS:
                connection.execute(_named(step, prefix))
            for login, password in (passwords or {}).items():
                _set_password(connection, f"{prefix}_{login}", password)
    return [f"{prefix}_{login}" for login in LOGINS]


def add_reader(
    settings: DatabaseSection, name: str, hubs: Sequence[str], prefix: str = PREFIX, password: str | None = None
) -> None:
    """Make or change a login that reads the public names, of these hubs only or of `EVERY_HUB`; errors as above."""
    with (
        connect_sync(settings, "hubwatch db roles") as connection,
        translated(),
        connection.transaction(),
    ):
        connection.execute(_named("reader", prefix, name))
        connection.execute(queries("roles")["blind"], [name])
        connection.execute(queries("roles")["see"], [name, list(hubs)])
        if password is not None:
            _set_password(connection, name, password)


def _set_password(connection: Connection[Any], role: str, password: str) -> None:
    """Set a password so that the server, its log and its statistics see what it is checked with only."""
    verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    statement = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(verifier))
    connection.execute(statement)


def _named(step: str, prefix: str, reader: str = "") -> sql.SQL:
    """Return a step with the names of roles; they are plain words, so that they need no quotes anywhere."""
    for name in (prefix, *([reader] if reader else [])):
        if not _NAME.fullmatch(name):
            raise Permanent(f"{name!r} is no name for a role: small letters, digits and _, at most 40")
    text = queries("roles")[step]
    return sql.SQL(_ROLE.sub(lambda found: reader if found[1] == "reader_name" else f"{prefix}_{found[1]}", text))
