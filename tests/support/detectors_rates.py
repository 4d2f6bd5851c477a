"""Measures how often detectors cry wolf and how much they find, by simulation.

Models: a source passing at 2.5 m and 8 km/h is a·(1 + ((t − t0)/τ)²)^(−3/2) with τ = 1.125 s, and its strength is given
as d = sqrt(Σ s²/b), what the best possible test sees of it; counts are Poisson.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from hubwatch_core.wire import Channel, Detection, Sensor
from hubwatch_core.words import SensorKind
from hubwatch_detectors.chunk import Chunk, ChunkReading
from hubwatch_detectors.contract import Origin, Site
from hubwatch_detectors.integrity.frozen import Frozen, FrozenConfig
from hubwatch_detectors.radiation.portal import RadiationPortal, RadiationPortalConfig
from support.detectors_hub import AGENT, BEGIN, HUB, PORTAL

SAMPLE_S = 0.2
OCCUPIED, FREE = 50, 45
"""Samples of an occupancy (10 s) and of the free time before it (9 s)."""
TAU_S = 1.125


@dataclass(frozen=True, slots=True)
class Passages:
    """What came of many passages; delays are seconds from the closest approach, negative before it."""

    occupancies: int
    gamma: int
    neutron: int
    gamma_delays_s: tuple[float, ...] = ()

    def gamma_share(self) -> float:
        """Return the share of passages with a gamma alarm."""
        return self.gamma / self.occupancies


def passages(
    occupancies: int,
    *,
    d: float = 0.0,
    gamma_cps: float = 500.0,
    neutron_cps: float = 2.0,
    shadow: tuple[float, float] = (0.0, 0.0),
    seed: int = 1,
    **config: Any,
) -> Passages:
    """Let vehicles pass one portal with a gamma source of strength `d` in each, and count the alarms."""
    random = np.random.default_rng(seed)
    detector = RadiationPortal(RadiationPortalConfig(**config), Origin("radiation_portal", 2, HUB, "rpm-1"), Site())
    _learn(detector, random, gamma_cps, neutron_cps)
    t, gamma, neutron, delays, approaches = 400 * SAMPLE_S, 0, 0, [], dict[int, float]()
    for _ in range(occupancies):
        closest = t + FREE * SAMPLE_S + random.uniform(1.5, 8.5)
        chunk = _passage(random, t, closest, d, gamma_cps, neutron_cps, random.uniform(*shadow))
        t += (FREE + OCCUPIED) * SAMPLE_S
        approaches[_us(t)] = closest
        for found in [*detector.update(chunk), *detector.advance(_us(t))]:
            if isinstance(found, Detection):
                gamma += found.type == "radiation.gamma"
                neutron += found.type == "radiation.neutron"
                if found.type == "radiation.gamma":
                    # What is judged as a vehicle leaves is told with the first sample after it, in the next passage.
                    mine = next(near for end, near in approaches.items() if found.start < end)
                    delays.append((found.detected - _us(mine)) / 1e6)
    return Passages(occupancies, gamma, neutron, tuple(delays))


def frozen_false_alarms(samples: int, mean: float = 100.0, seed: int = 1) -> int:
    """Count the false alarms on a living counting channel."""
    detector, sensor = _gauge()
    random, found = np.random.default_rng(seed), 0
    for first in range(0, samples, 10_000):
        counts = random.poisson(mean, min(10_000, samples - first))
        found += len(detector.update(_counts(sensor, first, counts)))
    return found


def frozen_delay_s(history: int, mean: float = 100.0, runs: int = 200) -> float:
    """Return the median seconds from the freeze of a channel read at 5 Hz to the detection."""
    delays = []
    for seed in range(runs):
        detector, sensor = _gauge()
        counts = np.random.default_rng(seed).poisson(mean, history)
        detector.update(_counts(sensor, 0, counts))
        found = detector.update(_counts(sensor, history, np.full(500, counts[-1])))
        assert isinstance(found[0], Detection)
        delays.append((found[0].detected - found[0].start) / 1e6)
    return float(np.median(delays))


def _us(seconds: float) -> int:
    return BEGIN + round(seconds * 1e6)


def _learn(detector: RadiationPortal, random: np.random.Generator, gamma_cps: float, neutron_cps: float) -> None:
    rows = zip(random.poisson(gamma_cps * SAMPLE_S, 400), random.poisson(neutron_cps * SAMPLE_S, 400), strict=True)
    readings = [each for i, (g, n) in enumerate(rows) for each in _row(i * SAMPLE_S, g, n, 0.0)]
    detector.update(Chunk.of(HUB, AGENT, PORTAL, readings))


def _passage(
    random: np.random.Generator, t: float, closest: float, d: float, gamma: float, neutron: float, depth: float
) -> Chunk:
    times = t + SAMPLE_S * (1 + np.arange(FREE + OCCUPIED))
    here = np.arange(len(times)) >= FREE
    peak = d * np.sqrt(gamma / (1.178 * TAU_S))
    source = peak * (1 + ((times - closest) / TAU_S) ** 2) ** -1.5
    means = (gamma * np.where(here, 1 - depth, 1.0) + source) * SAMPLE_S
    gammas, neutrons = random.poisson(means), random.poisson(neutron * SAMPLE_S, len(times))
    rows = zip(times.tolist(), gammas.tolist(), neutrons.tolist(), here.tolist(), strict=True)
    readings = [each for when, g, n, occupied in rows for each in _row(when, g, n, float(occupied))]
    return Chunk(HUB, AGENT, PORTAL, tuple(readings))


def _row(t: float, gamma: float, neutron: float, occupied: float) -> Iterator[ChunkReading]:
    when = _us(t)
    yield ChunkReading(when, "gamma.1", float(gamma))
    yield ChunkReading(when, "neutron.1", float(neutron))
    yield ChunkReading(when, "occupied", occupied)


def _gauge() -> tuple[Frozen, Sensor]:
    sensor = Sensor("s-1", SensorKind.PROCESS, "zone-1", channels=[Channel("gamma.1", "count", resolution=1)])
    return Frozen(FrozenConfig(), Origin("frozen", 1, HUB, "s-1"), Site()), sensor


def _counts(sensor: Sensor, first: int, counts: np.ndarray) -> Chunk:
    readings = [ChunkReading(_us((first + i) * SAMPLE_S), "gamma.1", float(n)) for i, n in enumerate(counts.tolist())]
    return Chunk(HUB, AGENT, sensor, tuple(readings))


def continuous_false_alarms(days: float, gamma_cps: float = 500.0, seed: int = 1) -> int:
    """Count the gamma false alarms of a portal that gives no occupancy signal."""
    random = np.random.default_rng(seed)
    detector = RadiationPortal(RadiationPortalConfig(), Origin("radiation_portal", 2, HUB, "rpm-1"), Site())
    alarms, samples = 0, round(days * 86_400 / SAMPLE_S)
    for first in range(0, samples, 10_000):
        counts = random.poisson(gamma_cps * SAMPLE_S, min(10_000, samples - first)).tolist()
        rows = [ChunkReading(_us((first + i) * SAMPLE_S), "gamma.1", float(n)) for i, n in enumerate(counts)]
        alarms += sum(isinstance(each, Detection) for each in detector.update(Chunk(HUB, AGENT, PORTAL, tuple(rows))))
    return alarms
