"""A migrated database with roles of its own, which are gone with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from secrets import token_hex

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from hubwatch_store.database import DatabaseSection, add_reader, apply_roles


class RoleLogins:
    """The logins of one database, whose names begin with a prefix of their own: roles belong to the whole server."""

    def __init__(self, dsn: str, prefix: str) -> None:
        self.dsn, self.prefix = dsn, prefix

    def of(self, role: str) -> str:
        """Return the DSN of a role."""
        return make_conninfo(self.dsn, user=f"{self.prefix}_{role}")

    def settings(self, role: str) -> DatabaseSection:
        """Return a role's settings."""
        return DatabaseSection(dsn=self.of(role), max_retry_s=0.5)

    def reader(self, name: str, *hubs: str) -> str:
        """Make a reader of some hubs and return its DSN."""
        add_reader(DatabaseSection(dsn=self.dsn), f"{self.prefix}_{name}", hubs, self.prefix)
        return self.of(name)


@contextmanager
def roles_in(dsn: str) -> Iterator[RoleLogins]:
    """Apply roles to a migrated database, and take them away from the server afterwards."""
    with own_prefix(dsn) as prefix:
        apply_roles(DatabaseSection(dsn=dsn), prefix)
        yield RoleLogins(dsn, prefix)


@contextmanager
def own_prefix(dsn: str) -> Iterator[str]:
    """Give a prefix that no other test has; roles with it are gone afterwards."""
    prefix = f"t{token_hex(5)}"
    try:
        yield prefix
    finally:
        with psycopg.connect(dsn, autocommit=True) as connection:
            ours = "SELECT rolname FROM pg_roles WHERE rolname LIKE %s"
            names = connection.execute(ours, [f"{prefix}\\_%"]).fetchall()
            for (name,) in names:
                connection.execute(sql.SQL("REASSIGN OWNED BY {} TO CURRENT_USER").format(sql.Identifier(name)))
                connection.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))
            for (name,) in names:
                connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))
