"""The pieces that tables over time are stored in: chunks of TimescaleDB, partitions of PostgreSQL, or one whole."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection, sql

from hubwatch_store.queries import queries

ENDLESS_YEAR = 9000
"""A piece that reaches beyond this year is a table in one piece, which is never dropped."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece: what the database calls it, and the times it holds, from `first` up to but without `beyond`."""

    name: str
    first: datetime
    beyond: datetime

    @property
    def whole_table(self) -> bool:
        """Tell whether this is not a part but all of its table."""
        return self.beyond.year > ENDLESS_YEAR


def pieces(connection: Connection[Any], table: str) -> list[Piece]:
    """Give the pieces of a table of schema `hubwatch`, oldest first."""
    return [Piece(*row) for row in connection.execute(queries("pieces")["pieces"], (table,))]


def drop(connection: Connection[Any], table: str, piece: Piece) -> None:
    """Take a piece away with all that is in it."""
    connection.execute(queries("pieces")["drop"], (table, piece.name, piece.first, piece.beyond))


def estimated_rows(connection: Connection[Any], piece: Piece) -> int:
    """Give how many rows the planner believes a piece to have; 0 when it never looked."""
    row = connection.execute(queries("pieces")["estimated_rows"], (piece.name,)).fetchone()
    return int(row[0]) if row else 0


def sparse(connection: Connection[Any], piece: Piece) -> bool:
    """Tell whether a piece is mostly the empty space of rows deleted some time ago."""
    row = connection.execute(queries("pieces")["sparse"], (piece.name,)).fetchone()
    return bool(row and row[0])


def stop_writers(connection: Connection[Any], piece: Piece) -> None:
    """Keep everybody from writing into a piece until the transaction ends; reading goes on."""
    name = sql.Identifier(*_parts(connection, piece))
    connection.execute(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(name))


def rewrite(connection: Connection[Any], piece: Piece) -> None:
    """Give the space of a piece's deleted rows back to the disk; not inside a transaction."""
    name = sql.Identifier(*_parts(connection, piece))
    connection.execute(sql.SQL("VACUUM (FULL, ANALYZE) {}").format(name))


def _parts(connection: Connection[Any], piece: Piece) -> tuple[str, str]:
    row = connection.execute(
        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.oid = %s::regclass",
        (piece.name,),
    ).fetchone()
    assert row is not None, "a cast to regclass fails on what does not exist"
    return str(row[0]), str(row[1])
