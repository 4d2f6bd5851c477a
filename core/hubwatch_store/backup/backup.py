"""Backup: every table of schema `hubwatch` as it was at one moment, in one file that any engine can restore.

Not a pg_dump: it need not be installed where hubwatch runs, its versions have to fit the server's, and a dump of
TimescaleDB restores on TimescaleDB only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import Connection, sql

from hubwatch_core import __version__
from hubwatch_core.errors import Permanent
from hubwatch_store.backup.archive import FORMAT, Archive, ArchiveStep, Manifest, Piece, Progress, Table, writing
from hubwatch_store.backup.encryption import recipients_in
from hubwatch_store.backup.signature import sign
from hubwatch_store.database import DatabaseSection, connect_sync, detect, standing, translated
from hubwatch_store.database.sql_files import queries
from hubwatch_store.series import partitions_of


def create_backup(
    settings: DatabaseSection,
    path: Path,
    progress: Progress,
    sign_key: Path | None = None,
    recipients: Sequence[str] = (),
) -> Manifest:
    """Write a backup while everything else goes on; memory stays bounded, whatever the database's size.

    With `sign_key`, a file with an Ed25519 key, it is signed; with `recipients` (`age1…`) encrypted for them. Raises
    BadCall for a recipient that is none, Permanent when the schema is not this program's,
    the key is no good, or the file exists or cannot be written; Transient when the database is away. What was written
    until then is removed.
    """
    if sign_key is not None:
        sign(b"", sign_key)  # told before the work is done
    if recipients:
        recipients_in(recipients)  # the same
    with connect_sync(settings, "hubwatch backup") as connection, translated():
        connection.execute(queries("backup")["hold_schema"])
        steps = _schema(connection)
        connection.execute(queries("backup")["steady"])
        tables = _rows(connection, "tables")
        engine = detect(connection).engine
        with writing(path, progress, recipients) as archive, _snapshot(connection, [name for name, _ in tables]):
            written = [_table(connection, archive, name, columns) for name, columns in tables]
            # Sequences know no snapshot: read after it, they are never behind the rows.
            sequences: dict[str, int | None] = dict(_rows(connection, "sequences"))
            made = datetime.now(UTC).isoformat(timespec="seconds")
            manifest = Manifest(FORMAT, __version__, made, engine, steps, written, sequences)
            archive.finish(manifest, sign_key)
    return manifest


def _rows(connection: Connection[Any], name: str) -> list[Any]:
    return connection.execute(queries("backup")[name]).fetchall()


def _schema(connection: Connection[Any]) -> list[ArchiveStep]:
    stands = standing(connection)
    if stands.unknown:
        raise Permanent(f"the database belongs to a newer hubwatch ({stands.unknown[-1]}); use that one")
    if stands.pending:
        raise Permanent(f"the schema is behind this program ({stands.pending[0]}); run `hubwatch db migrate`")
    return [ArchiveStep(migration.number, str(migration), migration.checksum) for migration in stands.applied]


def _snapshot(connection: Connection[Any], tables: list[str]) -> Any:
    """Begin a transaction that sees one moment. Locks come first, so that retention drops nothing of it meanwhile."""
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    return _Locked(connection, tables)


class _Locked:
    def __init__(self, connection: Connection[Any], tables: list[str]) -> None:
        self._connection, self._tables = connection, tables
        self._transaction = connection.transaction()

    def __enter__(self) -> None:
        self._transaction.__enter__()
        names = sql.SQL(", ").join(sql.Identifier("hubwatch", name) for name in self._tables)
        self._connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(names))

    def __exit__(self, *error: Any) -> None:
        self._transaction.__exit__(*error)


def _table(connection: Connection[Any], archive: Archive, name: str, columns: list[str]) -> Table:
    # A query, not the table: COPY of a hypertable gives nothing, for the rows are in its chunks.
    statement = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT (FORMAT csv, HEADER)").format(
        sql.SQL(", ").join(map(sql.Identifier, columns)), sql.Identifier("hubwatch", name)
    )
    with connection.cursor() as cursor:
        size, digest = archive.add(name, _copied(cursor, statement))
        return Table(name, columns, cursor.rowcount, size, digest, _spans(connection, name))


def _spans(connection: Connection[Any], name: str) -> list[tuple[str, str]]:
    # Continuous aggregates show buckets that are in none of their own partitions yet, made as they are asked.
    tables = (name, "reading") if name.startswith("reading_") else (name,)
    found = (partition for table in tables for partition in partitions_of(connection, table))
    return [(each.first.isoformat(), each.beyond.isoformat()) for each in found if not each.whole_table]


def _copied(cursor: psycopg.Cursor[Any], statement: sql.Composed) -> Iterator[Piece]:
    with cursor.copy(statement) as copy:
        yield from copy
