"""How long a door stands open for one person, and whether it stood open for two.

The logarithm of the time is near normal; each door learns its own mean and scatter. Two people take about 1.6 s more
than one (docs/reference/detectors.md). Where the scatter hides that, the door is not judged: a test that finds fewer
than half of those who follow somebody only makes false alarms.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

import msgspec

SECOND_PERSON_S = 1.6
FEWEST_OPENINGS = 50
MAX_OPENINGS = 5000
"""Openings after which the history is halved, so that it follows a closer that ages."""
LEAST_SCATTER = 0.02
"""Contacts are read some times a second: no door is more regular than that shows."""
DAMPER = 4.0
"""Scatters beyond which a time is no measure of the door: somebody held it, and it is not learned."""


class OpenTimes(msgspec.Struct):
    """Times that one door stood open for one grant, as ln(seconds)."""

    count: float = 0.0
    mean: float = 0.0
    squares: float = 0.0

    def learn(self, seconds: float) -> None:
        """Take a time into the history."""
        value = math.log(seconds)
        if self.count >= FEWEST_OPENINGS and abs(value - self.mean) > DAMPER * self.scatter():
            return
        self.count += 1
        away = value - self.mean
        self.mean += away / self.count
        self.squares += away * (value - self.mean)
        if self.count > MAX_OPENINGS:
            self.count, self.squares = self.count / 2, self.squares / 2

    def scatter(self) -> float:
        """Return the standard deviation of ln(seconds) of the next opening."""
        if self.count <= 1:
            return math.inf
        return max(LEAST_SCATTER, math.sqrt(self.squares / (self.count - 1) * (1 + 1 / self.count)))

    def score(self, seconds: float) -> float:
        """Return by how many scatters a time is too long."""
        return (math.log(seconds) - self.mean) / self.scatter()

    def threshold(self, rate: float) -> float | None:
        """Return the score that one person's openings pass at `rate`; None where the door cannot be judged."""
        if self.count < FEWEST_OPENINGS:
            return None
        least = _quantile(rate, round(self.count) - 1)
        of_two = math.log(1 + SECOND_PERSON_S / math.exp(self.mean)) / self.scatter()
        return least if of_two >= least else None


@lru_cache(maxsize=1024)
def _quantile(rate: float, freedom: int) -> float:
    """Return the quantile of Student's t from the normal one (Abramowitz and Stegun 26.7.5, first two terms)."""
    z = NormalDist().inv_cdf(1 - rate)
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
