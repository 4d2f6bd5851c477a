"""The partitions that tables over time are stored in: chunks of TimescaleDB, partitions of PostgreSQL, or one whole."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection, sql

from hubwatch_store.database.sql_files import queries

ENDLESS_YEAR = 9000
"""A partition that reaches beyond this year is a table that is not partitioned, never dropped."""


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition: what the database calls it, and the times it holds, from `first` up to but without `beyond`."""

    name: str
    first: datetime
    beyond: datetime

    @property
    def whole_table(self) -> bool:
        """Return whether this is not a part but all of its table."""
        return self.beyond.year > ENDLESS_YEAR


def partitions_of(connection: Connection[Any], table: str) -> list[Partition]:
    """Return the partitions of a table of schema `hubwatch`, oldest first."""
    return [Partition(*row) for row in connection.execute(queries("partitions")["partitions"], (table,))]


def drop(connection: Connection[Any], table: str, partition: Partition) -> None:
    """Take a partition away with all that is in it."""
    connection.execute(queries("partitions")["drop"], (table, partition.name, partition.first, partition.beyond))


def estimated_rows(connection: Connection[Any], partition: Partition) -> int:
    """Return how many rows the planner believes a partition to have; 0 when it never looked."""
    row = connection.execute(queries("partitions")["estimated_rows"], (partition.name,)).fetchone()
    return int(row[0]) if row else 0


def sparse(connection: Connection[Any], partition: Partition) -> bool:
    """Return whether a partition is mostly the empty space of rows deleted some time ago."""
    row = connection.execute(queries("partitions")["sparse"], (partition.name,)).fetchone()
    return bool(row and row[0])


def stop_writers(connection: Connection[Any], partition: Partition) -> None:
    """Keep everybody from writing into a partition until the transaction ends; reading goes on."""
    name = sql.Identifier(*_parts(connection, partition))
    connection.execute(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(name))


def rewrite(connection: Connection[Any], partition: Partition) -> None:
    """Give the space of a partition's deleted rows back to the disk; not inside a transaction."""
    name = sql.Identifier(*_parts(connection, partition))
    connection.execute(sql.SQL("VACUUM (FULL, ANALYZE) {}").format(name))


def _parts(connection: Connection[Any], partition: Partition) -> tuple[str, str]:
    row = connection.execute(
        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.oid = %s::regclass",
        (partition.name,),
    ).fetchone()
    assert row is not None, "a cast to regclass fails on what does not exist"
    return str(row[0]), str(row[1])
