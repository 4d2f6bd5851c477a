"""What births and states say: which sensors and channels there are, and which agents are there."""

from __future__ import annotations

from collections.abc import Sequence

from hubwatch_core.wire import Birth
from hubwatch_store.offer import State
from hubwatch_store.pool import Connection
from hubwatch_store.queries import queries


async def record_birth(connection: Connection, birth: Birth) -> None:
    """Make known what a birth announces, inside the caller's transaction; an older birth changes nothing."""
    sql = queries("inventory")
    await connection.execute(sql["hub"], (birth.hub,))
    agent = (birth.hub, birth.agent, birth.epoch, birth.software, birth.config, birth.sent)
    cursor = await connection.execute(sql["agent"], agent)
    if await cursor.fetchone() is None or not birth.inventory:
        return
    sensors = sorted(birth.inventory, key=lambda sensor: sensor.sensor)
    await connection.execute(sql["zones"], (birth.hub, [sensor.zone for sensor in sensors]))
    rows = [(each.sensor, each.kind.value, each.zone, each.profile, each.max_age_s) for each in sensors]
    await connection.execute(sql["sensors"], (birth.hub, birth.agent, *_columns(rows)))
    channels = [
        (sensor.sensor, each.name, each.unit, each.kind.value, each.period_us, each.resolution)
        for sensor in sensors
        for each in sorted(sensor.channels, key=lambda channel: channel.name)
    ]
    if channels:
        await connection.execute(sql["channels"], (birth.hub, *_columns(channels)))


async def record_state(connection: Connection, state: State, received: int) -> None:
    """Set whether an agent is there, inside the caller's transaction; an older state (µs UTC) changes nothing."""
    sql = queries("inventory")
    await connection.execute(sql["hub"], (state.hub,))
    word = "online" if state.online else "offline"
    await connection.execute(sql["state"], (state.hub, state.agent, word, received))


def _columns(rows: Sequence[tuple[object, ...]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]
