"""Integers for names: epochs, sensors and channels, made when first met and remembered.

They are made in transactions of their own before the data that needs them: they are true however the data fares, and
what is remembered here never refers to something that was rolled back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from hubwatch_core.clock import now_us
from hubwatch_core.wire import Frame
from hubwatch_store.columns import ChannelKey
from hubwatch_store.pool import Connection
from hubwatch_store.queries import queries

EpochKey = tuple[str, str, str]
"""hub, agent, epoch"""
SensorKey = tuple[str, str]
"""hub, sensor"""

DAY_US = 86_400_000_000


class Identities:
    """Remembers ids; one for each connection to the database, so that a restored database is asked afresh."""

    def __init__(self) -> None:
        self.epochs: dict[EpochKey, int] = {}
        self.sensors: dict[SensorKey, int] = {}
        self.channels: dict[ChannelKey, int] = {}
        self._days: set[tuple[str, int]] = set()

    async def learn(self, connection: Connection, frames: Sequence[Frame]) -> None:
        """Make sure that every epoch, sensor and channel in `frames` has its id."""
        epochs = {(frame.hub, frame.agent, frame.epoch) for frame in frames} - self.epochs.keys()
        if epochs:
            self.epochs.update(await _ids(connection, "epochs", epochs))
        channels = {
            (frame.hub, series.sensor, series.channel) for frame in frames for series in frame.series
        } - self.channels.keys()
        sensors = {(hub, sensor) for hub, sensor, _ in channels}
        sensors |= {(frame.hub, event.sensor) for frame in frames for event in frame.events}
        sensors -= self.sensors.keys()
        if sensors:
            agents = {(frame.hub, name): frame.agent for frame in frames for name in _sensors_of(frame)}
            rows = [(hub, sensor, agents[hub, sensor]) for hub, sensor in sensors]
            self.sensors.update(await _ids(connection, "sensors", rows))
        if channels:
            self.channels.update(await _ids(connection, "channels", channels))

    async def prepare_days(self, connection: Connection, table: str, times_us: Iterable[int]) -> None:
        """Make sure that `table` (reading or event) can take these moments."""
        # Retention may have taken an older day away since it was asked for, so these are asked for every time.
        settled = now_us() // DAY_US - 1
        days = {(table, time // DAY_US) for time in times_us}
        days = {day for day in days if day not in self._days or day[1] < settled}
        if days:
            moments = [day * DAY_US for _, day in days]
            await connection.execute(queries("identities")["partitions"], (table, moments))
            self._days |= days


def _sensors_of(frame: Frame) -> set[str]:
    return {series.sensor for series in frame.series} | {event.sensor for event in frame.events}


async def _ids(connection: Connection, kind: str, keys: Iterable[tuple[str, ...]]) -> dict[Any, int]:
    """Make what is new and ask for all. Sorted, so that two collectors cannot wait for each other."""
    sql = queries("identities")
    columns = [list(column) for column in zip(*sorted(keys), strict=True)]
    async with connection.transaction():
        await connection.execute(sql[f"make_{kind}"], columns)
        cursor = await connection.execute(sql[f"find_{kind}"], columns[: 3 if kind != "sensors" else 2])
        rows: list[tuple[Any, ...]] = await cursor.fetchall()
    return {tuple(row[1:]): row[0] for row in rows}
