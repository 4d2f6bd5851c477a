"""Values that cannot be, and holes in what a sensor says.

Out of range: beyond what the quantity allows, or beyond a range that the configuration states for the channel.
Gap: a channel that is read at a pace says nothing while its sensor says other things. Where the whole sensor is quiet,
`presence` reports it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import msgspec
from pydantic import Field

from hubwatch_core.clock import SECOND_US
from hubwatch_core.config import ConfigId, Section
from hubwatch_core.wire import Channel, Clear, Detection
from hubwatch_core.words import ChannelKind, Priority
from hubwatch_detectors.chunk import Chunk, ChunkReading, Column
from hubwatch_detectors.contract import NEVER, Detector, DetectorConfig, Finding, Origin, Scope, Site, Spec
from hubwatch_detectors.rates import EXACT

MOST_CHANNELS = 256
LIMITS: dict[str, tuple[float, float]] = {
    # Our choice, from what the quantities are: wide enough for overshoot of a healthy device.
    "%": (-5.0, 150.0),
    "°C": (-273.15, 2000.0),
    "K": (0.0, 3000.0),
    "count": (0.0, float("inf")),
    "counts": (0.0, float("inf")),
    "m/s": (-100.0, 340.0),
    "mm/h": (0.0, 1000.0),
    "hPa": (300.0, 1200.0),
    "µSv/h": (0.0, float("inf")),
}


class Range(Section):
    """What one channel may say."""

    hub: ConfigId = Field(description="The hub.")
    sensor: ConfigId = Field(description="The sensor.")
    channel: ConfigId = Field(description="Its channel.")
    low: float = Field(description="The least it may say.")
    high: float = Field(description="The most it may say.")


class BoundsConfig(DetectorConfig):
    """What values may be, and how long a channel may be left out."""

    ranges: tuple[Range, ...] = Field((), max_length=10_000, description="Channels with a range of their own.")
    min_samples: int = Field(3, ge=1, le=1000, description="Samples in a row beyond the range that are found.")
    gap_periods: float = Field(10.0, ge=2, description="Periods that a channel may be left out.")
    gap_s: float = Field(30.0, ge=0, description="Seconds that it may be left out in any case.")


class Bound(msgspec.Struct):
    """What is remembered of one channel; times in µs."""

    last: int = 0
    beyond: int = 0
    since: int = 0
    peak: float = 0.0
    out: str | None = None
    gap: str | None = None


class BoundsMemory(msgspec.Struct):
    """The channels of one sensor, and its newest reading (µs)."""

    channels: dict[str, Bound] = {}
    last: int = 0
    due: int = 0
    """Before this no channel can have been left out for long (µs)."""


class ChannelBounds(Detector[BoundsMemory]):
    """The channels of one sensor."""

    def __init__(self, config: BoundsConfig, origin: Origin, _site: Site) -> None:
        self.config, self.origin, self.memory = config, origin, BoundsMemory()
        self._ranges = {
            each.channel: (each.low, each.high)
            for each in config.ranges
            if (each.hub, each.sensor) == (origin.hub, origin.sensor)
        }

    def update(self, chunk: Chunk) -> list[Finding]:
        """Hold every value against its range, and every channel's times against its pace."""
        channels = {each.name: each for each in chunk.sensor.channels}
        columns = [each for each in chunk.columns if each.channel in channels]
        if all(self._is_usual(channels[each.channel], each) for each in columns):
            return self._usual(channels, chunk, columns)
        return self._one_by_one(channels, chunk)

    def _one_by_one(self, channels: dict[str, Channel], chunk: Chunk) -> list[Finding]:
        found: list[Finding] = []
        for reading in chunk.readings:
            channel = channels.get(reading.channel)
            if channel is not None and (bound := self._bound(channel.name)) and reading.t > bound.last:
                found += self._gaps(channels, reading.t)
                found += self._take(channel, bound, reading)
        return found

    def advance(self, now: int) -> list[Finding]:
        """Nothing follows from silence of the whole sensor here: that is for `presence`."""
        return []

    def due(self) -> int:
        """Nothing is due without readings."""
        return NEVER

    def _is_usual(self, channel: Channel, column: Column) -> bool:
        """Return whether all of a column lies in its range and in order, and nothing was amiss before it."""
        bound = self.memory.channels.get(channel.name)
        if bound is None or bound.beyond or bound.out is not None or bound.gap is not None:
            return False
        low, high = self._limits(channel)
        t, x = column.t, column.x
        return bound.last < t[0] and low <= min(x) and max(x) <= high and len(set(t)) == len(t)

    def _usual(self, channels: dict[str, Channel], chunk: Chunk, columns: Sequence[Column]) -> list[Finding]:
        """Take columns with nothing amiss in them: only the moments matter at which a channel may be missed."""
        memory = self.memory
        while after := [each.t[bisect_right(each.t, memory.due)] for each in columns if each.t[-1] > memory.due]:
            at = min(after)
            self._pass(columns, at)
            if found := self._gaps(channels, at):
                return found + self._one_by_one(channels, chunk.between(at, chunk.last))
        self._pass(columns, NEVER)
        return []

    def _pass(self, columns: Sequence[Column], until: int) -> None:
        """Note that channels were read, up to the last moment before `until`."""
        for name, t, _ in columns:
            if place := bisect_left(t, until):
                self.memory.channels[name].last = t[place - 1]
                self.memory.last = max(self.memory.last, t[place - 1])

    def rewind(self) -> None:
        """Nothing here is learned."""
        self.memory = BoundsMemory()

    def _bound(self, name: str) -> Bound | None:
        bound = self.memory.channels.get(name)
        if bound is None and len(self.memory.channels) < MOST_CHANNELS:
            bound = self.memory.channels[name] = Bound()
            self.memory.due = 0
        return bound

    def _take(self, channel: Channel, bound: Bound, reading: ChunkReading) -> list[Finding]:
        found: list[Finding] = [Clear(bound.gap, reading.t, reading.t)] if bound.gap is not None else []
        bound.last = reading.t
        if bound.gap is not None:
            bound.gap, self.memory.due = None, 0
        low, high = self._limits(channel)
        beyond = max(low - reading.value, reading.value - high)
        if beyond <= 0:
            if bound.out is not None:
                found.append(Clear(bound.out, reading.t, reading.t, score=round(bound.peak, 3)))
            bound.beyond, bound.out, bound.peak = 0, None, 0.0
            return found
        bound.beyond += 1
        bound.since = reading.t if bound.beyond == 1 else bound.since
        bound.peak = max(bound.peak, beyond)
        if bound.beyond >= self.config.min_samples and bound.out is None:
            found.append(self._out_of_range(channel, bound, reading, (low, high)))
        return found

    def _limits(self, channel: Channel) -> tuple[float, float]:
        own = self._ranges.get(channel.name)
        if own is not None:
            return own
        if channel.kind is ChannelKind.STATE:
            return float("-inf"), float("inf")
        return LIMITS.get(channel.unit, (float("-inf"), float("inf")))

    def _out_of_range(
        self, channel: Channel, bound: Bound, reading: ChunkReading, limits: tuple[float, float]
    ) -> Detection:
        low, high = limits
        detection = self.origin.detection(
            "integrity.out_of_range",
            subject=channel.name,
            start=bound.since,
            detected=reading.t,
            score=min(bound.peak, 1e300),
            priority=Priority.MEDIUM,
            why=f"{channel.name} says {reading.value:g} {channel.unit}, and can only be between {low:g} and {high:g}",
            evidence={"value": reading.value, "low": str(low), "high": str(high), "samples": bound.beyond},
        )
        bound.out = detection.id
        return detection

    def _gaps(self, channels: dict[str, Channel], now: int) -> list[Finding]:
        """Find the channels that are left out while the sensor speaks at `now`; after a pause all get time anew."""
        memory = self.memory
        pause, memory.last = now - memory.last, max(now, memory.last)
        if now <= memory.due:
            return []
        found, memory.due = list[Finding](), NEVER
        for name, bound in memory.channels.items():
            channel = channels.get(name)
            if channel is None or channel.period_us is None or bound.gap is not None:
                continue
            allowed = round(max(self.config.gap_periods * channel.period_us, self.config.gap_s * SECOND_US))
            bound.last = now - 1 if not bound.last or pause > allowed / 2 else bound.last
            if now > bound.last + allowed:
                found.append(self._gap(channel, bound, now))
            else:
                memory.due = min(memory.due, bound.last + allowed)
        return found

    def _gap(self, channel: Channel, bound: Bound, now: int) -> Detection:
        detection = self.origin.detection(
            "integrity.gap",
            subject=channel.name,
            start=bound.last,
            detected=now,
            score=(now - bound.last) / (channel.period_us or SECOND_US),
            priority=Priority.LOW,
            why=f"{channel.name} has not been read for {(now - bound.last) / SECOND_US:.0f} s, while the "
            "sensor's other channels are",
            evidence={"period_s": (channel.period_us or 0) / SECOND_US},
        )
        bound.gap = detection.id
        return detection


SPEC = Spec(
    name="bounds",
    version=1,
    scope=Scope.SENSOR,
    types=("integrity.out_of_range", "integrity.gap"),
    config=BoundsConfig,
    make=ChannelBounds,
    no_share=dict.fromkeys(("integrity.out_of_range", "integrity.gap"), EXACT),
    source="rules",
    warm_up="none",
    patience_s=30,
)
