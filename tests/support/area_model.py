"""Simulated area monitors: Poisson counts over a background, with steps, ramps, rain and days in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hubwatch_core.wire import Channel, Clear, Detection, Sensor
from hubwatch_core.words import SensorKind
from hubwatch_detectors.chunk import Chunk, ChunkReading
from hubwatch_detectors.contract import Finding, Origin, Site
from hubwatch_detectors.radiation.area import AreaConfig, RadiationArea
from support.detectors_hub import AGENT, BEGIN, HUB

Values = NDArray[np.float64]
NAME = "area-1"
GAUGE = Sensor("rain-1", SensorKind.ENVIRONMENT, "roof", channels=[Channel("rain_rate", "mm/h")])


def monitor(channel: str = "gamma", unit: str = "count", period_s: float = 1.0, zone: str = "quay") -> Sensor:
    """Return an area monitor's entry in the inventory."""
    return Sensor(
        NAME, SensorKind.RADIATION_AREA, zone, channels=[Channel(channel, unit, period_us=round(period_s * 1e6))]
    )


class AreaBench:
    """One monitor and its detector, fed with values in a row."""

    def __init__(self, sensor: Sensor | None = None, **config: Any) -> None:
        self.sensor = sensor or monitor()
        self.detector = RadiationArea(AreaConfig(**config), Origin("radiation_area", 1, HUB), Site())
        self.t = BEGIN
        self.found: list[Finding] = []

    def feed(self, values: Values, piece: int = 600) -> list[Detection]:
        """Give values, one a period; return the detections they make."""
        channel = self.sensor.channels[0]
        period, before = channel.period_us or 1_000_000, len(self.found)
        for first in range(0, len(values), piece):
            part = values[first : first + piece].tolist()
            readings = tuple(ChunkReading(self.t + i * period, channel.name, x) for i, x in enumerate(part))
            self.t += len(part) * period
            self.found += self.detector.update(Chunk(HUB, AGENT, self.sensor, readings))
        return [each for each in self.found[before:] if isinstance(each, Detection)]

    def rain(self, t: int, rate: float) -> None:
        """Let the hub's gauge say how it rains."""
        self.found += self.detector.update(Chunk(HUB, AGENT, GAUGE, (ChunkReading(t, "rain_rate", rate),)))

    @property
    def clears(self) -> list[Clear]:
        """Return the ends so far."""
        return [each for each in self.found if isinstance(each, Clear)]


def counts(random: np.random.Generator, seconds: float, cps: float = 10.0, period_s: float = 1.0) -> Values:
    """Return background counts a reading."""
    return random.poisson(cps * period_s, round(seconds / period_s)).astype(float)


def delay_s(bench: AreaBench, values: Iterator[Values], period_s: float = 1.0) -> float:
    """Return the seconds of `values` that pass until a detection decides; infinite where none does."""
    begun = bench.t
    for part in values:
        for each in bench.feed(part):
            return (each.detected - begun) / 1e6 + period_s
    return float("inf")


def steps(random: np.random.Generator, ratio: float, cps: float, period_s: float, limit_s: float) -> Iterator[Values]:
    """Yield counts after a step to `ratio` of the background, in pieces."""
    for _ in range(round(limit_s / 60)):
        yield counts(random, 60, cps * ratio, period_s)


def ramp(random: np.random.Generator, share_per_h: float, cps: float, limit_s: float) -> Iterator[Values]:
    """Yield counts a second that rise by a share of the background every hour."""
    for first in range(0, round(limit_s), 60):
        at = first + np.arange(60.0)
        yield random.poisson(cps * (1 + share_per_h * at / 3600)).astype(float)
