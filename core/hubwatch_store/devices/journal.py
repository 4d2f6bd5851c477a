"""The journal of devices: what was done to agents and sensors, by whom and why. Detectors follow it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple, cast

from hubwatch_core.errors import Permanent
from hubwatch_core.permission import Actor, UserAct
from hubwatch_store.database import DatabaseConnection, Pool, translated
from hubwatch_store.database.sql_files import queries
from hubwatch_store.users import doing

AGENT_FORGOTTEN, SENSOR_FORGOTTEN = "agent forgotten", "sensor forgotten"
REPLACED, MOVED, RENAMED = "replaced", "moved", "renamed"
GIVEN, SHARED = "given", "shared"


class Act(NamedTuple):
    """One entry; `at` and `birth` (the last one of a forgotten agent) in µs."""

    id: int
    at: int
    action: str
    hub: str
    agent: str | None
    sensor: str | None
    birth: int | None
    by: str
    reason: str


async def acts(pool: Pool, hubs: Sequence[str], after: int) -> list[Act]:
    """Return the entries after one, of `hubs` or of all when none is named. Raises Transient or Permanent."""
    with translated():
        async with pool.connection() as connection:
            values = {"after": after, "hubs": list(hubs) or None}
            cursor = await connection.execute(queries("devices")["acts"], values)
            return [Act(*cast("Act", row)) for row in await cursor.fetchall()]


async def write(
    connection: DatabaseConnection, action: str, hub: str, by: str, reason: str, *, agent: str | None = None,
    sensor: str | None = None, target: str | None = None, birth: int | None = None,
) -> None:  # fmt: skip
    """Add an entry, inside the caller's transaction."""
    values = (action, hub, agent, sensor, target, birth, by, reason)
    await connection.execute(queries("devices")["write"], values)


@asynccontextmanager
async def ordered(
    connection: DatabaseConnection, person: Actor, hub: str, subject: str, what: str, reason: str
) -> AsyncIterator[None]:
    """Make the transaction in which a person changes something of devices; it stands in the journal of acts, too.

    Raises NotAllowed, Transient, Permanent.
    """
    details = {"what": what, "reason": reason}
    async with doing(connection, person, UserAct.SENSOR_CHANGE, subject, hub=hub, details=details):
        yield


def check_words(by: str, reason: str) -> None:
    """Raise Permanent when nobody says who does it, or why."""
    if not by.strip() or not reason.strip():
        raise Permanent("say who does it (--by) and why (--reason)")
