"""The exact interval of a Poisson rate (Garwood 1936)."""

from __future__ import annotations

import math


def interval(count: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval of the expected count when `count` were seen; one-sided from above when none were."""
    if count == 0:
        return 0.0, -math.log(1 - confidence)
    tail = (1 - confidence) / 2
    return _mean_where(count - 1, 1 - tail), _mean_where(count, tail)


def _mean_where(count: int, chance: float) -> float:
    """Return the mean at which `count` or fewer come with a probability of `chance`."""
    low, high = 0.0, count + 10 * math.sqrt(count + 1) + 10
    for _ in range(80):
        middle = (low + high) / 2
        terms = (math.exp(-middle + n * math.log(middle) - math.lgamma(n + 1)) for n in range(count + 1))
        low, high = (middle, high) if sum(terms) > chance else (low, middle)
    return high
