"""Check the chain of what was done, row by row, with nothing but the rows: SHA-256 over fields, each with its length.

The form is described in `docs/reference/audit.md`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

START = "00" * 32
"""What the first row names as the hash before it."""
ERASED = "personal data erased"
"""The act that names, in its details as `rows`, the rows that were emptied."""


class AuditRow(msgspec.Struct, frozen=True):
    """A row of the chain as it is exported: `at` in µs, `details` as the text that PostgreSQL gives, bytes in
    hexadecimal. In a row that was emptied `who`, `subject`, `details` and `salt` are None.
    """

    id: int
    at: int
    who: str | None
    verified: bool
    hub: str | None
    act: str
    subject: str | None
    details: str | None
    role: str
    salt: str | None
    sealed: str
    previous: str
    hash: str

    @property
    def seal(self) -> str:
        """Return what `sealed` must be."""
        return digest_of(self.salt, self.who, self.subject, self.details)

    @property
    def chained(self) -> str:
        """Return what `hash` must be."""
        flag = str(int(self.verified))
        return digest_of(self.previous, str(self.id), str(self.at), flag, self.hub, self.act, self.role, self.sealed)


class ChainFault(NamedTuple):
    """Something that is not as it was written; `row` is where in the chain, None when it is elsewhere."""

    row: int | None
    what: str


class ChainEnd(NamedTuple):
    """A row and its hash: everything up to it hangs on them."""

    id: int
    hash: str


class RunningDigest:
    """The SHA-256 of fields that come one after the other, each as `LENGTH:TEXT,`, or `-,` for None."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, field: str | None) -> None:
        """Take the next field."""
        if field is None:
            self._digest.update(b"-,")
        else:
            text = field.encode()
            self._digest.update(b"%d:%s," % (len(text), text))

    def __str__(self) -> str:
        return self._digest.hexdigest()


def digest_of(*fields: str | None) -> str:
    """Return the digest of fields in hexadecimal."""
    digest = RunningDigest()
    for field in fields:
        digest.add(field)
    return str(digest)


class ChainCheck:
    """Takes the rows of a chain in order, and says what is wrong with them."""

    def __init__(self, known: Iterable[ChainEnd] = ()) -> None:
        """`known` are ends from elsewhere that the chain must hold."""
        self.end = ChainEnd(0, START)
        self._known: dict[int, set[str]] = {}
        for each in known:
            self._known.setdefault(each.id, set()).add(each.hash)
        self._emptied: set[int] = set()
        self._erased: set[int] = set()

    def take(self, row: AuditRow) -> Iterator[ChainFault]:
        """Check the next row."""
        expected = self.end.id + 1
        if row.id != expected:
            gone = f"row {expected}" if row.id == expected + 1 else f"rows {expected} to {row.id - 1}"
            yield ChainFault(row.id, f"{gone} missing" if row.id > expected else "out of order")
        if row.previous != self.end.hash:
            yield ChainFault(row.id, "does not follow from the row before")
        if row.hash != row.chained:
            yield ChainFault(row.id, "altered")
        if row.salt is None and row.who is None and row.subject is None and row.details is None:
            self._emptied.add(row.id)
        elif row.sealed != row.seal:
            yield ChainFault(row.id, "who, subject or details altered")
        if self._known.pop(row.id, {row.hash}) != {row.hash}:
            yield ChainFault(row.id, "is not the row that was signed")
        if row.act == ERASED:
            self._erased |= _rows_named(row.details)
        self.end = ChainEnd(row.id, row.hash)

    def finish(self, head: ChainEnd | None = None) -> Iterator[ChainFault]:
        """Check what can be said at the end only; `head` is where the database says that the chain ends."""
        if head is not None and head != self.end:
            yield ChainFault(None, f"the chain ends with row {self.end.id}, and its head says {head.id}")
        for number in sorted(self._known):
            yield ChainFault(number, "was signed and is missing")
        for number in sorted(self._emptied - self._erased):
            yield ChainFault(number, "was emptied, and no row says so")


def check(rows: Iterable[AuditRow], known: Iterable[ChainEnd] = ()) -> Iterator[ChainFault]:
    """Check a whole chain, from its first row."""
    chain = ChainCheck(known)
    for row in rows:
        yield from chain.take(row)
    yield from chain.finish()


def _rows_named(details: str | None) -> set[int]:
    try:
        named = msgspec.json.decode(details or "{}", type=dict[str, object]).get("rows")
    except msgspec.DecodeError:
        return set()
    return {each for each in named if isinstance(each, int)} if isinstance(named, list) else set()
