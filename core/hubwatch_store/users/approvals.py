"""Acts that wait for a second person: asked by one, agreed to or refused by another, or over after a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from hubwatch_core.errors import Permanent
from hubwatch_core.permission import TWO_PERSONS, Actor, UserAct, may, may_agree, refusal
from hubwatch_store.database import DatabaseConnection, fetch, translated, write
from hubwatch_store.users.directory import existing_user
from hubwatch_store.users.journal import record

MOST_SHOWN = 200
BY_THE_CLOCK = Actor("system")


class NotAllowed(Permanent):
    """Whoever asks may not do that."""


@dataclass(frozen=True, slots=True)
class Approval:
    """An act that waits for a second person, or what came of it."""

    id: int
    act: UserAct
    hub: str | None
    subject: str
    details: Mapping[str, Any]
    reason: str
    asked_by: str
    asked: datetime
    expires: datetime
    decision: str | None
    """`approved`, `refused` or `expired`; None while it waits."""
    decided_by: str | None
    decided: datetime | None
    note: str | None
    done: datetime | None
    waits: bool


async def ask(
    connection: DatabaseConnection,
    person: Actor,
    act: UserAct,
    *,
    hub: str | None,
    subject: str,
    reason: str,
    valid_s: float,
    details: Mapping[str, object] | None = None,
) -> int:
    """Let an act wait for a second person, in the caller's transaction; return its number.

    Raises NotAllowed, or Permanent when the same act waits already.
    """
    if not may(person, act, hub):
        raise NotAllowed(refusal(person, act, hub))
    if act not in TWO_PERSONS:
        raise Permanent(f"{act} needs no second person")
    await end_due(connection)
    values = {"act": str(act), "hub": hub, "subject": subject, "reason": reason, "by": person.name}
    rows = await fetch(connection, "approvals", "ask", **values, details=Jsonb(details or {}), valid_s=valid_s)
    if not rows:
        raise Permanent(f"{act} of {subject} waits for a second person already: `hubwatch approvals list` shows it")
    number = int(rows[0]["id"])
    await record(connection, person, "approval.ask", _said(act, subject), hub=hub,
                 details={"approval": number, "reason": reason, **(details or {})})  # fmt: skip
    return number


async def to_decide(connection: DatabaseConnection, person: Actor, number: int, settled_s: float = 0) -> Approval:
    """Return an act that `person` may decide; nobody else decides it until the caller's transaction ends.

    What follows from it is done before `decide`. With `settled_s` it must be somebody who was what they are for so long
    before it was asked. Raises NotAllowed, or Permanent when it does not wait.
    """
    found = await one(connection, number)
    if not found.waits:
        raise Permanent(f"approval {number} was {found.decision or 'expired'} already")
    if person.name == found.asked_by:
        raise NotAllowed("the second of two persons must be another one than the first")
    if not may_agree(person, found.act, found.hub, found.asked_by):
        where = "every hub" if found.hub is None else f"hub {found.hub}"
        raise NotAllowed(f"to decide {found.act} at {where} needs the role {TWO_PERSONS[found.act]} there")
    if settled_s:
        named = {"name": person.name, "asked": found.asked, "within_s": settled_s}
        if await fetch(connection, "approvals", "changed", **named):
            hours = f"{settled_s / 3600:g} h"
            raise NotAllowed(f"who was added, reset or given roles within {hours} is no second person yet: ask another")
    return found


async def first_person(connection: DatabaseConnection, found: Approval) -> Actor:
    """Return who asked, as they are now; raises NotAllowed when they may not do it any more."""
    user = await existing_user(connection, found.asked_by)
    first = user.person()
    if user.disabled is not None or not may(first, found.act, found.hub):
        raise NotAllowed(f"{found.asked_by}, who asked, may not do that any more")
    return first


async def decide(
    connection: DatabaseConnection,
    person: Actor,
    found: Approval,
    *,
    agree: bool,
    note: str | None,
    done: bool = False,
) -> Approval:
    """Write down what the second person says of an act from `to_decide`, last in that transaction."""
    word = "approved" if agree else "refused"
    await write(connection, "approvals", "decide", id=found.id, decision=word, by=person.name, note=note, done=done)
    decided = await one(connection, found.id)
    await record(connection, person, f"approval.{word}", _said(found.act, found.subject), hub=found.hub,
                 details={"approval": found.id, "asked_by": found.asked_by, "note": note or ""})  # fmt: skip
    return decided


async def take(
    connection: DatabaseConnection, number: int, act: UserAct, *, hub: str | None, subject: str
) -> tuple[str, str]:
    """Take an act that was agreed to, once, in the transaction that does it; return who asked and who agreed.

    For acts that hubwatch's API does not do itself. Raises Permanent when it was not agreed to, or done already.
    """
    rows = await fetch(connection, "approvals", "take", id=number, act=str(act), hub=hub, subject=subject)
    if not rows:
        raise Permanent(f"approval {number} does not allow {act} of {subject}: not agreed to, over, or done already")
    return rows[0]["asked_by"], rows[0]["decided_by"]


async def one(connection: DatabaseConnection, number: int) -> Approval:
    """Return an approval, and let nobody else decide it in this transaction; raises Permanent when there is none."""
    rows = await fetch(connection, "approvals", "one", id=number)
    if not rows:
        raise Permanent(f"there is no approval {number}")
    return _approval(rows[0])


async def approvals(
    connection: DatabaseConnection, *, decided: bool = False, most: int = MOST_SHOWN, seen: Sequence[str] | None = None,
    after: Sequence[int] | None = None,
) -> list[Approval]:  # fmt: skip
    """Return those that wait, newest first, and with `decided` the others after them, of the hubs that are `seen`.

    Without `seen` of every hub, and those that concern no single one; `after` the place of one, where it is given.
    Raises Transient, Permanent.
    """
    values = {"decided": decided, "most": most, "seen": None if seen is None else list(seen)}
    place = None if after is None else list(after)
    with translated():
        async with connection.transaction():
            await end_due(connection)
            rows = await fetch(connection, "approvals", "list_approvals", **values, after=place)
    return [_approval(row) for row in rows]


def place_of(found: Approval) -> tuple[int, int]:
    """Return the place of one in their order."""
    return int(found.decision is not None), -found.id


async def end_due(connection: DatabaseConnection) -> None:
    """End what nobody has decided in time, in the caller's transaction."""
    for row in await fetch(connection, "approvals", "expire"):
        subject = _said(UserAct(row["act"]), row["subject"])
        await record(connection, BY_THE_CLOCK, "approval.expired", subject, hub=row["hub"],
                     details={"approval": row["id"], "asked_by": row["asked_by"]})  # fmt: skip


def _said(act: UserAct, subject: str) -> str:
    return f"{act} {subject}"


def _approval(row: Mapping[str, Any]) -> Approval:
    return Approval(**{**row, "act": UserAct(row["act"])})
