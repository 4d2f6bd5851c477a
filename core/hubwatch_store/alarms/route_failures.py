"""Routes on which nothing gets through: each is a detection, which ends when the route delivers again.

Every function works inside the transaction of its caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hubwatch_core.clock import to_datetime, to_us
from hubwatch_core.ids import new_ulid
from hubwatch_core.words import Priority
from hubwatch_store.database import DatabaseConnection, fetch, write

ROUTE_FAILED = "integrity.route_failed"
"""The type of such an alarm; its subject is the route."""
REFUSALS = 3
"""So many refusals without a delivery between them are no accident: the third comes 45 s after the first."""


@dataclass(frozen=True, slots=True)
class RouteFailure:
    """A route on which nothing gets through, since when (µs), and what its newest attempt met."""

    route: str
    hub: str
    since: int
    after: int
    error: str | None
    attempts: int


async def begun(connection: DatabaseConnection, routes: Sequence[str], after_s: float) -> list[RouteFailure]:
    """Return those of `routes` that are not known to fail and delivered nothing for `after_s`, or only refusals."""
    rows = await fetch(
        connection, "route_failures", "begun", routes=list(routes), after_s=after_s, refusals=REFUSALS
    )  # fmt: skip
    return [RouteFailure(**row | {"since": to_us(row["since"])}) for row in rows]


async def tell(connection: DatabaseConnection, failure: RouteFailure, now: int, why: str) -> bool:
    """Make a detection of a failure; return False when somebody else has."""
    made, since = new_ulid(), to_datetime(min(failure.since, now))
    kept = await fetch(
        connection, "route_failures", "keep", route=failure.route, id=made, since=since, after=failure.after
    )  # fmt: skip
    if kept:
        await write(
            connection, "route_failures", "tell", id=made, type=ROUTE_FAILED, hub=failure.hub, route=failure.route,
            since=since, now=to_datetime(now), score=float(failure.attempts), priority=int(Priority.HIGH), why=why,
        )  # fmt: skip
    return bool(kept)


async def end(connection: DatabaseConnection, routes: Sequence[str], now: int) -> list[str]:
    """End the failures of routes that have delivered since, and of those that are none of `routes`; return which."""
    rows = await fetch(connection, "route_failures", "over", routes=list(routes))
    for row in rows:
        why = f"there is no route {row['route']} any more" if row["gone"] else f"route {row['route']} delivers again"
        await write(
            connection, "route_failures", "end", detection=row["detection"], now=to_datetime(now), why=why
        )  # fmt: skip
    return [row["route"] for row in rows]
