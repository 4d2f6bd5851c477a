"""Reading the dead letters, for people: list, show, and remember what was replayed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from hubwatch_core.errors import Permanent
from hubwatch_store.errors import translated
from hubwatch_store.queries import queries


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that could not be processed; `payload` is left out of lists."""

    id: int
    topic: str
    reason: str
    hub: str | None
    agent: str | None
    first_seen: datetime
    last_seen: datetime
    count: int
    octet_length: int
    replayed: datetime | None
    payload: bytes = b""


def listed(
    connection: Connection[Any], most: int = 50, contains: str | None = None, with_replayed: bool = False
) -> list[DeadLetter]:
    """Give dead letters, newest first, whose reason contains a text, without their payloads."""
    what = {"most": most, "contains": contains, "all": with_replayed}
    with translated(), connection.cursor(row_factory=class_row(DeadLetter)) as cursor:
        return cursor.execute(queries("dead_letters")["list"], what).fetchall()


def shown(connection: Connection[Any], number: int) -> DeadLetter:
    """Give one dead letter whole; raises Permanent when there is none of that number."""
    with translated(), connection.cursor(row_factory=class_row(DeadLetter)) as cursor:
        letter = cursor.execute(queries("dead_letters")["show"], (number,)).fetchone()
    if letter is None:
        raise Permanent(f"there is no dead letter {number}; `hubwatch dead-letters list` shows those there are")
    return letter


def waiting(connection: Connection[Any], contains: str | None = None) -> Iterator[DeadLetter]:
    """Give every dead letter that was not replayed, one at a time, oldest first."""
    with translated():
        numbers = connection.execute(queries("dead_letters")["waiting"], {"contains": contains}).fetchall()
    for (number,) in numbers:
        yield shown(connection, number)


def mark_replayed(connection: Connection[Any], number: int) -> None:
    """Remember that a dead letter was stored after all."""
    with translated():
        connection.execute(queries("dead_letters")["replayed"], (number,))
