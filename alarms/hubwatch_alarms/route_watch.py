"""Watches the routes themselves: one on which nothing gets through is an alarm, told on the others."""

from __future__ import annotations

from collections.abc import Sequence

from hubwatch_alarms.sender import Outbox
from hubwatch_core.clock import SECOND_US
from hubwatch_core.logs import get_logger
from hubwatch_store.alarms import RouteFailure, route_failures
from hubwatch_store.database import database_clock, translated
from hubwatch_store.ownership import still_ours

_log = get_logger("alarms")


async def watch_routes(outbox: Outbox, routes: Sequence[str]) -> int:
    """Begin and end the alarms of failing routes; return how many began. Raises Transient, Permanent."""
    with translated():
        async with outbox.pool.connection() as connection, connection.transaction():
            await still_ours(connection, outbox.owner)
            now = await database_clock(connection)
            ended = await route_failures.end(connection, routes, now)
            found = await route_failures.begun(connection, routes, outbox.delivery.other_routes_after_s)
            began = [each for each in found if await route_failures.tell(connection, each, now, _why(each, now))]
    for route in ended:
        _log.info("route does not fail any more, its alarm ends", route=route)
    for each in began:
        _log.warning("nothing gets through on a route, telling on the others", route=each.route, reason=each.error)
    return len(began)


def _why(failure: RouteFailure, now: int) -> str:
    waited_s = max(0, now - failure.since) // SECOND_US
    attempts = "1 attempt" if failure.attempts == 1 else f"{failure.attempts} attempts"
    last = failure.error or "no answer yet"
    return f"route {failure.route} has delivered nothing for {waited_s} s: {attempts}, the last: {last}"
