"""How rare a likelihood ratio is in vehicles without a source.

The tables come from simulation (`python -m benchmarks.portal_thresholds` in `tests/`, which prints them): occupancies
of 10 s at 2000 gamma and 2 neutron counts a second. The ratios are logarithms. Between two rows the logarithm of the
rate goes on straight; beyond the last it falls by 1 for each 1 of the ratio, as slowly as that of a likelihood ratio
can (Markov's inequality).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import NormalDist

Table = Sequence[tuple[float, float]]
"""Rates of false alarms an occupancy, falling, and the log ratios that they belong to."""

GAMMA: Table = ((0.1, -0.3), (1e-2, 1.7), (1e-3, 3.9), (1e-4, 5.85), (1e-5, 8.0))
"""One energy window, no NORM; vehicles without a shadow, which at 1e-4 are alarmed more often than those with one."""
GAMMA_WINDOWS: Table = ((0.1, -0.3), (1e-2, 1.95), (1e-3, 4.3), (1e-4, 6.75), (1e-5, 9.2))
"""Two energy windows, 5 % of the vehicles with a load of NORM of 5 to 60 % of the background."""
NEUTRON: Table = ((0.1, 0.25), (1e-2, 1.9), (1e-3, 3.8), (1e-4, 5.8), (1e-5, 7.95))
SMALLEST = -600.0


def threshold(table: Table, rate: float) -> float:
    """Return the log ratio that vehicles without a source reach with this probability."""
    wanted = math.log(rate)
    points = [(math.log(each), ratio) for each, ratio in table]
    if wanted < points[-1][0]:
        return points[-1][1] + points[-1][0] - wanted
    for (above, low), (below, high) in pairwise(points):
        if wanted >= below:
            return low + (above - wanted) * (high - low) / (above - below)
    return points[-1][1]


def log_chance(table: Table, ratio: float) -> float:
    """Return the logarithm of the probability that a vehicle without a source reaches a log ratio."""
    points = [(math.log(each), reached) for each, reached in table]
    if ratio > points[-1][1]:
        return points[-1][0] + points[-1][1] - ratio
    for (above, low), (below, high) in pairwise(points):
        if ratio <= high:
            return min(above - (ratio - low) * (above - below) / (high - low), math.log(0.5))
    return points[-1][0]


def deviate(log_probability: float) -> float:
    """Return the normal deviate that is exceeded with this probability: the score of a detection."""
    if log_probability > SMALLEST:
        return -NormalDist().inv_cdf(min(math.exp(log_probability), 0.5))
    double = -2 * log_probability
    return math.sqrt(double - math.log(double * 2 * math.pi))
