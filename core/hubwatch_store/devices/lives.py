"""A sensor whose device, place or name changes: what was measured before keeps its meaning, its holds and its history.

Replaced and moved, each channel begins a new validity; readings of frames that were made before stay with the former
one, also when they come later. Renamed, everything goes on under the new name, also what its agent still says under
the old one.
"""

from __future__ import annotations

from typing import Any

from hubwatch_core.clock import now_us
from hubwatch_core.errors import Permanent
from hubwatch_store.database import DatabaseConnection, translated
from hubwatch_store.database.sql_files import queries
from hubwatch_store.devices import journal
from hubwatch_store.devices.departures import the_sensor


async def replace(
    connection: DatabaseConnection, hub: str, sensor: str, by: str, reason: str, at: int | None = None
) -> None:
    """Say that another device of the same kind measures since `at` (µs; now). Raises Permanent when there is none."""
    journal.check_words(by, reason)
    with translated():
        async with connection.transaction():
            await connection.execute(queries("listings")["lock"])
            id_, _ = await the_sensor(connection, hub, sensor)
            await connection.execute(queries("devices")["renew"], (now_us() if at is None else at, id_))
            await journal.write(connection, journal.REPLACED, hub, by, reason, sensor=sensor)
            await connection.execute(queries("listings")["changed"])


async def move(
    connection: DatabaseConnection, hub: str, sensor: str, zone: str, by: str, reason: str, at: int | None = None
) -> None:
    """Say that a sensor stands in another zone since `at` (µs; now), until its agent says another one than before.

    Raises Permanent when there is no such sensor.
    """
    journal.check_words(by, reason)
    sql = queries("devices")
    with translated():
        async with connection.transaction():
            await connection.execute(queries("listings")["lock"])
            id_, _ = await the_sensor(connection, hub, sensor)
            await connection.execute(sql["make_zone"], (hub, zone))
            await connection.execute(sql["place"], (zone, zone, id_))
            await connection.execute(sql["place_channels"], (zone, now_us() if at is None else at, id_))
            await journal.write(connection, journal.MOVED, hub, by, reason, sensor=sensor, target=zone)
            await connection.execute(queries("listings")["changed"])


async def rename(connection: DatabaseConnection, hub: str, sensor: str, name: str, by: str, reason: str) -> None:
    """Let a sensor go on under another name; what an agent says under that name already is joined with it.

    Raises Permanent when there is no such sensor.
    """
    journal.check_words(by, reason)
    if name == sensor:
        raise Permanent(f"sensor {sensor} is called so already")
    sql = queries("devices")
    with translated():
        async with connection.transaction():
            await connection.execute(queries("listings")["lock"])
            id_, _ = await the_sensor(connection, hub, sensor)
            cursor = await connection.execute(sql["sensor"], (hub, name))
            there: tuple[Any, ...] | None = await cursor.fetchone()
            if there is not None:
                await _join(connection, id_, there[0])
            await connection.execute(sql["drop_listing"], (hub, sensor, name))
            await connection.execute(sql["rename_listing"], (name, hub, sensor))
            await connection.execute(queries("rights")["rename"], {"hub": hub, "old": sensor, "new": name})
            await connection.execute(sql["rename"], (name, id_))
            await connection.execute(sql["rename_channels"], (name, id_))
            await connection.execute(sql["remember_name"], (id_, hub, sensor))
            await journal.write(connection, journal.RENAMED, hub, by, reason, sensor=sensor, target=name)
            await connection.execute(queries("listings")["changed"])


async def _join(connection: DatabaseConnection, old: int, new: int) -> None:
    """Put what is known under the new name behind what is known under the old one."""
    sql = queries("devices")
    cursor = await connection.execute(sql["first_said"], (new,))
    row: tuple[Any, ...] | None = await cursor.fetchone()
    at = int(row[0]) if row else now_us()
    await connection.execute(sql["join_events"], (old, new))
    await connection.execute(sql["join_owners"], (old, at, new))
    await connection.execute(sql["leave_owners"], (new,))
    await connection.execute(sql["end_channels"], {"at": at, "old": old, "new": new})
    await connection.execute(sql["join_channels"], {"old": old, "new": new})
    await connection.execute(sql["join_former"], (old, new))
    cursor = await connection.execute(sql["drop_sensor"], (new,))
    said: tuple[Any, ...] | None = await cursor.fetchone()
    assert said is not None, "it was found in this transaction"
    await connection.execute(sql["take_over"], (*said, old))
