"""Exact intervals of measured rates and shares, 95 % each (Garwood 1936; Clopper and Pearson 1934)."""

from __future__ import annotations

import math
from collections.abc import Callable

LEVEL = 0.025
ONE_SIDED = 0.05


def poisson_interval(count: int) -> tuple[float, float]:
    """Return the interval of the mean of a Poisson count; one-sided from above when nothing was counted."""
    if count == 0:
        return 0.0, poisson_upper(0)
    high = _poisson_high(count, LEVEL)
    return _solve(lambda mean: 1 - LEVEL - _poisson_at_most(count - 1, mean), high, 0.0), high


def poisson_upper(count: int) -> float:
    """Return the one-sided upper bound of the mean of a Poisson count."""
    return _poisson_high(count, ONE_SIDED)


def share_interval(found: int, of: int) -> tuple[float, float]:
    """Return the Clopper-Pearson interval of a share."""
    low = 0.0 if found == 0 else _solve(lambda p: 1 - LEVEL - _binomial_at_most(found - 1, of, p), 1.0, 0.0)
    high = 1.0 if found == of else _solve(lambda p: _binomial_at_most(found, of, p) - LEVEL, 0.0, 1.0)
    return low, high


def _poisson_high(count: int, level: float) -> float:
    return _solve(lambda mean: _poisson_at_most(count, mean) - level, 0.0, count + 10 * math.sqrt(count + 1) + 10)


def _solve(falls: Callable[[float], float], above: float, below: float) -> float:
    """Return where a function passes zero that is positive at `above` and negative at `below`."""
    for _ in range(60):
        middle = (above + below) / 2
        above, below = (middle, below) if falls(middle) > 0 else (above, middle)
    return (above + below) / 2


def _poisson_at_most(count: int, mean: float) -> float:
    if mean <= 0:
        return 1.0
    return math.fsum(math.exp(-mean + n * math.log(mean) - math.lgamma(n + 1)) for n in range(count + 1))


def _binomial_at_most(found: int, of: int, p: float) -> float:
    if p <= 0:
        return 1.0
    if p >= 1:
        return 0.0
    return math.fsum(
        math.exp(
            math.lgamma(of + 1)
            - math.lgamma(n + 1)
            - math.lgamma(of - n + 1)
            + n * math.log(p)
            + (of - n) * math.log1p(-p)
        )
        for n in range(found + 1)
    )
