"""Messages that can never be processed: kept whole with the reason, counted when they come again, bounded.

Collectors record them over their own connection; people list, show and replay them; maintenance trims them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

from hubwatch_core.errors import Permanent
from hubwatch_core.message import Message
from hubwatch_core.signing import wrapped
from hubwatch_store.database import DatabaseConnection, translated
from hubwatch_store.database.sql_files import queries
from hubwatch_store.ingest.offer import Letter, Offer

REASON_CHARS = 1000


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
    kind: str | None
    payload: bytes = b""
    replay_asked: datetime | None = None
    """When somebody asked that it be tried again, until a collector has."""
    replay_failed: str | None = None
    """Why it was still dead then."""


async def know_epochs(connection: DatabaseConnection, letters: Iterable[Letter]) -> None:
    """Make the epochs of refused frames known to the ledger, within a budget (see migration 0081).

    Each in a transaction of its own, so that two collectors cannot wait for each other.
    """
    for name in sorted({(str(each.hub), str(each.agent), str(each.epoch)) for each in letters if each.seq is not None}):
        await connection.execute(queries("dead_letters")["know_epoch"], name)


async def record(connection: DatabaseConnection, offers: Iterable[tuple[Offer, Letter]]) -> None:
    """Keep dead letters, inside the caller's transaction; the same payload on the same topic counts up."""
    sql = queries("dead_letters")["record"]
    rows = [(digest(offer.message), offer.message, letter) for offer, letter in offers]
    # Sorted, so that two collectors that got the same poison cannot wait for each other.
    for key, message, letter in sorted(rows, key=lambda row: row[0]):
        what = (_text(message.topic), wrapped(message.payload, message.proof), _text(letter.reason))
        sender = (letter.hub, letter.agent, letter.epoch, letter.seq, letter.kind)
        await connection.execute(sql, (*what, *sender, key, message.received))


def listed(
    connection: Connection[Any],
    most: int = 50,
    contains: str | None = None,
    with_replayed: bool = False,
    hubs: Collection[str] | None = None,
    before: tuple[str, int] | None = None,
) -> list[DeadLetter]:
    """Return dead letters, newest first, whose reason contains a text, without their payloads.

    Of some hubs or, without `hubs`, of all and of none; `before` is when one was last seen, and its number.
    """
    seen, number = (None, None) if before is None else before
    what = {"most": most, "contains": contains, "all": with_replayed, "hubs": None if hubs is None else list(hubs)}
    what |= {"seen": seen, "before": number}
    with translated(), connection.cursor(row_factory=class_row(DeadLetter)) as cursor:
        return cursor.execute(queries("dead_letters")["list"], what).fetchall()


def count_listed(
    connection: Connection[Any],
    contains: str | None = None,
    with_replayed: bool = False,
    hubs: Collection[str] | None = None,
) -> int:
    """Count what `listed` would list without an end."""
    what = {"contains": contains, "all": with_replayed, "hubs": None if hubs is None else list(hubs)}
    with translated():
        row = connection.execute(queries("dead_letters")["count"], what).fetchone()
    return 0 if row is None else int(row[0])


def shown(connection: Connection[Any], number: int) -> DeadLetter:
    """Return one dead letter whole; raises Permanent when there is none of that number."""
    with translated(), connection.cursor(row_factory=class_row(DeadLetter)) as cursor:
        letter = cursor.execute(queries("dead_letters")["show"], (number,)).fetchone()
    if letter is None:
        raise Permanent(f"there is no dead letter {number}; `hubwatch dead-letters list` shows those there are")
    return letter


def waiting(connection: Connection[Any], contains: str | None = None) -> Iterator[DeadLetter]:
    """Return every dead letter that was not replayed, one at a time, oldest first."""
    with translated():
        numbers = connection.execute(queries("dead_letters")["waiting"], {"contains": contains}).fetchall()
    for (number,) in numbers:
        yield shown(connection, number)


def mark_replayed(connection: Connection[Any], number: int) -> None:
    """Remember that a dead letter was stored after all."""
    with translated():
        connection.execute(queries("dead_letters")["replayed"], (number,))


def mark_still_dead(connection: Connection[Any], number: int, why: str) -> None:
    """Remember why a dead letter was not stored when somebody asked for it."""
    with translated():
        connection.execute(queries("dead_letters")["still_dead"], (_text(why)[:REASON_CHARS], number))


def ask_replay(
    connection: Connection[Any],
    by: str,
    *,
    number: int | None = None,
    contains: str | None = None,
    hubs: Collection[str] | None = None,
) -> list[int]:
    """Ask that dead letters be tried again, which a collector does; return which those are."""
    what = {"by": by, "number": number, "contains": contains, "hubs": None if hubs is None else list(hubs)}
    with translated():
        return [int(row[0]) for row in connection.execute(queries("dead_letters")["ask"], what)]


def asked(connection: Connection[Any], most: int) -> list[int]:
    """Return the dead letters that somebody wants tried again, who has waited longest first."""
    with translated():
        return [int(row[0]) for row in connection.execute(queries("dead_letters")["asked"], (most,))]


def trim(connection: Connection[Any]) -> int:
    """Delete dead letters beyond their bounds, those not seen for longest first; return how many.

    The ledger remembers which frames they were, so that these stay explained.
    """
    row = connection.execute(queries("dead_letters")["trim"]).fetchone()
    assert row is not None, "an aggregate gives a row"
    return int(row[0])


def digest(message: Message) -> bytes:
    """Return what makes two dead letters the same: topic and payload (SHA-256)."""
    return hashlib.sha256(
        message.topic.encode("utf-8", "surrogatepass") + b"\0" + wrapped(message.payload, message.proof)
    ).digest()


def _text(text: str) -> str:
    """Return `text` as PostgreSQL can store it: no NUL, no lone surrogates."""
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
