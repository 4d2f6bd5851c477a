"""Which sensors an agent lists, whose word about a sensor counts, and when a channel begins to mean something else.

Agents may share a sensor, each with channels of its own, as a door's contact and its reader. Of those that list the
same channel one counts: who has it keeps it until it no longer lists it, is taken away, or is offline while another
that lists it is there. The others' readings are stored beside, as CHANNEL@AGENT. The rule stands in
`hubwatch.settle_sensor` and, for the detectors, in their engine.
"""

from __future__ import annotations

from collections.abc import Sequence

from hubwatch_core.wire import Birth, Sensor
from hubwatch_store.database import DatabaseConnection
from hubwatch_store.database.sql_files import queries


async def lock(connection: DatabaseConnection) -> None:
    """Keep everybody from using ids of names until the transaction ends; first in a transaction that writes agents.

    Whoever stores frames shares this lock and writes agents after it: the other order would be a deadlock.
    """
    await connection.execute(queries("listings")["lock"])


async def take(connection: DatabaseConnection, birth: Birth, at: int) -> None:
    """Make known what a birth lists that was said at `at` (µs UTC), inside the caller's transaction."""
    sql = queries("listings")
    hub, agent = birth.hub, birth.agent
    sensors = sorted(birth.inventory, key=lambda sensor: sensor.sensor)
    names = [each.sensor for each in sensors]
    await lock(connection)
    cursor = await connection.execute(sql["new_names"], (at, hub, names))
    changed = await cursor.fetchone() is not None
    cursor = await connection.execute(sql["unlist"], (hub, agent, names))
    dropped = [str(row[0]) for row in await cursor.fetchall()]
    changed |= await _listed(connection, hub, agent, sensors, [*names, *dropped], at)
    if changed:
        await connection.execute(sql["changed"])


async def add(
    connection: DatabaseConnection, hub: str, agent: str, sensors: Sequence[Sensor], names: Sequence[str], at: int
) -> None:
    """List sensors beside those that an agent lists, and say whose word about `names` counts; under the lock."""
    await _listed(connection, hub, agent, sensors, names, at)
    await connection.execute(queries("listings")["changed"])


async def _listed(
    connection: DatabaseConnection, hub: str, agent: str, sensors: Sequence[Sensor], names: Sequence[str], at: int
) -> bool:
    """Take what is said of sensors; return whether ids of names have changed by it."""
    sql = queries("listings")
    mine = [each.sensor for each in sensors]
    if sensors:
        zones = [each.zone for each in sensors]
        await connection.execute(sql["zones"], (hub, zones))
        await connection.execute(sql["unplace"], (mine, zones, hub, agent))
        await connection.execute(sql["list"], (hub, agent, at, *_columns([_row(each) for each in sensors])))
        await connection.execute(sql["make"], (hub, agent, mine, hub))
    changed = await settle(connection, hub, names, at)
    channels = [
        (sensor.sensor, each.name, each.unit, each.kind.value, each.period_us, each.resolution)
        for sensor in sensors
        for each in sorted(sensor.channels, key=lambda channel: channel.name)
    ]
    if channels:
        changed |= await _is(connection, "say", (at, *_columns(channels), hub, agent))
    await connection.execute(sql["mark_channels"], (hub, list(names)))
    return changed


async def revive(connection: DatabaseConnection, birth: Birth, at: int) -> None:
    """Make an agent that was taken away known as a new one, unless this is the birth that was known of it then."""
    await connection.execute(queries("listings")["revive"], (birth.hub, birth.agent, at))


async def settle(connection: DatabaseConnection, hub: str, sensors: Sequence[str], at: int) -> bool:
    """Say anew, from `at` (µs) on, whose word about sensors counts; true when ids of names have changed by it."""
    return await _is(connection, "settle", (at, hub, list(sensors)))


async def settle_shared(connection: DatabaseConnection, hub: str, agent: str, at: int) -> None:
    """Say anew whose word counts about what this agent lists and others list too; its state has changed at `at`."""
    cursor = await connection.execute(queries("listings")["shared"], (hub, agent))
    shared = [str(row[0]) for row in await cursor.fetchall()]
    if shared:
        await lock(connection)
        if await settle(connection, hub, shared, at):
            await connection.execute(queries("listings")["changed"])


async def _is(connection: DatabaseConnection, query: str, values: Sequence[object]) -> bool:
    cursor = await connection.execute(queries("listings")[query], values)
    row = await cursor.fetchone()
    return bool(row and row[0])


def _row(sensor: Sensor) -> tuple[object, ...]:
    """Return what is written of a sensor that is listed."""
    return (sensor.sensor, sensor.kind.value, sensor.zone, sensor.profile, sensor.max_age_s, _names(sensor))


def _names(sensor: Sensor) -> str:
    return " ".join(sorted({channel.name for channel in sensor.channels}))


def _columns(rows: Sequence[tuple[object, ...]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]
