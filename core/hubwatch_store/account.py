"""The account of every agent's frames: published = committed + dead-lettered + evicted + missing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from hubwatch_store.errors import translated
from hubwatch_store.queries import queries


@dataclass(frozen=True, slots=True)
class Account:
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


def accounts(connection: Connection[Any], hub: str | None = None) -> list[Account]:
    """Give the account of every epoch, of one hub or of all."""
    with translated(), connection.cursor(row_factory=class_row(Account)) as cursor:
        return cursor.execute(queries("account")["accounts"], {"hub": hub}).fetchall()


def gaps(connection: Connection[Any], hub: str | None = None) -> list[Gap]:
    """Give every gap with its cause, of one hub or of all."""
    with translated(), connection.cursor(row_factory=class_row(Gap)) as cursor:
        return cursor.execute(queries("account")["gaps"], {"hub": hub}).fetchall()
