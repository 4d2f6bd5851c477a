"""How much a channel scatters: counts as Poisson's law has it, a measured value by its own noise.

A device that gives a dose rate or a concentration smooths what it shows. From the squares of the steps over one
reading and over two, v1 and v2, follow the correlation r = v2/v1 - 1 of neighbouring readings and the variance that
means of many readings have, v1·(1 + r)/(1 - r)² for each: of a first-order filter exactly. Steps do not see slow drift.
Variance over mean is the dispersion; a dose rate divided by it behaves like a count.
"""

from __future__ import annotations

import math

import msgspec

MIN_STEPS = 30
"""Steps before a measured value may be judged."""
REACH = 5000.0
"""Readings over which the scatter is averaged; our choice."""
MAX_CORRELATION = 0.98
OUTLIER = 25.0
"""A squared step counts at most as so many usual ones."""
LEAST_NOISE = 0.01
"""Least relative standard deviation of one reading: what shows no noise is rounded or smoothed beyond what we see."""


class Scatter(msgspec.Struct):
    """Running mean and mean squared steps, halved, of one channel."""

    seen: int = 0
    mean: float = 0.0
    one: float = 0.0
    two: float = 0.0
    before: list[float] = []

    def add(self, value: float) -> None:
        """Take a reading."""
        before = self.before
        if len(before) != 2:
            self.before = [*before, value]
            return
        first, second = before
        self.seen = seen = self.seen + 1
        share = 1 / seen if seen < REACH else 1 / REACH
        one, two, mean_one, mean_two = (value - second) ** 2 / 2, (value - first) ** 2 / 2, self.one, self.two
        if seen > MIN_STEPS:
            if one > OUTLIER * mean_one > 0:
                one = OUTLIER * mean_one
            if two > OUTLIER * mean_two > 0:
                two = OUTLIER * mean_two
        self.mean += (value - self.mean) * share
        self.one = mean_one + (one - mean_one) * share
        self.two = mean_two + (two - mean_two) * share
        before[0], before[1] = second, value

    def dispersion(self, *, counts: bool, resolution: float | None = None) -> float | None:
        """Return variance over mean; None while too little is known. Of counts it is 1, or more where that is sure."""
        if counts:
            return self._over_dispersion()
        variance = self.variance()
        if variance is None or self.mean <= 0:
            return None
        least = (LEAST_NOISE * self.mean) ** 2 + (resolution or 0.0) ** 2 / 12
        return max(variance, least) / self.mean

    def variance(self) -> float | None:
        """Return the variance of a reading as means of many feel it; None while too little is known."""
        if self.seen < MIN_STEPS:
            return None
        correlation = min(max(self.two / self.one - 1, 0.0), MAX_CORRELATION) if self.one > 0 else 0.0
        return self.one * (1 + correlation) / (1 - correlation) ** 2

    def _over_dispersion(self) -> float:
        """Counts that scatter more than Poisson's law by four standard errors do so indeed."""
        if self.seen < MIN_STEPS or self.mean <= 0:
            return 1.0
        found = self.one / self.mean
        return found if found > 1 + 4 * math.sqrt((3 + 1 / self.mean) / min(self.seen, REACH)) else 1.0
