"""Legal holds: what a person has said must not be deleted, whatever the retention rules say.

Holds and releases are rows that are never changed. Adding one and deleting readings exclude one another by a lock, so
when `add` returns nothing under the hold can go any more.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection

from hubwatch_core.errors import Permanent
from hubwatch_core.permission import UserAct
from hubwatch_store.audit import journal_now
from hubwatch_store.database import DatabaseConnection, fetch, translated, write
from hubwatch_store.database.sql_files import queries
from hubwatch_store.series import ENDLESS_YEAR, Span


@dataclass(frozen=True, slots=True)
class Hold:
    """One hold; `sensor` None holds a whole hub, `released` None is in force."""

    id: int
    hub: str
    sensor: str | None
    held_from: datetime
    held_to: datetime
    reason: str
    by: str
    at: datetime
    released: datetime | None
    released_by: str | None
    release_reason: str | None

    @property
    def endless(self) -> bool:
        """Return whether it holds what is still to come too."""
        return self.held_to.year > ENDLESS_YEAR


def add(
    connection: Connection[Any],
    *,
    hub: str,
    sensor: str | None,
    held_from: datetime,
    held_to: datetime | None,
    reason: str,
    by: str,
    verified: bool = False,
) -> int:
    """Make a hold and give its number; `verified` means that `by` has shown who they are.

    Raises Permanent when hub or sensor are unknown or the times are in no order.
    """
    if held_to is not None and held_to <= held_from:
        raise Permanent("a hold ends after it begins")
    if not reason.strip() or not by.strip():
        raise Permanent("a hold needs a reason and the name of who asks for it")
    with translated(), connection.transaction():
        sql = queries("legal_hold")
        connection.execute(sql["lock"])
        known = connection.execute(sql["known"], {"hub": hub, "sensor": sensor}).fetchone()
        if not (known and known[0]):
            raise Permanent(f"there is no {'hub ' + hub if sensor is None else f'sensor {sensor} in hub {hub}'}")
        values = {"hub": hub, "sensor": sensor, "held_from": held_from, "held_to": held_to}
        row = connection.execute(sql["add"], {**values, "reason": reason, "by": by}).fetchone()
        assert row is not None, "an insert of one row gives one row"
        number = int(row[0])
        details = {"sensor": sensor, "reason": reason}
        subject = f"hold {number}"
        journal_now(connection, UserAct.HOLD_MAKE, who=by, verified=verified, hub=hub, subject=subject, details=details)
    return number


def release(connection: Connection[Any], hold: int, *, reason: str, by: str) -> None:
    """Release a hold; raises Permanent when there is none of that number in force."""
    if not reason.strip() or not by.strip():
        raise Permanent("a release needs a reason and the name of who orders it")
    with translated(), connection.transaction():
        sql = queries("legal_hold")
        connection.execute(sql["lock"])
        row = connection.execute(sql["release"], {"hold": hold, "reason": reason, "by": by}).fetchone()
    if row is None:
        raise Permanent(f"hold {hold} does not exist or is released already")


async def hub_of(connection: DatabaseConnection, hold: int) -> str:
    """Return the hub of a hold that is in force; raises Permanent when there is none of that number."""
    rows = await fetch(connection, "legal_hold", "hub_of", hold=hold)
    if not rows:
        raise Permanent(f"hold {hold} does not exist or is released already")
    return str(rows[0]["hub"])


async def release_agreed(connection: DatabaseConnection, hold: int, *, reason: str, by: str) -> None:
    """Release a hold, as two persons want it, in the caller's transaction; raises as `release`."""
    await write(connection, "legal_hold", "lock")
    if not await fetch(connection, "legal_hold", "release", hold=hold, reason=reason, by=by):
        raise Permanent(f"hold {hold} does not exist or is released already")


def holds(connection: Connection[Any]) -> list[Hold]:
    """Return every hold there ever was, oldest first."""
    with translated():
        return [Hold(*row) for row in connection.execute(queries("legal_hold")["all"])]


def lock(connection: Connection[Any]) -> None:
    """Keep holds from being made or released until the transaction ends."""
    connection.execute(queries("legal_hold")["lock"])


def kept(connection: Connection[Any], span: Span) -> dict[int, list[Span]]:
    """Return what may not be deleted within `span`, by sensor id: holds in force, and evidence of detections."""
    found: dict[int, list[Span]] = defaultdict(list)
    for sensor, since, until in connection.execute(
        queries("legal_hold")["kept"], {"since": span.since, "until": span.until}
    ):
        found[sensor].append(Span(since, until))
    return found
