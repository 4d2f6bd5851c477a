"""The account of every agent's frames: published = committed + dead-lettered + evicted + missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from hubwatch_store.database import translated
from hubwatch_store.database.sql_files import queries


@dataclass(frozen=True, slots=True)
class BackupAccount:
    """One epoch's frames; `unexplained` is the part of `missing` that nothing accounts for."""

    hub: str
    agent: str
    epoch: str
    published: int
    committed: int
    dead_lettered: int
    evicted: int
    missing: int
    unexplained: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Frames of one epoch that are not stored, and why; both ends belong to it."""

    hub: str
    agent: str
    epoch: str
    first_seq: int
    last_seq: int
    frames: int
    cause: str
    since: datetime


@dataclass(frozen=True, slots=True)
class RefusedEpoch:
    """An epoch of which nothing is stored and whose frames are among the dead letters; `reason` is the newest."""

    hub: str
    agent: str
    epoch: str
    letters: int
    reason: str
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class UnlistedEpochs:
    """Epochs of an agent that only dead letters name, beyond the number that the ledger lists."""

    hub: str
    agent: str
    epochs: int
    letters: int


def accounts(connection: Connection[Any], hub: str | None = None) -> list[BackupAccount]:
    """Return the account of every epoch, of one hub or of all."""
    with translated(), connection.cursor(row_factory=class_row(BackupAccount)) as cursor:
        return cursor.execute(queries("account")["accounts"], {"hub": hub}).fetchall()


def gaps(connection: Connection[Any], hub: str | None = None) -> list[Gap]:
    """Return every gap with its cause, of one hub or of all."""
    with translated(), connection.cursor(row_factory=class_row(Gap)) as cursor:
        return cursor.execute(queries("account")["gaps"], {"hub": hub}).fetchall()


def refused_epochs(connection: Connection[Any], known: Sequence[BackupAccount]) -> list[RefusedEpoch]:
    """Return those of the `known` epochs of which every frame that came was refused, while their letters are kept."""
    rows = [(each.hub, each.agent, each.epoch) for each in known if each.dead_lettered and not each.committed]
    columns = [[row[i] for row in rows] for i in range(3)]
    with translated(), connection.cursor(row_factory=class_row(RefusedEpoch)) as cursor:
        return cursor.execute(queries("account")["refused"], columns).fetchall()


def unlisted_epochs(connection: Connection[Any], hub: str | None = None) -> list[UnlistedEpochs]:
    """Return the agents whose dead letters name more epochs than the ledger lists, of one hub or of all."""
    with translated(), connection.cursor(row_factory=class_row(UnlistedEpochs)) as cursor:
        return cursor.execute(queries("account")["unlisted"], {"hub": hub}).fetchall()
