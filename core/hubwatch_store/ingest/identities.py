"""Integers for names: epochs, sensors and channels, made when first met and remembered.

They are made in transactions of their own before the data that needs them: they are true however the data fares, and
what is remembered here never refers to something that was rolled back. What a name means may change: the unit, the
device, the agent whose word counts. Then `is_current` is false, and everything is asked for again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from hubwatch_core.packed_frame import AnyFrame, PackedFrame
from hubwatch_core.wire import Birth
from hubwatch_store.database import DatabaseConnection
from hubwatch_store.database.sql_files import queries
from hubwatch_store.ingest.meanings import Lines, SensorKey, sensors_by_name
from hubwatch_store.series import ChannelKey, ChannelTables, Meanings, meaning_at

EpochKey = tuple[str, str, str]
"""hub, agent, epoch"""

DAY_US = 86_400_000_000


class Identities:
    """Remembers ids; one for each connection to the database, so that a restored database is asked afresh."""

    def __init__(self) -> None:
        self.epochs: dict[EpochKey, int] = {}
        self.sensors: dict[SensorKey, Meanings] = {}
        self.channels: dict[ChannelKey, Meanings] = {}
        self.tables = ChannelTables()
        self._lines = Lines()
        self._days: set[tuple[str, int]] = set()
        self._generation: int | None = None

    async def is_current(self, connection: DatabaseConnection) -> bool:
        """Return whether names still mean what is remembered; inside a transaction it stays so until that ends."""
        if self._generation == await _generation(connection):
            return True
        self._forget()
        return False

    async def learn(self, connection: DatabaseConnection, frames: Sequence[AnyFrame]) -> None:
        """Make sure that every epoch, sensor and channel in `frames` has its id."""
        if not frames:
            return
        if self._generation is None:
            self._generation = await _generation(connection)
        epochs = {(frame.hub, frame.agent, frame.epoch) for frame in frames} - self.epochs.keys()
        if epochs:
            self.epochs.update(await _epochs(connection, epochs))
        unknown = [frame for frame in frames if frame.events or not self._knows(frame)]
        if unknown:
            await self._learn_sensors(connection, unknown)
            await self._learn_channels(connection, unknown)

    async def foreign(self, connection: DatabaseConnection, said: Iterable[AnyFrame | Birth]) -> dict[EpochKey, str]:
        """Return who speaks under an epoch that is known as another agent's, with whose it is."""
        new = sorted({(each.hub, each.agent, each.epoch) for each in said} - self.epochs.keys())
        if not new:
            return {}
        hubs, agents, epochs = _columns(new)
        found = await _execute(connection, "foreign", {"hubs": hubs, "agents": agents, "epochs": epochs})
        return {(str(hub), str(agent), str(epoch)): str(owner) for hub, agent, epoch, owner in found}

    async def prepare_days(self, connection: DatabaseConnection, table: str, times_us: Iterable[int], now: int) -> None:
        """Make sure that `table` (reading or event) can take these moments; `now` is the database's time (µs UTC)."""
        # Retention may have taken an older day away since it was asked for, so these are asked for every time.
        settled = now // DAY_US - 1
        days = {(table, time // DAY_US) for time in times_us}
        days = {day for day in days if day not in self._days or day[1] < settled}
        if days:
            moments = [day * DAY_US for _, day in days]
            await connection.execute(queries("identities")["partitions"], (table, moments))
            self._days |= days

    def _knows(self, frame: AnyFrame) -> bool:
        """Return whether the ids of a frame's series are known as a whole."""
        return isinstance(frame, PackedFrame) and self.tables.know(frame)

    def _forget(self) -> None:
        self.sensors.clear()
        self.channels.clear()
        self.tables.clear()
        self._lines = Lines()
        self._generation = None

    async def _learn_sensors(self, connection: DatabaseConnection, frames: Sequence[AnyFrame]) -> None:
        agents = {(frame.hub, name): frame.agent for frame in frames for name in _sensors_of(frame)}
        missing = sorted(agents.keys() - self.sensors.keys())
        if missing:
            await _make(connection, "make_sensors", _columns((*key, agents[key]) for key in missing))
            hubs, names = _columns(missing)
            found = await _execute(connection, "find_sensors", {"hub": hubs, "sensor": names})
            self.sensors.update(sensors_by_name(found))

    async def _learn_channels(self, connection: DatabaseConnection, frames: Sequence[AnyFrame]) -> None:
        missing = self._missing(frames)
        while missing:
            await self._find_channels(connection, {key for key, _ in missing})
            # Those are still to be made: never announced, or of an agent whose word does not count.
            missing = self._missing(frames)
            if missing:
                lines = sorted({self._lines.line_of(key, sent, self.sensors) for key, sent in missing})
                await _make(connection, "make_channels", _columns([(line.sensor, line.called) for line in lines]))

    def _missing(self, frames: Sequence[AnyFrame]) -> set[tuple[ChannelKey, int]]:
        """Return the names of channels that have no id for the moment at which a frame uses them."""
        return {
            (key, frame.sent)
            for frame in frames
            for name in frame.series_names
            if meaning_at(self.channels.get(key := (frame.hub, frame.agent, *name), ()), frame.sent) is None
        }

    async def _find_channels(self, connection: DatabaseConnection, keys: Collection[ChannelKey]) -> None:
        pairs = {
            (sensor, channel)
            for hub, _, name, channel in keys
            for _, sensor in self.sensors[hub, name]
            if sensor is not None
        }
        self._lines.take_owners(await _execute(connection, "find_owners", [sorted({sensor for sensor, _ in pairs})]))
        self._lines.take_channels(await _execute(connection, "find_channels", _columns(sorted(pairs))))
        for key in keys:
            self.channels[key] = self._lines.meanings_of(key, self.sensors)


def _sensors_of(frame: AnyFrame) -> set[str]:
    return {sensor for sensor, _ in frame.series_names} | {event.sensor for event in frame.events}


async def _generation(connection: DatabaseConnection) -> int:
    cursor = await connection.execute(queries("identities")["generation"])
    row: tuple[Any, ...] | None = await cursor.fetchone()
    assert row is not None, "a function gives one row"
    return int(row[0])


async def _epochs(connection: DatabaseConnection, keys: Iterable[EpochKey]) -> dict[EpochKey, int]:
    """Make what is new and ask for all. Sorted, so that two collectors cannot wait for each other."""
    columns = _columns(sorted(keys))
    await _make(connection, "make_epochs", columns)
    rows = await _execute(connection, "find_epochs", columns)
    return {(row[1], row[2], row[3]): row[0] for row in rows}


async def _make(connection: DatabaseConnection, query: str, values: Any) -> None:
    """Make what is not there yet, under the lock of names: a birth and this would else wait for each other's rows."""
    async with connection.transaction():
        await _generation(connection)
        await _execute(connection, query, values)


async def _execute(connection: DatabaseConnection, query: str, values: Any) -> list[tuple[Any, ...]]:
    cursor = await connection.execute(queries("identities")[query], values)
    return await cursor.fetchall() if cursor.description else []


def _columns(rows: Iterable[tuple[object, ...]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]
