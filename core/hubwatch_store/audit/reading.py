"""Read the chain, and check it against its end, its signatures and the journals that it holds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from psycopg import Connection

from hubwatch_core.audit_chain import AuditRow, ChainCheck, ChainEnd, ChainFault, RunningDigest, digest_of
from hubwatch_store.database import translated
from hubwatch_store.database.sql_files import queries

if TYPE_CHECKING:
    from hubwatch_core.audit_signature import SignedEnd

_AT_A_TIME = 2000
_FIRST_FORM = 1


class _Held(NamedTuple):
    """A journal with a table of its own that the chain holds by digests."""

    name: str
    act: str
    query: str
    forms: Mapping[int, int]
    """How many fields at the end of a row each form of the digest leaves out."""


_HELD = (
    # The first form was without `verified`.
    _Held("the alarms' journal", "alarm_journal", "alarms", {_FIRST_FORM: 1, 2: 0}),
    _Held("the adjudications", "adjudication", "adjudications", {_FIRST_FORM: 0}),
    _Held("the incidents' journal", "incident_journal", "incidents", {_FIRST_FORM: 0}),
    _Held("the signed handovers", "handover signed", "handovers", {_FIRST_FORM: 0}),
)


def audit_rows(connection: Connection[Any], after: int = 0) -> Iterator[AuditRow]:
    """Yield the rows after one, in order, as they were at one moment. Raises Transient or Permanent."""
    with translated(), connection.transaction():
        connection.execute(queries("audit")["steady"])
        yield from (AuditRow(*row) for row in _stream(connection, "rows", {"after": after}))


def last_rows(connection: Connection[Any], most: int, hub: str | None = None) -> list[AuditRow]:
    """Return the newest rows, the newest first; of one hub, or of all. Raises Transient or Permanent."""
    with translated():
        return [
            AuditRow(*row)
            for row in connection.execute(queries("audit")["last"], {"hub": hub, "most": most}).fetchall()
        ]


def signed_ends(connection: Connection[Any]) -> list[SignedEnd]:
    """Return what was signed. Raises Transient or Permanent."""
    from hubwatch_core.audit_signature import SignedEnd

    with translated():
        return [SignedEnd(*row) for row in connection.execute(queries("audit")["signatures"]).fetchall()]


def verify(
    connection: Connection[Any], heads: Sequence[SignedEnd] = (), keys: Collection[str] = ()
) -> Iterator[ChainFault]:
    """Yield everything that is not as it was written, as of one moment. Memory stays bounded.

    `heads` were signed and kept elsewhere, `keys` are the public ones that may sign (none: any). Raises Transient or
    Permanent.
    """
    beside = signed_ends(connection)
    yield from _check_signatures(beside, heads, keys)
    with translated(), connection.transaction():
        connection.execute(queries("audit")["steady"])
        chain = ChainCheck(each.end for each in (*heads, *beside))
        for row in _stream(connection, "rows", {"after": 0}):
            yield from chain.take(AuditRow(*row))
        head = connection.execute(queries("audit")["head"]).fetchall()
        if len(head) != 1:
            yield ChainFault(None, "the chain has no head")
        yield from chain.finish(ChainEnd(*head[0]) if len(head) == 1 else None)
        for held in _HELD:
            yield from _check_held(connection, held)


def _check_signatures(
    beside: Iterable[SignedEnd], heads: Iterable[SignedEnd], keys: Collection[str]
) -> Iterator[ChainFault]:
    kept = set()
    for each in beside:
        kept.add(each)
        if not each.holds or (keys and each.key not in keys):
            yield ChainFault(each.id, "its signature in the database is not right")
    for each in heads:
        if each not in kept:
            yield ChainFault(each.id, "its signature is gone from the database")


def _check_held(connection: Connection[Any], held: _Held) -> Iterator[ChainFault]:
    before = connection.execute(queries("audit")["before"], {"act": f"{held.act} so far"}).fetchall()
    yield from _compared(held, _stream(connection, held.query, {}), before)


def _compared(held: _Held, rows: Iterable[tuple[Any, ...]], before: Sequence[tuple[Any, ...]]) -> Iterator[ChainFault]:
    # A later form holds the rows before it once more; only the first is all that the chain has of them.
    alone = max((until for until, _, form in before if form == _FIRST_FORM), default=0)
    former = [RunningDigest() for _ in before]
    for *fields, number, digest, form in rows:
        if fields[0] is None:
            yield ChainFault(None, f"row {number} of {held.name} missing")
            continue
        own = {each: _digest(fields, left_out) for each, left_out in held.forms.items()}
        for running, (until, _, its_form) in zip(former, before, strict=True):
            if fields[0] <= until:
                running.add(own.get(its_form))
        if digest is None and fields[0] > alone:
            yield ChainFault(None, f"row {fields[0]} of {held.name} was added past the chain")
        elif digest is not None and digest != own.get(form):
            yield ChainFault(None, f"row {fields[0]} of {held.name} altered")
    for running, (until, digest, _) in zip(former, before, strict=True):
        if str(running) != digest:
            yield ChainFault(None, f"{held.name} up to row {until} altered")


def _digest(fields: Sequence[Any], left_out: int) -> str:
    """Return the digest of a row without its last fields, which an earlier form did not have."""
    return digest_of(*(None if each is None else str(each) for each in fields[: len(fields) - left_out]))


def _stream(connection: Connection[Any], name: str, values: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    with connection.cursor(name=f"audit_{name}") as cursor:
        cursor.itersize = _AT_A_TIME
        yield from cursor.execute(queries("audit")[name], values)
