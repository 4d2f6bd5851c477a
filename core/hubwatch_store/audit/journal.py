"""Add to the journal, inside the caller's transaction: what it did and the row about it stay or go together.

Whoever adds next waits until that transaction ends, so add last in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from psycopg import Connection

from hubwatch_store.database import DatabaseConnection, translated
from hubwatch_store.database.sql_files import queries


async def journal(
    connection: DatabaseConnection, act: str, *, who: str, verified: bool = False, hub: str | None = None,
    subject: str | None = None, details: Mapping[str, object] | None = None,
) -> int:  # fmt: skip
    """Add that `who` did `act` (lower-case words) to `subject`, and return the number of the row.

    `verified` means that somebody proved to be `who`; `details` is what JSON can hold. Secrets belong in none of them.
    Raises Permanent when a value is refused or this login may not add, Transient when the database is away.
    """
    with translated():
        values = _values(act, who, verified, hub, subject, details)
        return _number(await (await connection.execute(queries("audit")["journal"], values)).fetchone())


def journal_now(
    connection: Connection[Any], act: str, *, who: str, verified: bool = False, hub: str | None = None,
    subject: str | None = None, details: Mapping[str, object] | None = None,
) -> int:  # fmt: skip
    """Do the same, for a command."""
    with translated():
        values = _values(act, who, verified, hub, subject, details)
        return _number(connection.execute(queries("audit")["journal"], values).fetchone())


def _values(
    act: str, who: str, verified: bool, hub: str | None, subject: str | None, details: Mapping[str, object] | None
) -> dict[str, object]:
    told = json.dumps(dict(details or {}), allow_nan=False)
    return {"act": act, "who": who, "verified": verified, "hub": hub, "subject": subject, "details": told}


def _number(row: tuple[Any, ...] | None) -> int:
    assert row is not None, "a function always gives a row"
    return int(row[0])
