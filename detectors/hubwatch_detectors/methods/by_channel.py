"""Detectors that follow each channel of a sensor by itself, as its values come: silence is for `presence`."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Generic, TypeVar

import msgspec

from hubwatch_core.wire import Channel, Sensor
from hubwatch_core.words import ChannelKind
from hubwatch_detectors.chunk import Chunk, Steps
from hubwatch_detectors.contract import NEVER, Detector, Finding

Memory = TypeVar("Memory", bound=msgspec.Struct)
Entry = TypeVar("Entry", bound=msgspec.Struct)


class ChannelDetector(Detector[Memory], Generic[Memory, Entry]):
    """One instance for one sensor, with an entry of its memory for each channel."""

    entry: ClassVar[type[msgspec.Struct]]
    """What is remembered of a channel."""
    kinds: ClassVar[frozenset[ChannelKind]] = frozenset(ChannelKind)
    """The channels that are followed."""
    max_channels: ClassVar[int] = 64
    _inventory: tuple[Sensor, dict[str, Channel]] | None = None
    """The channels that are followed, by name, of the sensor that spoke last."""

    @property
    @abstractmethod
    def entries(self) -> dict[str, Entry]:
        """Return what is remembered, by channel."""

    @abstractmethod
    def follow(
        self, channel: Channel, entry: Entry, times: list[int], values: list[float], steps: Steps
    ) -> list[Finding]:
        """Take a column of a channel, sorted by time; what is not later than what came before counts no more.

        `steps` says how its times follow one another.
        """

    def update(self, chunk: Chunk) -> list[Finding]:
        """Follow every channel of the inventory."""
        if self._inventory is None or self._inventory[0] is not chunk.sensor:
            followed = {each.name: each for each in chunk.sensor.channels if each.kind in self.kinds}
            self._inventory = chunk.sensor, followed
        channels, entries, found = self._inventory[1], self.entries, list[Finding]()
        for name in chunk.newcomers(entries):
            if name in channels and len(entries) < self.max_channels:
                entries[name] = self.entry()  # type: ignore[assignment]  # a class cannot name its own parameter
        for name, times, values in chunk.columns:
            if name in channels and name in entries:
                found += self.follow(channels[name], entries[name], times, values, chunk.steps(times))
        return found

    def advance(self, now: int) -> list[Finding]:
        """Nothing follows from silence."""
        return []

    def due(self) -> int:
        """Nothing is due without readings."""
        return NEVER
