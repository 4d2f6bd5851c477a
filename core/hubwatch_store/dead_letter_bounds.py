"""Keeps the dead letters within their bounds of age, number and size (table `dead_letter_bounds`)."""

from __future__ import annotations

from typing import Any

from psycopg import Connection

from hubwatch_store.queries import queries


def trim(connection: Connection[Any]) -> int:
    """Delete dead letters beyond their bounds, those not seen for longest first; gives how many.

    The ledger remembers which frames they were, so that these stay explained.
    """
    row = connection.execute(queries("dead_letters")["trim"]).fetchone()
    assert row is not None, "an aggregate gives a row"
    return int(row[0])
