"""What is behind an alarm or an incident: detections with their evidence, what the sensor said, what was before.

Every function works inside `translated()`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hubwatch_core.alarm import Alarm
from hubwatch_store.alarms import alarms
from hubwatch_store.database import DatabaseConnection, fetch

MOST = 200
MOST_READINGS = 20_000

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class AlarmDetection:
    """A detection that an alarm stands for."""

    id: str
    type: str
    start: datetime
    end: datetime | None
    detected: datetime
    score: float
    priority: int
    detector: str
    version: int
    late: bool
    why: str
    evidence: dict[str, Any]


async def detections(connection: DatabaseConnection, alarm: int, most: int = 20) -> list[AlarmDetection]:
    """Return the detections of an alarm, the newest first."""
    return [AlarmDetection(**row) for row in await fetch(connection, "console", "detections", alarm=alarm, most=most)]


async def history(connection: DatabaseConnection, hub: str, sensor: str, alarm: int, most: int = 20) -> list[Row]:
    """Return former alarms of a sensor, with what people found them to be."""
    return await fetch(connection, "console", "history", hub=hub, sensor=sensor, alarm=alarm, most=most)


async def events(
    connection: DatabaseConnection, hub: str, sensor: str, since: datetime, until: datetime, most: int = MOST
) -> list[Row]:
    """Return the last `most` events of a sensor between two moments, in order."""
    return await fetch(connection, "console", "events", hub=hub, sensor=sensor, since=since, until=until, most=most)


async def channels(connection: DatabaseConnection, hub: str, sensor: str) -> list[Row]:
    """Return the channels of a sensor, each with its newest reading and the age of that."""
    return await fetch(connection, "console", "channels", hub=hub, sensor=sensor)


async def device(connection: DatabaseConnection, hub: str, sensor: str) -> Row | None:
    """Return what a sensor is and how its agent is, None where no sensor has the name."""
    rows = await fetch(connection, "console", "device", hub=hub, sensor=sensor)
    return rows[0] if rows else None


async def readings(
    connection: DatabaseConnection, hub: str, sensor: str, since: datetime, until: datetime, *, near: datetime
) -> list[Row]:
    """Return the readings of a sensor between two moments with their units, in order.

    Of more than `MOST_READINGS` those nearest to a moment, and one more, which says that they are not all.
    """
    return await fetch(
        connection, "console", "readings", hub=hub, sensor=sensor, since=since, until=until, near=near,
        most=MOST_READINGS + 1,
    )  # fmt: skip


async def expected_of(
    connection: DatabaseConnection, hub: str, zone: str | None, sensor: str, most: int = MOST
) -> list[Row]:
    """Return what is expected of a sensor, now or later: works, repairs, maintenance."""
    return await fetch(connection, "console", "expected_of", hub=hub, zone=zone, sensor=sensor, most=most)


async def zones_of(connection: DatabaseConnection, hub: str) -> dict[str, str]:
    """Return the zone of each sensor of a hub."""
    return {row["sensor"]: row["zone"] for row in await fetch(connection, "console", "zones_of", hub=hub)}


async def nearby(
    connection: DatabaseConnection, hub: str, sensors: Sequence[str], at: datetime, exercise: int | None
) -> list[Row]:
    """Return some sensors as they were at a moment: seen or not, what they said, and what alarmed around it."""
    return await fetch(
        connection, "console", "nearby", hub=hub, sensors=list(sensors), at=at, exercise=exercise
    )  # fmt: skip


async def sections(connection: DatabaseConnection, hub: str) -> list[Row]:
    """Return the fence sections of a hub, in order along each line."""
    return await fetch(connection, "console", "sections", hub=hub)


async def cameras(connection: DatabaseConnection, hub: str, places: Sequence[str]) -> list[Row]:
    """Return the cameras that show any of some zones or sensors."""
    return await fetch(connection, "console", "cameras", hub=hub, places=list(places))


async def incident_alarms(connection: DatabaseConnection, number: int, most: int = MOST) -> list[Alarm]:
    """Return the alarms of an incident, in the order in which they began."""
    rows = await fetch(connection, "console", "incident_alarms", id=number, most=most)
    return [alarms.alarm_of(row) for row in rows]


async def acts(
    connection: DatabaseConnection,
    *,
    seen: Sequence[str] | None,
    before: int | None = None,
    hub: str | None = None,
    who: str | None = None,
    act: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    most: int = 100,
) -> list[Row]:
    """Return what people and programs did, the newest first; of the hubs that are `seen` where that is given."""
    return await fetch(
        connection, "console", "audit", seen=None if seen is None else list(seen), before=before, hub=hub, who=who,
        act=act, since=since, until=until, most=most,
    )  # fmt: skip
