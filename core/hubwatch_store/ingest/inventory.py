"""What births and states say: which sensors and channels there are, and which agents are there."""

from __future__ import annotations

from hubwatch_core.wire import Birth
from hubwatch_store.database import DatabaseConnection
from hubwatch_store.database.sql_files import queries
from hubwatch_store.devices import listings
from hubwatch_store.ingest.offer import State

ALIVE_S = 15
"""An agent that was heard this lately is there, whatever a retained word says: it sends a frame every 10 s."""


async def record_birth(connection: DatabaseConnection, birth: Birth, said: int, *, retained: bool) -> None:
    """Make known what a birth announces, which was said at `said` (µs UTC), inside the caller's transaction.

    A birth that was not said later than what is known changes nothing.
    """
    sql = queries("inventory")
    await connection.execute(sql["hub"], (birth.hub,))
    await listings.revive(connection, birth, said)
    agent = (birth.hub, birth.agent, birth.epoch, birth.software, birth.config, said, retained)
    cursor = await connection.execute(sql["agent"], agent)
    if await cursor.fetchone() is not None:
        await listings.take(connection, birth, said)


async def record_state(connection: DatabaseConnection, state: State, received: int, *, retained: bool) -> None:
    """Set whether an agent is there, inside the caller's transaction; a word said before (µs UTC) changes nothing."""
    sql = queries("inventory")
    await connection.execute(sql["hub"], (state.hub,))
    word = "online" if state.online else "offline"
    what = {"hub": state.hub, "agent": state.agent, "state": word, "received": received, "retained": retained}
    await connection.execute(sql["state"], what | {"alive_s": ALIVE_S})
    await listings.settle_shared(connection, state.hub, state.agent, received)
