"""Agents and sensors that are gone for good: what is open about them ends, and nothing calls them blind any more.

Only the agent's own topic or an operator says that it is gone. What a person says closes every alarm; what came over
the network closes what hubwatch says of the agent and its sensors not being seen, and leaves the rest to a person.
"""

from __future__ import annotations

from typing import Any

from hubwatch_core.alarm import SYSTEM
from hubwatch_core.clock import now_us
from hubwatch_core.errors import Permanent
from hubwatch_store.alarms import closing
from hubwatch_store.database import DatabaseConnection, translated
from hubwatch_store.database.sql_files import queries
from hubwatch_store.devices import journal, listings

THERE_S = 60.0
"""An agent sends every 10 s; one that did so within this time is not gone."""

ABOUT_SEEING = ("integrity",)
"""The family of what hubwatch itself says of agents and sensors."""


async def forget_agent(connection: DatabaseConnection, hub: str, agent: str, by: str, reason: str) -> list[str]:
    """Let an agent go for good, as `by` says; return the sensors that no agent lists any more.

    Raises Permanent when there is no such agent, or when it still sends.
    """
    journal.check_words(by, reason)
    with translated():
        async with connection.transaction():
            known = await _agent(connection, hub, agent)
            if known is None:
                raise Permanent(f"there is no agent {agent} at hub {hub}; the boards and `ledger report` name them")
            birth, online, age_s = known
            if online and age_s is not None and age_s < THERE_S:
                raise Permanent(
                    f"agent {agent} is there: its last frame is {max(age_s, 0):.0f} s old; stop it, then forget it"
                )
            why = f"agent {agent} was taken away for good: {reason}"
            gone = await _take(connection, hub, agent, birth, why, by)
            await journal.write(connection, journal.AGENT_FORGOTTEN, hub, by, reason, agent=agent, birth=birth)
            for sensor in gone:
                await closing.ask_closing(
                    connection, hub=hub, sensor=sensor, by=by, reason=why, keep_unacknowledged=False
                )
            return gone


async def heard_of_departure(connection: DatabaseConnection, hub: str, agent: str) -> None:
    """Let an agent go whose retained birth was removed, inside the caller's transaction.

    No copy of that birth can come: whatever it says from now on makes it known again, as a new one.
    """
    if await _agent(connection, hub, agent) is None:
        return
    reason = "its birth was removed from its topic"
    why = f"agent {agent} was taken away for good: {reason}"
    gone = await _take(connection, hub, agent, None, why, SYSTEM)
    await journal.write(connection, journal.AGENT_FORGOTTEN, hub, "its own topic", reason, agent=agent)
    for sensor in gone:
        for types, keep in ((ABOUT_SEEING, False), (None, True)):
            await closing.ask_closing(
                connection, hub=hub, sensor=sensor, types=types, reason=why, keep_unacknowledged=keep
            )


async def forget_sensor(connection: DatabaseConnection, hub: str, sensor: str, by: str, reason: str) -> None:
    """Let a sensor go for good, as `by` says. Raises Permanent when there is none, or while an agent lists it."""
    journal.check_words(by, reason)
    with translated():
        async with connection.transaction():
            await connection.execute(queries("listings")["lock"])
            id_, agents = await the_sensor(connection, hub, sensor)
            if agents:
                names = ", ".join(agents)
                raise Permanent(f"{names} still lists sensor {sensor}: take it out of that agent's configuration first")
            await connection.execute(queries("devices")["take_sensor"], (id_,))
            await connection.execute(queries("rights")["forget_sensor"], {"hub": hub, "sensor": sensor})
            await journal.write(connection, journal.SENSOR_FORGOTTEN, hub, by, reason, sensor=sensor)
            why = f"sensor {sensor} was taken away for good: {reason}"
            await closing.ask_closing(connection, hub=hub, sensor=sensor, by=by, reason=why, keep_unacknowledged=False)


async def the_sensor(connection: DatabaseConnection, hub: str, sensor: str) -> tuple[int, list[str]]:
    """Return a sensor's id and the agents that list it; raises Permanent when there is none."""
    cursor = await connection.execute(queries("devices")["sensor"], (hub, sensor))
    row: tuple[Any, ...] | None = await cursor.fetchone()
    if row is None:
        raise Permanent(f"there is no sensor {sensor} at hub {hub}")
    return row[0], row[1]


async def _agent(connection: DatabaseConnection, hub: str, agent: str) -> tuple[int | None, bool, float | None] | None:
    await connection.execute(queries("listings")["lock"])
    cursor = await connection.execute(queries("devices")["agent"], (hub, agent))
    row: tuple[Any, ...] | None = await cursor.fetchone()
    return None if row is None else (row[0], row[1], row[2])


async def _take(
    connection: DatabaseConnection, hub: str, agent: str, birth: int | None, why: str, by: str
) -> list[str]:
    """Mark an agent as gone; return the sensors that no agent lists any more."""
    sql = queries("devices")
    await connection.execute(sql["take_agent"], (birth, hub, agent))
    await connection.execute(queries("rights")["forget_agent"], {"hub": hub, "agent": agent})
    cursor = await connection.execute(sql["unlist"], (hub, agent))
    sensors = [str(row[0]) for row in await cursor.fetchall()]
    if await listings.settle(connection, hub, sensors, now_us()):
        await connection.execute(queries("listings")["changed"])
    await closing.ask_closing(
        connection, hub=hub, sensor=agent, types=ABOUT_SEEING, by=by, reason=why, keep_unacknowledged=False
    )
    cursor = await connection.execute(sql["unlisted"], (hub, sensors))
    return [str(row[0]) for row in await cursor.fetchall()]
