"""Vehicles in a radiation portal, as counts over time: a model of the reference tables, for tests and thresholds.

A source that passes at 2.5 m with 8 km/h is a·(1 + ((t - t0)/tau)²)^(-3/2), tau = 1.125 s; its strength is
d = sqrt(sum s²/b) on the background without a shadow, and it passes 1.5 to 8.5 s after the vehicle came. A vehicle
shields 5 to 25 % of the background in a trapezoid with three cosines of unevenness. A load of NORM is 12 m long, uneven
by 15 %, and brings 5 to 60 % of the background; its low-window share is 0.55 ± 0.015 where the background's is 0.60.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

OCCUPANCY_S = 10.0
TAU_S = 1.125
AREA = 3 * np.pi / 8
ARRIVAL_S = (1.5, 8.5)
LOW_SHARE = 0.60
NORM_LOW, NORM_LOW_SD = 0.55, 0.015
NORM_LOADS = (0.05, 0.60)
NORM_SECONDS = 12.0 / (8 / 3.6)


@dataclass(frozen=True, slots=True)
class Shadow:
    """How vehicles shield: depths, seconds without a shadow at both ends, seconds of the slopes, unevenness."""

    depths: tuple[float, float] = (0.05, 0.25)
    gap_s: float = 0.8
    ramp_s: float = 1.0
    uneven: float = 0.15 / np.sqrt(3)
    """Deviation of each of the three cosines, as a share of the depth."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What passes: with a shadow or none, a share with NORM, a source of strength `d` with a low-window share."""

    shadow: Shadow | None = None
    norm: float = 0.0
    d: float = 0.0
    low: float = 0.9
    gamma_cps: float = 2000.0
    neutron_cps: float = 2.0
    neutrons: float = 0.0
    """Neutron counts of a whole pass of the source."""
    sample_s: float = 0.1
    seconds: float = OCCUPANCY_S


@dataclass(frozen=True, slots=True)
class Vehicles:
    """Counts by vehicle and sample (N, n), in the low and the high window, and of neutrons; `norm` tells the loads."""

    low: Floats
    high: Floats
    neutron: Floats
    norm: NDArray[np.bool_]
    means: Floats = field(repr=False)
    """What the gamma counts have as means without the source (N, 2, n)."""

    @property
    def gamma(self) -> Floats:
        """Return the counts of both windows."""
        return self.low + self.high


def vehicles(count: int, traffic: Traffic, random: np.random.Generator) -> Vehicles:
    """Let vehicles pass."""
    t = times(traffic)
    step = traffic.sample_s
    arrival = random.uniform(ARRIVAL_S[0], traffic.seconds - OCCUPANCY_S + ARRIVAL_S[1], (count, 1))
    shape = (1 + ((t - arrival) / TAU_S) ** 2) ** -1.5
    means, norm = clean_means(count, traffic, random)
    source = traffic.d * np.sqrt(traffic.gamma_cps / (AREA * TAU_S)) * shape * step
    neutron = traffic.neutron_cps * step + traffic.neutrons * shape * step / (2 * TAU_S)
    return Vehicles(
        random.poisson(means[:, 0] + traffic.low * source).astype(float),
        random.poisson(means[:, 1] + (1 - traffic.low) * source).astype(float),
        random.poisson(neutron).astype(float),
        norm,
        means,
    )


def clean_means(count: int, traffic: Traffic, random: np.random.Generator) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the mean gamma counts (N, 2, n) of vehicles without a source, and which of them have NORM."""
    t, level = times(traffic), traffic.gamma_cps * traffic.sample_s
    seen = np.ones((count, len(t)))
    if traffic.shadow is not None:
        seen -= shadows(count, traffic.shadow, traffic, random)
    norm = random.random(count) < traffic.norm
    load = np.where(norm, random.uniform(*NORM_LOADS, count), 0.0)[:, None] * loads(count, traffic, random)
    low = random.normal(NORM_LOW, NORM_LOW_SD, (count, 1))
    means = np.stack([seen * LOW_SHARE + load * low, seen * (1 - LOW_SHARE) + load * (1 - low)], axis=1) * level
    return means, norm


def shadows(count: int, shadow: Shadow, traffic: Traffic, random: np.random.Generator) -> Floats:
    """Return the shares of the background that vehicles shield."""
    t = times(traffic)
    depth = random.uniform(*shadow.depths, (count, 1))
    ends = np.minimum(t - shadow.gap_s, traffic.seconds - shadow.gap_s - t) / shadow.ramp_s
    out: Floats = depth * np.clip(ends, 0, 1) * _uneven(count, shadow.uneven, traffic, random)
    return out


def loads(count: int, traffic: Traffic, random: np.random.Generator) -> Floats:
    """Return the shapes of loads of NORM in the middle of the vehicle, 1 at the peak of an even one."""
    t, middle = times(traffic), traffic.seconds / 2
    edges = [(t - middle + side * NORM_SECONDS / 2) / TAU_S for side in (1, -1)]
    shape = (edges[0] / np.sqrt(1 + edges[0] ** 2) - edges[1] / np.sqrt(1 + edges[1] ** 2)) / 2
    uneven = _uneven(count, 0.15 * np.sqrt(2 / 3), traffic, random)
    out: Floats = np.clip(shape / shape.max() * uneven, 0, None)
    return out


def times(traffic: Traffic) -> Floats:
    """Return the middles of the samples (s)."""
    out: Floats = np.arange(0.5, round(traffic.seconds / traffic.sample_s), dtype=np.float64) * traffic.sample_s
    return out


def _uneven(count: int, deviation: float, traffic: Traffic, random: np.random.Generator) -> Floats:
    waves = np.cos(np.pi * np.arange(1, 4)[:, None] * times(traffic) / traffic.seconds)
    out: Floats = 1 + random.normal(0, deviation, (count, 3)) @ waves
    return out
