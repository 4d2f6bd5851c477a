"""How much evidence an area monitor must show before it alarms, from the false alarms that are allowed.

A scan over all windows of a Poisson count passes the level z (in standard deviations) at a rate that is known in the
normal limit: windows of L samples add z³ φ(z) ν²(z/√L) / 4L² a sample, where ν allows for the overshoot of discrete
steps (Siegmund and Yakir, The Statistics of Gene Mapping, 2007; ν(x) ≈ exp(-0.583 x)). A constant level spends nearly
all of that rate on windows below a hundred samples. Here the level falls as windows grow, which costs the short ones
little and finds weak and slow rises sooner. The level is found by summing the rate over all windows, and `CALIBRATION`
corrects the sum to what simulated background gives (`tests/benchmarks/detectors_area.py`).
"""

from __future__ import annotations

import math
from functools import lru_cache

DISCOUNT = 0.5
"""By how much the level of evidence (nats) falls for each e-fold of the window beyond `SHORT`; our choice, see
`docs/reference/detectors.md` for the delays it gives."""
SHORT = 60.0
CALIBRATION = 0.9
"""False alarms in simulated background, as a multiple of the sum over windows."""
LOWEST, HIGHEST = 3.0, 60.0


@lru_cache(maxsize=64)
def levels(top: float, longest: int) -> tuple[float, ...]:
    """Return the evidence (nats) that a window of so many samples must reach, index 0 being unused."""
    return tuple(level(top, max(samples, 1)) for samples in range(longest + 1))


@lru_cache(maxsize=64)
def top_level(false_alarms_per_sample: float, longest: int) -> float:
    """Return the level (nats) of the shortest windows that lets through so many false alarms a sample."""
    low, high = LOWEST, HIGHEST
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if expected_rate(middle, longest) > false_alarms_per_sample else (low, middle)
    return high


def level(top: float, samples: float) -> float:
    """Return the level of a window when the shortest must reach `top` (nats)."""
    return max(LOWEST, top - DISCOUNT * math.log1p(samples / SHORT))


def expected_rate(top: float, longest: int) -> float:
    """Return the false alarms a sample that the levels under `top` let through."""
    total, samples, step = 0.0, 1.0, 1.05
    while samples < longest:
        z = math.sqrt(2 * level(top, samples))
        density = z**3 * math.exp(-z * z / 2) / math.sqrt(2 * math.pi) / 4
        total += density * math.exp(-2 * 0.583 * z / math.sqrt(samples)) / samples**2 * samples * (step - 1)
        samples *= step
    return total * CALIBRATION
