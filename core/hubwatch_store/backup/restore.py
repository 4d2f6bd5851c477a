"""Restore: a backup into an empty database, of whatever engine. All of it, or nothing."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from psycopg import Connection, sql

from hubwatch_core.errors import Permanent
from hubwatch_store.backup import archive
from hubwatch_store.backup.archive import Manifest, Progress, Table
from hubwatch_store.database import DatabaseSection, Migration, connect_sync, migrations, standing, translated
from hubwatch_store.database.schema import migrate
from hubwatch_store.database.sql_files import queries

SETTINGS = frozenset(
    {
        "audit_head",
        "dead_letter_bounds",
        "deletion_state",
        "ledger_grace",
        "level_scales",
        "locks",
        "retention_evidence",
        "retention_person",
        "retention_rule",
        "rollup_state",
        "signed_frame_bounds",
    }
)
"""Tables that have rows as soon as they are migrated; everywhere else a row means that the database is in use."""
_LEFT = frozenset({"locks"})
"""The same rows in every database, and a restore holds some of them itself."""
_REPLACED = (SETTINGS | {"role_hubs", "role_limits"}) - _LEFT
"""Also what `hubwatch db roles` has put there; the backup's rows take the place of them."""


def restore_backup(
    settings: DatabaseSection,
    path: Path,
    progress: Progress,
    trusted: Path | None = None,
    identity: Path | None = None,
) -> Manifest:
    """Restore a backup, then bring its schema up to this program's.

    With `trusted`, a file with a public key, the backup must have been signed by that one; one that is encrypted needs
    `identity`. The file is read and checked as a whole before anything is written, and the rows come in one
    transaction. Raises Permanent when the file is damaged, when it was made by a newer program, or when the database
    holds anything; Transient when the database is away.
    """
    with archive.opened(path, identity) as backup:
        manifest = archive.verify_opened(backup, progress, trusted)
        known = _known(manifest)
        with connect_sync(settings, "hubwatch restore") as connection, translated():
            _check_target(connection, known)
        migrate(settings, known=known)
        with connect_sync(settings, "hubwatch restore") as connection, translated():
            connection.execute(queries("backup")["hold_any_schema"])
            connection.execute(queries("backup")["steady"])
            with archive.reading(backup) as (file, _), connection.transaction():
                _load(connection, file, manifest, progress)
            _finish(connection, manifest)
    migrate(settings)
    return manifest


def _known(manifest: Manifest) -> list[Migration]:
    """Return the migrations that make the backup's schema."""
    ours = {migration.number: migration for migration in migrations()}
    for step in manifest.migrations:
        if step.number not in ours:
            raise Permanent(f"the backup was made by a newer hubwatch (schema {step.name})")
        if ours[step.number].checksum != step.checksum:
            raise Permanent(f"the backup's migration {step.name} is not the one of this program")
    return [ours[step.number] for step in manifest.migrations]


def _check_target(connection: Connection[Any], known: Sequence[Migration]) -> None:
    exists = connection.execute(queries("backup")["schema_exists"]).fetchone()
    if not (exists and exists[0]):
        return
    stands = standing(connection)
    newer = [str(migration) for migration in stands.applied if migration not in known] + list(stands.unknown)
    if newer:
        raise Permanent(f"the database has a newer schema than the backup ({newer[-1]}); restore into a new database")
    _check_empty(connection)


def _check_empty(connection: Connection[Any]) -> None:
    for name, _ in connection.execute(queries("backup")["tables"]).fetchall():
        if name not in _REPLACED | _LEFT:
            query = sql.SQL("SELECT EXISTS (SELECT FROM {})").format(_table(name))
            if connection.execute(query).fetchall()[0][0]:
                raise Permanent(f"the database is not empty: {name} has rows; restore into a new database")


def _load(connection: Connection[Any], file: zipfile.ZipFile, manifest: Manifest, progress: Progress) -> None:
    kinds = {table.name: _kind(connection, table.name) for table in manifest.tables}
    tables = [_table(name) for name, kind in kinds.items() if kind in ("r", "p")]
    connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(sql.SQL(", ").join(tables)))
    _check_empty(connection)  # once more: now nobody can write any more
    triggers = connection.execute(queries("backup")["triggers"]).fetchall()
    _triggers(connection, "DISABLE", triggers)
    for name in _REPLACED & kinds.keys():
        connection.execute(sql.SQL("DELETE FROM {}").format(_table(name)))
    for table in manifest.tables:
        if table.name in _LEFT:
            continue
        if kinds[table.name] == "p" and table.spans:
            columns = [list(column) for column in zip(*table.spans, strict=True)]
            connection.execute(queries("backup")["partitions"], (table.name, *columns))
        _copy(connection, file, table, _place(connection, table.name, kinds[table.name]), progress)
    for name, last in manifest.sequences.items():
        if last is not None:
            connection.execute(queries("backup")["set_sequence"], (name, last))
    _triggers(connection, "ENABLE", triggers)


def _copy(
    connection: Connection[Any], file: zipfile.ZipFile, table: Table, place: sql.Identifier, progress: Progress
) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv, HEADER)").format(
        place, sql.SQL(", ").join(map(sql.Identifier, table.columns))
    )
    size = 0
    with connection.cursor() as cursor:
        with cursor.copy(statement) as copy:
            for block in archive.contents(file, table):
                copy.write(block)
                size += len(block)
                progress(table.name, size)
        if cursor.rowcount != table.rows:
            raise Permanent(f"table {table.name} has {cursor.rowcount} rows, not {table.rows}: the restore was undone")


def _place(connection: Connection[Any], name: str, kind: str) -> sql.Identifier:
    """Return where a table's rows go: into itself, or beneath a continuous aggregate."""
    if kind in ("r", "p"):
        return _table(name)
    row = connection.execute(queries("backup")["continuous_storage"], (name,)).fetchone()
    if row is None:
        raise Permanent(f"the database cannot take {name}: it is no table here")
    return sql.Identifier(*row)


def _finish(connection: Connection[Any], manifest: Manifest) -> None:
    """Do what cannot be undone with the rest and need not be: refresh continuous aggregates, tell the planner."""
    oldest = connection.execute(queries("backup")["oldest_whole_hour"]).fetchone()
    for table in manifest.tables:
        if _kind(connection, table.name) in ("r", "p"):
            connection.execute(sql.SQL("ANALYZE {}").format(_table(table.name)))
        elif oldest and oldest[0]:
            name = f"hubwatch.{table.name}"
            connection.execute(queries("backup")["continuous_refresh"], (name, oldest[0]))


def _kind(connection: Connection[Any], name: str) -> str:
    row = connection.execute(queries("backup")["kind"], (name,)).fetchone()
    if row is None or row[0] is None:
        raise Permanent(f"the backup has a table {name} that the schema does not know")
    return str(row[0])


def _triggers(connection: Connection[Any], verb: str, triggers: Sequence[tuple[str, str]]) -> None:
    # Rows that are restored were announced and handed on when they were first written.
    for table, name in triggers:
        statement = sql.SQL("ALTER TABLE {} {} TRIGGER {}").format(_table(table), sql.SQL(verb), sql.Identifier(name))
        connection.execute(statement)


def _table(name: str) -> sql.Identifier:
    return sql.Identifier("hubwatch", name)
