"""Which database engine is on the other side, and which of its features are in force."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from hubwatch_store.database.errors import translated
from hubwatch_store.database.sql_files import queries

OLDEST_POSTGRESQL = 15


@dataclass(frozen=True, slots=True)
class Features:
    """The engine, its version, and what of it is used; counts are of objects in schema `hubwatch`."""

    postgresql: str
    timescaledb: str | None
    licence: str | None
    hypertables: int
    partitioned_tables: int
    continuous_aggregates: int
    columnstores: int
    retention: str

    @property
    def engine(self) -> str:
        """Return the names of the engine as an operator knows it."""
        if self.timescaledb is None:
            return f"PostgreSQL {self.postgresql}, without TimescaleDB"
        edition = "community" if self.licence == "timescale" else "Apache"
        return f"TimescaleDB {self.timescaledb} ({edition}) on PostgreSQL {self.postgresql}"


def detect(connection: Connection[Any]) -> Features:
    """Ask the database what it is and has; works before the first migration too."""
    sql = queries("features")
    with translated():
        version, timescaledb, licence, partitioned = _row(connection, sql["engine"])
        hypertables = aggregates = columnstores = 0
        if timescaledb is not None:
            hypertables, aggregates, columnstores = _row(connection, sql["timescaledb_objects"])
    return Features(
        version,
        timescaledb,
        licence,
        hypertables,
        partitioned,
        aggregates,
        columnstores,
        "by hubwatch, per sensor kind",
    )


def _row(connection: Connection[Any], query: Any) -> tuple[Any, ...]:
    row = connection.execute(query).fetchone()
    assert row is not None, "these queries always give one row"
    return tuple(row)
