"""What is stored about one person: given out, and forgotten with a record.

A person is a subject as events name it, mostly the pseudonym of a badge. What happened stays: an erased event still
says that a door was opened, only not by whom. Journals are never changed; notes that people wrote into them stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from hubwatch_core.errors import Permanent
from hubwatch_store.database import translated
from hubwatch_store.database.sql_files import queries
from hubwatch_store.keeping import legal_hold

STEP_ROWS = 10_000
"""Detections from which persons are taken out in one transaction."""

KINDS = ("events", "detections", "alarms", "cardholder")


@dataclass(frozen=True, slots=True)
class Erasure:
    """One record: who had whom forgotten (not named), why, and how many rows by table; None while it is under way."""

    id: int
    at: datetime
    by: str
    reason: str
    is_about: bool | None
    counts: Mapping[str, int] | None


def about(connection: Connection[Any], subject: str) -> dict[str, list[Any]]:
    """Return all that is stored under a subject, by kind; names only where this login may read them."""
    sql = queries("privacy")
    with translated(), connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        found = {kind: [row[0] for row in connection.execute(sql[kind], {"subject": subject})] for kind in KINDS}
        readable = connection.execute(sql["names_readable"]).fetchone()
        if readable is not None and readable[0]:
            found["names"] = [row[0] for row in connection.execute(sql["names"], {"subject": subject})]
    return found


def hubs_about(connection: Connection[Any], subject: str) -> list[str]:
    """Return the hubs where something is stored under a subject."""
    with translated():
        return [str(row[0]) for row in connection.execute(queries("privacy")["hubs"], {"subject": subject})]


def erase(connection: Connection[Any], subject: str, *, by: str, reason: str) -> Erasure:
    """Forget a subject in one transaction, and record it. Raises Permanent when that must not be done now.

    A hold in force goes before, and so does an alarm that stands: people are still to answer it.
    """
    if not subject.strip() or subject.startswith("erased:"):
        raise Permanent("name the subject as events do, such as badge:p1-…")
    if not by.strip() or not reason.strip():
        raise Permanent("an erasure needs a reason and the name of who orders it")
    sql = queries("privacy")
    named = {"subject": subject}
    with translated(), connection.transaction():
        legal_hold.lock(connection)
        _refuse(connection, named)
        record = connection.execute(sql["record"], {**named, "by": by, "reason": reason}).fetchone()
        assert record is not None, "an insert of one row gives one row"
        connection.execute(sql["forget"], {**named, "id": record[0]})
    return next(each for each in erasures(connection, subject) if each.id == record[0])


def erasures(
    connection: Connection[Any], subject: str | None = None, *, before: int | None = None, most: int | None = None
) -> list[Erasure]:
    """Return every record, or those about a subject, the newest first, or up to `most` `before` one."""
    values = {"subject": subject, "before": before, "most": most}
    with translated():
        return [Erasure(*row) for row in connection.execute(queries("privacy")["erasures"], values)]


def expire(connection: Connection[Any]) -> int:
    """Take persons out of detections and alarms older than the rule; return of how many detections."""
    sql = queries("privacy")
    old = connection.execute(sql["old"]).fetchone()
    if old is None or not old[0]:
        return 0
    many = 0
    while True:
        with connection.transaction():
            legal_hold.lock(connection)
            values = {"by": "retention", "reason": "older than the rule for persons", "subject": None}
            record = connection.execute(sql["record"], values).fetchone()
            assert record is not None, "an insert of one row gives one row"
            step = {"erased": f"erased:{record[0]}", "most": STEP_ROWS}
            counts = {
                "detections": connection.execute(sql["expire"], step).rowcount,
                "alarms": connection.execute(sql["expire_alarms"], step).rowcount,
            }
            connection.execute(sql["finish"], {"id": record[0], "counts": Jsonb(counts)})
        many += counts["detections"]
        if counts["detections"] < STEP_ROWS:
            return many


def person_days(connection: Connection[Any]) -> int | None:
    """Return for how many days detections and alarms name persons; None is for ever."""
    with translated():
        row = connection.execute(queries("privacy")["person_days"]).fetchone()
    return None if row is None else row[0]


def set_person_days(connection: Connection[Any], days: int | None) -> None:
    """Change that."""
    if days is not None and days < 1:
        raise Permanent("a rule is a number of days from 1 on, or for ever")
    with translated():
        connection.execute(queries("privacy")["set_person_days"], {"days": days})


def _refuse(connection: Connection[Any], named: Mapping[str, str]) -> None:
    sql = queries("privacy")
    holds = [str(row[0]) for row in connection.execute(sql["holds"], named)]
    if holds:
        raise Permanent(f"hold {', '.join(holds)} is in force over what is stored about this subject: release it first")
    standing = [str(row[0]) for row in connection.execute(sql["open_alarms"], named)]
    if standing:
        raise Permanent(f"alarm {', '.join(standing)} about this subject stands: close it first")
