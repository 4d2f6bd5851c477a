"""A lane with a portal: vehicles of the model pass the detector one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from hubwatch_core.wire import Channel, Detection, Sensor
from hubwatch_core.words import ChannelKind, SensorKind
from hubwatch_detectors.chunk import Chunk, ChunkReading
from hubwatch_detectors.contract import Origin, Site
from hubwatch_detectors.radiation.portal import RadiationPortal, RadiationPortalConfig
from support.portal_model import LOW_SHARE, Floats, Traffic, Vehicles, vehicles

BEGIN = 1_795_284_000_000_000
SECOND_US = 1_000_000
WARM_UP_S = 120.0
FREE_S = 20.0


@dataclass(frozen=True, slots=True)
class Passed:
    """What came of vehicles that passed: the score of each detection by type and vehicle, 0 where there is none."""

    scores: dict[str, Floats]
    norm: np.ndarray[Any, np.dtype[np.bool_]]

    def share(self, kind: str) -> float:
        """Return the share of vehicles with a detection of a type."""
        return float((self.scores[kind] > 0).mean())


TYPES = ("radiation.gamma", "radiation.neutron", "radiation.norm", "radiation.background")


class Lane:
    """One portal with its detector; `windows` sends two energy windows, otherwise one channel."""

    def __init__(
        self, traffic: Traffic, seed: int, *, windows: bool = False, warm_up_s: float = WARM_UP_S, **config: Any
    ):
        self.traffic, self.windows = traffic, windows
        self.random = np.random.default_rng(seed)
        self.detector = RadiationPortal(
            RadiationPortalConfig(**config), Origin("radiation_portal", 2, "rotterdam", "rpm-1"), Site()
        )
        self.sensor = _sensor(("gamma.low", "gamma.high") if windows else ("gamma.1",))
        self.now = BEGIN
        self._free(warm_up_s)

    def pass_by(self, count: int, traffic: Traffic | None = None) -> Passed:
        """Let vehicles pass and return what was found."""
        many = vehicles(count, traffic or self.traffic, self.random)
        scores = {kind: np.zeros(count) for kind in TYPES}
        for i in range(count):
            self._free(FREE_S)
            found = self.detector.update(self._chunk(*_of(many, i, windows=self.windows), occupied=1.0))
            found += self._free(2 * self.traffic.sample_s)
            for each in found:
                if isinstance(each, Detection):
                    scores[each.type][i] = max(each.score, 1e-9)
        return Passed(scores, many.norm)

    def _free(self, seconds: float) -> list[Any]:
        rows, level = round(seconds / self.traffic.sample_s), self.traffic.gamma_cps * self.traffic.sample_s
        shares = (LOW_SHARE, 1 - LOW_SHARE) if self.windows else (1.0,)
        gamma = [self.random.poisson(level * share, rows).astype(float) for share in shares]
        neutron = self.random.poisson(self.traffic.neutron_cps * self.traffic.sample_s, rows).astype(float)
        return self.detector.update(self._chunk(gamma, neutron, occupied=0.0))

    def _chunk(self, gamma: list[Floats], neutron: Floats, *, occupied: float) -> Chunk:
        step = round(self.traffic.sample_s * SECOND_US)
        first, self.now = self.now, self.now + step * len(neutron)
        readings = tuple(self._rows(first, step, gamma, neutron, occupied))
        return Chunk("rotterdam", "gate-7", self.sensor, readings)

    def _rows(
        self, first: int, step: int, gamma: list[Floats], neutron: Floats, occupied: float
    ) -> Iterator[ChunkReading]:
        names = [channel.name for channel in self.sensor.channels if channel.name.startswith("gamma")]
        columns = [each.tolist() for each in gamma]
        for i, counts in enumerate(neutron.tolist()):
            t = first + i * step
            for name, column in zip(names, columns, strict=True):
                yield ChunkReading(t, name, column[i])
            yield ChunkReading(t, "neutron.1", counts)
            yield ChunkReading(t, "occupied", occupied)


def _of(many: Vehicles, i: int, *, windows: bool) -> tuple[list[Floats], Floats]:
    return ([many.low[i], many.high[i]] if windows else [many.gamma[i]]), many.neutron[i]


def _sensor(gamma: tuple[str, ...]) -> Sensor:
    counted = [Channel(name, "count", resolution=1) for name in (*gamma, "neutron.1")]
    return Sensor(
        "rpm-1", SensorKind.RADIATION_PORTAL, "lane-1", channels=[*counted, Channel("occupied", "1", ChannelKind.STATE)]
    )
