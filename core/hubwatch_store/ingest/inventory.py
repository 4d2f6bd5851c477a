"""What births and states say: which sensors and channels there are, and which agents are there."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from hubwatch_core.wire import Birth
from hubwatch_store.database import DatabaseConnection
from hubwatch_store.database.sql_files import queries
from hubwatch_store.devices import claimed_in, listings, note_claims
from hubwatch_store.ingest.offer import State

ALIVE_S = 15
"""An agent that was heard this lately is there, whatever a retained word says: it sends a frame every 10 s."""

MOST_NAMED = 10
"""Channels or sensors that are named in what is told."""


class Birthed(NamedTuple):
    """What a birth said that is told: sensors of others, with whose they are, and channels that have another unit."""

    claimed: dict[str, str]
    units: dict[str, str]


async def record_birth(
    connection: DatabaseConnection, birth: Birth, said: int, *, retained: bool, own: bool = False
) -> Birthed:
    """Make known what a birth announces, which was said at `said` (µs UTC), inside the caller's transaction.

    A birth that was not said later than what is known changes nothing. With `own` a sensor that another agent has is
    not taken from it.
    """
    sql = queries("inventory")
    await connection.execute(sql["hub"], (birth.hub,))
    await listings.revive(connection, birth, said)
    agent = (birth.hub, birth.agent, birth.epoch, birth.software, birth.config, said, retained)
    cursor = await connection.execute(sql["agent"], agent)
    if await cursor.fetchone() is None:
        return Birthed({}, {})
    claimed: dict[str, str] = {}
    if own:
        claimed = await claimed_in(connection, birth)
        await note_claims(connection, birth, said, [each for each in birth.inventory if each.sensor in claimed])
        rest = [each for each in birth.inventory if each.sensor not in claimed]
        birth = msgspec.structs.replace(birth, inventory=rest)
    units = await _other_units(connection, birth)
    await listings.take(connection, birth, said)
    return Birthed(claimed, units)


async def _other_units(connection: DatabaseConnection, birth: Birth) -> dict[str, str]:
    """Return what a birth changes of units, in words, by sensor."""
    rows = [(each.sensor, channel.name, channel.unit) for each in birth.inventory for channel in each.channels]
    if not rows:
        return {}
    sensors, channels, units = (list(column) for column in zip(*rows, strict=True))
    values = {"hub": birth.hub, "agent": birth.agent, "sensors": sensors, "channels": channels, "units": units}
    cursor = await connection.execute(queries("rights")["other_units"], values)
    found: dict[str, list[str]] = {}
    for sensor, channel, before, now in await cursor.fetchall():
        found.setdefault(str(sensor), []).append(f"{channel} from {before or 'none'} to {now or 'none'}")
    return {sensor: "; ".join(changes[:MOST_NAMED]) for sensor, changes in found.items()}


async def record_state(connection: DatabaseConnection, state: State, received: int, *, retained: bool) -> None:
    """Set whether an agent is there, inside the caller's transaction; a word said before (µs UTC) changes nothing."""
    sql = queries("inventory")
    await connection.execute(sql["hub"], (state.hub,))
    word = "online" if state.online else "offline"
    what = {"hub": state.hub, "agent": state.agent, "state": word, "received": received, "retained": retained}
    await connection.execute(sql["state"], what | {"alive_s": ALIVE_S})
    await listings.settle_shared(connection, state.hub, state.agent, received)
