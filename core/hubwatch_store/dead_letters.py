"""Messages that can never be processed: kept whole, with the reason, counted when they come again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from hubwatch_store.offer import Letter, Offer
from hubwatch_store.pool import Connection
from hubwatch_store.queries import queries


async def record(connection: Connection, offers: Iterable[tuple[Offer, Letter]]) -> None:
    """Keep dead letters, inside the caller's transaction; the same payload on the same topic counts up."""
    sql = queries("dead_letters")["record"]
    rows = [(digest(offer), offer, letter) for offer, letter in offers]
    # Sorted, so that two collectors that got the same poison cannot wait for each other.
    for key, offer, letter in sorted(rows, key=lambda row: row[0]):
        what = (_text(offer.topic), offer.payload, _text(letter.reason))
        sender = (letter.hub, letter.agent, letter.epoch, letter.seq)
        await connection.execute(sql, (*what, *sender, key, offer.received))


def digest(offer: Offer) -> bytes:
    """Give what makes two dead letters the same: topic and payload (SHA-256)."""
    return hashlib.sha256(offer.topic.encode("utf-8", "surrogatepass") + b"\0" + offer.payload).digest()


def _text(text: str) -> str:
    """Give `text` as PostgreSQL can store it: no NUL, no lone surrogates."""
    return text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
