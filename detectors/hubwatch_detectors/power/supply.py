"""Supply that fails: mains that are gone, a battery that runs down, a voltage that sags; and what hangs on it.

What a device feeds stands in the site, or else in the configuration, or is taken to be its zone. A detection names it,
and comes at once, so that the cause is there before the sensors behind it fall silent.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from pydantic import Field

from hubwatch_core.clock import SECOND_US
from hubwatch_core.config import ConfigId, Conflict, Section
from hubwatch_core.wire import Clear, Event, Sensor
from hubwatch_core.words import Priority, SensorKind
from hubwatch_detectors.chunk import Chunk, ChunkReading
from hubwatch_detectors.contract import Detector, DetectorConfig, Finding, Origin, Scope, Site, Spec
from hubwatch_detectors.rates import EXACT

LEVELS = ("battery", "voltage")
MOST_PLOTTED = 60
USUAL_SAMPLES = 1000


class Feeds(Section):
    """What one supply feeds."""

    hub: ConfigId = Field(description="The hub.")
    sensor: ConfigId = Field(description="The supply: a sensor of kind power.")
    feeds: tuple[ConfigId, ...] = Field(min_length=1, max_length=1000, description="Sensors, agents or zones it feeds.")


class PowerConfig(DetectorConfig):
    """When supply counts as lost or low."""

    feeds: tuple[Feeds, ...] = Field(
        (), max_length=1000, description="Supplies of which the site does not say what they feed."
    )
    lost_s: float = Field(1.0, ge=0, description="Seconds without mains that are found; switching over takes less.")
    low_battery: float = Field(30.0, gt=0, lt=100, description="Charge (%) below which a battery is low.")
    clear_battery: float = Field(40.0, gt=0, le=100, description="Charge (%) from which it is no longer low.")
    low_voltage_share: float = Field(
        0.85, gt=0, lt=1, description="Share of the usual voltage below which it is low (EN 50160: 10 % is normal)."
    )
    low_s: float = Field(10.0, ge=0, description="Seconds that a battery or voltage must be low.")
    min_samples: int = Field(60, ge=10, description="Samples that make a voltage usual.")

    def conflicts(self) -> Iterator[Conflict]:
        """A battery is full again above where it is low."""
        if self.clear_battery <= self.low_battery:
            yield ("clear_battery",), "clear_battery must be more than low_battery"


class SupplyLevel(msgspec.Struct):
    """A battery or a voltage; times in µs."""

    last: int = 0
    usual: float = 0.0
    samples: int = 0
    since: int = 0
    """Since when it is low; 0 while it is not."""
    lowest: float = 0.0
    alarm: str | None = None
    recent: list[float] = []


class PowerMemory(msgspec.Struct):
    """What one supply remembers; times in µs."""

    last: int = 0
    off: int = 0
    """Since when the mains are gone; 0 while they are there."""
    lost: str | None = None
    zone: str = ""
    levels: dict[str, SupplyLevel] = {}


class Power(Detector[PowerMemory]):
    """One supply."""

    def __init__(self, config: PowerConfig, origin: Origin, site: Site) -> None:
        self.config, self.origin, self.memory = config, origin, PowerMemory()
        here, known = (origin.hub, origin.sensor), site.of(origin.hub)
        supplies = () if known is None else known.supplies
        wired = [each for each in supplies if each.sensor == origin.sensor]
        configured = [each for each in config.feeds if (each.hub, each.sensor) == here]
        self._feeds = [name for each in wired or configured for name in each.feeds]
        self._lost_us, self._low_us = round(config.lost_s * SECOND_US), round(config.low_s * SECOND_US)

    def update(self, chunk: Chunk) -> list[Finding]:
        """Follow mains, battery and voltage."""
        found: list[Finding] = []
        self.memory.zone = chunk.sensor.zone
        for item in chunk.moments():
            found += self.advance(item.t - 1)
            if isinstance(item, Event):
                found += self._event(item)
            elif item.channel == "mains":
                found += self._mains(item.t, there=item.value >= 0.5)
            elif item.channel in LEVELS:
                found += self._level(chunk.sensor, item)
        return found

    def advance(self, now: int) -> list[Finding]:
        """Find mains that have been gone for long enough."""
        memory = self.memory
        due = memory.off + self._lost_us
        if not memory.off or memory.lost is not None or now < due:
            return []
        return [self._lost(memory.off, due, "mains")]

    def rewind(self) -> None:
        """Keep what voltage is usual."""
        levels = {
            name: SupplyLevel(usual=each.usual, samples=each.samples) for name, each in self.memory.levels.items()
        }
        self.memory = PowerMemory(levels=levels)

    def _event(self, event: Event) -> list[Finding]:
        if event.t <= self.memory.last:
            return []
        if event.type == "power.lost" and self.memory.lost is None:
            self.memory.last, self.memory.off = event.t, self.memory.off or event.t
            return [self._lost(self.memory.off, event.t, "event")]
        return self._mains(event.t, there=True) if event.type == "power.restored" else []

    def _mains(self, t: int, *, there: bool) -> list[Finding]:
        memory = self.memory
        if t <= memory.last:
            return []
        memory.last = t
        if not there:
            memory.off = memory.off or t
            return []
        lost, memory.lost, memory.off = memory.lost, None, 0
        return [Clear(lost, t, t)] if lost is not None else []

    def _lost(self, start: int, t: int, source: str) -> Finding:
        detection = self.origin.detection(
            "power.lost",
            start=start,
            detected=t,
            score=1.0,
            priority=Priority.CRITICAL if self._feeds else Priority.HIGH,
            why=f"mains are gone; {self._fed()} may fall silent when the battery is empty{self._charge()}",
            evidence={"source": source, "feeds": self._feeds[:100], "zone": self.memory.zone, "levels": self._levels()},
        )
        self.memory.lost = detection.id
        return detection

    def _level(self, sensor: Sensor, reading: ChunkReading) -> list[Finding]:
        level = self.memory.levels.setdefault(reading.channel, SupplyLevel())
        if reading.t <= level.last:
            return []
        level.last = reading.t
        level.recent = [*level.recent, reading.value][-MOST_PLOTTED:]
        low, clear = self._thresholds(reading.channel, level)
        if reading.value >= (low if level.alarm is None else clear):
            if reading.channel == "voltage":
                level.samples += 1
                level.usual += (reading.value - level.usual) / min(level.samples, USUAL_SAMPLES)
            alarm, level.alarm, level.since = level.alarm, None, 0
            return [Clear(alarm, reading.t, reading.t)] if alarm is not None else []
        level.since = level.since or reading.t
        if level.alarm is not None or reading.t - level.since < self._low_us:
            return []
        return [self._low(sensor, level, reading, low)]

    def _thresholds(self, channel: str, level: SupplyLevel) -> tuple[float, float]:
        """Return below what a level is low, and from where on it is so no longer."""
        if channel == "battery":
            return self.config.low_battery, self.config.clear_battery
        if level.samples < self.config.min_samples:
            return float("-inf"), float("-inf")
        low = self.config.low_voltage_share * level.usual
        return low, (low + level.usual) / 2

    def _low(self, sensor: Sensor, level: SupplyLevel, reading: ChunkReading, low: float) -> Finding:
        unit = next((each.unit for each in sensor.channels if each.name == reading.channel), "")
        detection = self.origin.detection(
            "power.low",
            subject=reading.channel,
            start=level.since,
            detected=reading.t,
            score=low - reading.value,
            priority=Priority.HIGH,
            why=f"{reading.channel} is at {reading.value:g} {unit}, below {low:g}; {self._fed()} hang on it",
            evidence={
                "value": reading.value,
                "threshold": low,
                "mains_lost": self.memory.lost is not None,
                "feeds": self._feeds[:100],
                "zone": self.memory.zone,
                "recent": level.recent,
            },
        )
        level.alarm = detection.id
        return detection

    def _fed(self) -> str:
        return f"{len(self._feeds)} sensors, agents or zones" if self._feeds else f"what stands in {self.memory.zone}"

    def _charge(self) -> str:
        battery = self.memory.levels.get("battery")
        return f" (now {battery.recent[-1]:g} %)" if battery is not None and battery.recent else ""

    def _levels(self) -> dict[str, float]:
        return {name: each.recent[-1] for name, each in self.memory.levels.items() if each.recent}


SPEC = Spec(
    name="power",
    version=1,
    scope=Scope.SENSOR,
    types=("power.lost", "power.low"),
    config=PowerConfig,
    make=Power,
    kinds=frozenset({SensorKind.POWER}),
    no_share={"power.lost": EXACT, "power.low": EXACT},
    source="rules",
    warm_up="none; voltages after min_samples samples",
)
