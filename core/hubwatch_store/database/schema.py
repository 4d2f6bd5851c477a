"""Migrations: numbered SQL files, each applied once, in one transaction, under one lock for all who try.

`NNNN_pre_name.sql` may run while old programs still work; `NNNN_post_name.sql` only when none is left.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal, cast

from psycopg import Connection, sql

from hubwatch_core.errors import Permanent, Transient
from hubwatch_store.database.errors import DatabaseLoginRefused, translated
from hubwatch_store.database.features import OLDEST_POSTGRESQL
from hubwatch_store.database.session import connect_sync, limit_answers
from hubwatch_store.database.settings import DatabaseSection
from hubwatch_store.database.sql_files import queries

Phase = Literal["pre", "post"]

LOCK_WAIT = "30s"
"""How long a migration waits for what programs hold; meanwhile others queue behind it."""

_FILE = re.compile(r"(\d{4})_(pre|post)_([a-z0-9_]+)\.sql")


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema; `checksum` is the SHA-256 of its text."""

    number: int
    phase: Phase
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """Return the SHA-256 of the text, in hexadecimal."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def __str__(self) -> str:
        """Return the name as it stands on disk, without the suffix."""
        return f"{self.number:04d}_{self.phase}_{self.name}"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a database stands: what is applied, what is pending, and what it has that we do not know."""

    applied: tuple[Migration, ...]
    pending: tuple[Migration, ...]
    unknown: tuple[str, ...]


@cache
def migrations() -> tuple[Migration, ...]:
    """Return every migration that ships with this program, in order."""
    found: list[Migration] = []
    for file in (resources.files("hubwatch_store") / "migrations").iterdir():
        match = _FILE.fullmatch(file.name)
        if match:
            number, phase, name = match.groups()
            text = file.read_text(encoding="utf-8")
            found.append(Migration(int(number), cast("Phase", phase), name, text))
    found.sort(key=lambda migration: migration.number)
    numbers = [migration.number for migration in found]
    if len(set(numbers)) != len(numbers):
        raise ValueError("two migrations have the same number")
    return tuple(found)


def standing(connection: Connection[Any], known: Sequence[Migration] | None = None) -> Standing:
    """Compare a database with the migrations we know; raises Permanent when an applied one was changed since."""
    known = migrations() if known is None else known
    with translated():
        exists = connection.execute(queries("migrate")["table_exists"]).fetchone()
        rows = connection.execute(queries("migrate")["applied"]).fetchall() if exists and exists[0] else []
    done = {number: (name, checksum) for number, name, checksum in rows}
    for migration in known:
        if migration.number in done and done[migration.number] != (str(migration), migration.checksum):
            raise Permanent(f"migration {migration} was changed after it was applied to this database")
    numbers = {migration.number for migration in known}
    return Standing(
        tuple(migration for migration in known if migration.number in done),
        tuple(migration for migration in known if migration.number not in done),
        tuple(name for number, (name, _) in sorted(done.items()) if number not in numbers),
    )


def migrate(
    settings: DatabaseSection, phase: Phase | None = None, known: Sequence[Migration] | None = None
) -> tuple[Migration, ...]:
    """Apply what is pending (of one phase, or all) and give what was applied. Safe to call from several at once.

    Raises Transient when the database is away, Permanent when it is too old, when an applied migration was changed,
    or when one of the other phase has to come first.
    """
    with connect_sync(settings, "hubwatch db migrate") as connection:
        _check_version(connection)
        with translated():
            connection.execute("SET statement_timeout = 0")
        if not _due(standing(connection, known).pending, phase):
            return ()  # which needs no right to lock or make anything
        with translated():
            connection.execute(queries("migrate")["lock"])
            connection.execute(f"SET lock_timeout = '{LOCK_WAIT}'")
            _prepare(connection)
        applied = []
        for migration in _due(standing(connection, known).pending, phase):
            _apply(connection, migration)
            applied.append(migration)
    return tuple(applied)


def _check_version(connection: Connection[Any]) -> None:
    version = connection.info.server_version // 10_000
    if version < OLDEST_POSTGRESQL:
        raise Permanent(f"PostgreSQL {version} is too old: {OLDEST_POSTGRESQL} or later is needed")


def _prepare(connection: Connection[Any]) -> None:
    offered = connection.execute(queries("features")["timescaledb_offered"]).fetchone()
    if offered and offered[0]:
        connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    owner = connection.execute(queries("migrate")["owner"]).fetchone()
    if owner is not None:
        # What is made belongs to whoever owns the rest, not to the login that migrates.
        connection.execute(sql.SQL("SET ROLE {}").format(sql.SQL(owner[0])))
    connection.execute(queries("migrate")["prepare"])


def _due(pending: Sequence[Migration], phase: Phase | None) -> list[Migration]:
    if phase is None:
        return list(pending)
    due: list[Migration] = []
    for i, migration in enumerate(pending):
        if migration.phase == phase:
            before = [other for other in pending[:i] if other.phase != phase]
            if before:
                raise Permanent(
                    f"{before[0]} has to come before {migration}; run `hubwatch db migrate` without a phase"
                )
            due.append(migration)
    return due


def _apply(connection: Connection[Any], migration: Migration) -> None:
    try:
        with translated(), connection.transaction():
            connection.execute(sql.SQL(migration.text))
            connection.execute(queries("migrate")["record"], (migration.number, str(migration), migration.checksum))
    except Permanent as error:
        raise Permanent(f"migration {migration} failed and was undone: {error.__cause__ or error}") from error


def check_schema(settings: DatabaseSection) -> None:
    """Make sure that this program can use the database: every `pre` migration is applied.

    Raises Permanent when one is not or a pooler is between us, and DatabaseLoginRefused; a database that is away is no
    fault yet.
    """
    try:
        with connect_sync(settings, "hubwatch") as connection:
            limit_answers(connection, settings.connect_timeout_s)
            missing = [migration for migration in standing(connection).pending if migration.phase == "pre"]
    except DatabaseLoginRefused:
        raise
    except Transient:
        return
    if missing:
        raise Permanent(f"the database lacks {len(missing)} migrations, first {missing[0]}; run `hubwatch db migrate`")
