"""A simulated hub for detector tests: births and frames with honest noise, and attacks on demand.

Seeded, so that a test sees the same hub every time. Times are seconds after BEGIN; frames are cut at a fixed period.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec
import numpy as np

from hubwatch_core.wire import Birth, Channel, Event, Frame, Sensor, Series
from hubwatch_core.words import ChannelKind, SensorKind

Moved = TypeVar("Moved", Series, Event)

BEGIN = 1_795_284_000_000_000
EPOCH = "01JD3Z0000000000000000000A"
SAMPLE_US = 200_000
HUB, AGENT = "rotterdam", "gate-7"


def at(seconds: float) -> int:
    """Return the time `seconds` after the beginning, in µs."""
    return BEGIN + round(seconds * 1e6)


PORTAL = Sensor(
    sensor="rpm-1",
    kind=SensorKind.RADIATION_PORTAL,
    zone="lane-1",
    max_age_s=5,
    channels=[
        Channel("gamma.1", "count", period_us=SAMPLE_US, resolution=1),
        Channel("gamma.2", "count", period_us=SAMPLE_US, resolution=1),
        Channel("neutron.1", "count", period_us=SAMPLE_US, resolution=1),
        Channel("occupied", "1", ChannelKind.STATE, SAMPLE_US),
    ],
)
DOOR = Sensor(
    sensor="door-1",
    kind=SensorKind.ACCESS,
    zone="office",
    max_age_s=5,
    channels=[Channel("position", "1", ChannelKind.STATE, SAMPLE_US)],
)
FENCES = tuple(
    Sensor(
        sensor=f"fence-{n}",
        kind=SensorKind.PERIMETER,
        zone=f"section-{n}",
        max_age_s=5,
        channels=[Channel("disturbance", "1", ChannelKind.STATE, SAMPLE_US)],
    )
    for n in (1, 2)
)
MAST = Sensor(
    sensor="mast-1",
    kind=SensorKind.ENVIRONMENT,
    zone="quay",
    channels=[
        Channel("temperature", "°C", period_us=1_000_000, resolution=0.1),
        Channel("wind_speed", "m/s", period_us=1_000_000, resolution=0.1),
        Channel("rain_rate", "mm/h", period_us=1_000_000, resolution=0.1),
    ],
)
AREA = Sensor(
    sensor="area-1",
    kind=SensorKind.RADIATION_AREA,
    zone="quay",
    max_age_s=5,
    channels=[Channel("gamma", "count", period_us=1_000_000, resolution=1)],
)
GAS = Sensor(
    sensor="gas-1",
    kind=SensorKind.CHEMICAL,
    zone="quay",
    max_age_s=5,
    channels=[
        Channel("concentration", "ppm", period_us=1_000_000, resolution=0.1),
        Channel("alarm_1", "1", ChannelKind.STATE, 1_000_000),
    ],
)
XRAY = Sensor(
    sensor="xray-1",
    kind=SensorKind.SCREENING,
    zone="lane-1",
    max_age_s=5,
    channels=[
        Channel("ready", "1", ChannelKind.STATE, 1_000_000),
        Channel("beam", "1", ChannelKind.STATE, 1_000_000),
    ],
)
INVENTORY = (PORTAL, DOOR, *FENCES, MAST, AREA, GAS, XRAY)


def birth(inventory: tuple[Sensor, ...] = INVENTORY, agent: str = AGENT, sent: float = 0.0) -> Birth:
    """Return an agent's birth."""
    return Birth(1, HUB, agent, EPOCH, at(sent), "hubwatch test", "sha256:0", list(inventory))


@dataclass
class Passage:
    """A vehicle in the portal: a source in it is a bell over time, in counts a sample and panel at its peak."""

    start: float
    seconds: float = 5.0
    gamma_peak: float = 0.0
    neutron_peak: float = 0.0
    shadow: float = 0.1
    load: float = 0.0
    """Counts a sample and panel of cargo that fills the middle of the vehicle."""

    def shape(self, t: np.ndarray) -> np.ndarray:
        """Return how much of the source is seen at times `t`."""
        middle, width = self.start + self.seconds / 2, self.seconds / 6
        return np.exp(-(((t - middle) / width) ** 2) / 2)

    def cargo(self, t: np.ndarray) -> np.ndarray:
        """Return how much of the cargo is seen at times `t`: a long smooth shape."""
        edges = [(t - self.start - share * self.seconds) / 1.1 for share in (0.2, 0.8)]
        return (edges[0] / np.sqrt(1 + edges[0] ** 2) - edges[1] / np.sqrt(1 + edges[1] ** 2)) / 2

    def present(self, t: np.ndarray) -> np.ndarray:
        """Tell when the vehicle is there."""
        return (t >= self.start) & (t < self.start + self.seconds)


@dataclass
class SimulatedHub:
    """What happens at the hub; `frames()` gives it as an agent would send it."""

    seconds: float
    seed: int = 1
    passages: list[Passage] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    door_open: list[tuple[float, float]] = field(default_factory=list)
    leak: tuple[float, float] = (0.0, 0.0)
    """When the area monitor sees a source, and the gas detector gas, from … to."""
    scans: list[tuple[float, float]] = field(default_factory=list)
    """When the scanner's beam is on."""
    frozen: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Channels (`sensor/channel`) that stand still from … to."""
    dead: dict[str, float] = field(default_factory=dict)
    """Sensors that give only bad readings from … on."""
    gamma: float = 50.0
    neutron: float = 0.4
    frame_s: float = 0.4
    start: float = 0.0
    """Seconds by which all of it is later."""
    inventory: tuple[Sensor, ...] = INVENTORY
    dim: tuple[float, float] = (np.inf, np.inf)
    """From … to the gamma panels see only 0.7 of their background."""
    aside: dict[str, list[tuple[Sensor, Event]]] = field(default_factory=dict)
    """What one detector is told beside all this, by its name; not in the frames."""

    def frames(self) -> Iterator[Frame]:
        """Cut what happens into frames."""
        columns = self._columns()
        count = int(self.seconds / self.frame_s)
        for i in range(count):
            low, high = i * self.frame_s, (i + 1) * self.frame_s
            yield Frame(
                v=1,
                hub=HUB,
                agent=AGENT,
                epoch=EPOCH,
                seq=i + 1,
                sent=at(self.start + high) + 10_000,
                series=[self._later(each) for column in columns if (each := column.slice(low, high)) is not None],
                events=[self._later(each) for each in self.events if at(low) <= each.t < at(high)],
            )

    def _later(self, each: Moved) -> Moved:
        shift = at(self.start) - BEGIN
        if isinstance(each, Event):
            return msgspec.structs.replace(each, t=each.t + shift)
        return msgspec.structs.replace(each, t0=each.t0 + shift)

    def _columns(self) -> list[_Column]:
        random = np.random.default_rng(self.seed)
        make: dict[str, Callable[[np.random.Generator, str, np.ndarray], np.ndarray]] = {
            "rpm": self._portal,
            "door": self._door,
            "fence": lambda _random, _channel, t: np.zeros_like(t),
            "mast": _weather,
            "area": self._area,
            "gas": self._gas,
            "xray": self._xray,
        }
        columns = []
        for sensor in self.inventory:
            for channel in sensor.channels:
                period = (channel.period_us or SAMPLE_US) / 1e6
                t = np.arange(0, self.seconds, period)
                values = make[sensor.sensor.partition("-")[0]](random, channel.name, t)
                columns.append(self._hurt(_Column(sensor.sensor, channel.name, t, values)))
        return columns

    def _hurt(self, column: _Column) -> _Column:
        low, high = self.frozen.get(f"{column.sensor}/{column.channel}", (np.inf, np.inf))
        still = (column.t >= low) & (column.t < high)
        if still.any():
            column.values[still] = column.values[still][0]
        column.bad = column.t >= self.dead.get(column.sensor, np.inf)
        return column

    def _portal(self, random: np.random.Generator, channel: str, t: np.ndarray) -> np.ndarray:
        there = np.zeros(len(t), dtype=bool)
        for each in self.passages:
            there |= each.present(t)
        if channel == "occupied":
            return there.astype(float)
        gamma = channel.startswith("gamma")
        mean = np.full(len(t), self.gamma if gamma else self.neutron)
        for each in self.passages:
            here = each.present(t)
            mean[here] *= 1 - each.shadow
            mean += np.where(here, (each.gamma_peak if gamma else each.neutron_peak) * each.shape(t), 0)
            mean += np.where(here, each.load * each.cargo(t), 0) if gamma else 0.0
        if gamma:
            mean[(t >= self.dim[0]) & (t < self.dim[1])] *= 0.7
        return random.poisson(mean).astype(float)

    def _area(self, random: np.random.Generator, _channel: str, t: np.ndarray) -> np.ndarray:
        return random.poisson(np.where((t >= self.leak[0]) & (t < self.leak[1]), 60.0, 20.0)).astype(float)

    def _gas(self, random: np.random.Generator, channel: str, t: np.ndarray) -> np.ndarray:
        there = (t >= self.leak[0]) & (t < self.leak[1])
        if channel == "alarm_1":
            return there.astype(float)
        return np.round(random.normal(np.where(there, 40.0, 1.0), 0.3), 1)

    def _xray(self, _random: np.random.Generator, channel: str, t: np.ndarray) -> np.ndarray:
        if channel == "ready":
            return np.ones(len(t))
        on = np.zeros(len(t))
        for low, high in self.scans:
            on[(t >= low) & (t < high)] = 1
        return on

    def _door(self, _random: np.random.Generator, _channel: str, t: np.ndarray) -> np.ndarray:
        opened = np.zeros(len(t))
        for low, high in self.door_open:
            opened[(t >= low) & (t < high)] = 1
        return opened


@dataclass
class _Column:
    sensor: str
    channel: str
    t: np.ndarray
    values: np.ndarray
    bad: np.ndarray | None = None

    def slice(self, low: float, high: float) -> Series | None:
        """Return what lies in [low, high) as a series, None when there is nothing."""
        first, last = np.searchsorted(self.t, [low - 1e-9, high - 1e-9])
        if first == last:
            return None
        t0 = at(float(self.t[first]))
        bad = self.bad[first:last] if self.bad is not None else np.zeros(last - first, dtype=bool)
        values: list[float | None] = [
            None if b else float(v) for v, b in zip(self.values[first:last], bad, strict=True)
        ]
        return Series(
            sensor=self.sensor,
            channel=self.channel,
            t0=t0,
            dt=[at(float(each)) - t0 for each in self.t[first:last]],
            x=values,
            q=[(2, "no answer") if b else 0 for b in bad] if bad.any() else [],
        )


def _weather(random: np.random.Generator, channel: str, t: np.ndarray) -> np.ndarray:
    """Temperature drifts and rests for long; wind gusts and falls calm; rain comes and goes."""
    if channel == "temperature":
        return np.round(12 + 6 * np.clip(np.sin(2 * np.pi * t / 86_400), -0.2, 0.9) + random.normal(0, 0.04, len(t)), 1)
    if channel == "wind_speed":
        calm = np.sin(2 * np.pi * t / 7200) < -0.5
        return np.where(calm, 0.0, np.round(np.abs(5 + random.normal(0, 1.5, len(t))), 1))
    wet = np.sin(2 * np.pi * t / 10_000) > 0.7
    return np.where(wet, np.round(np.abs(2 + random.normal(0, 0.5, len(t))), 1), 0.0)
