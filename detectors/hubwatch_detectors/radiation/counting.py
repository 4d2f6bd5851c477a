"""Counting statistics: is this many counts more than the background explains?

The background is not known but estimated from `n` samples, so its own uncertainty is part of the judgement. For k
samples in the window and mean m a sample, the expected count is k·m and its variance k·m·(1 + k/n). For small counts
the exact predictive law of a Poisson count is used: with Jeffreys' prior the posterior of the rate is a gamma law
and the count of k new samples negative binomial (Gelman et al., Bayesian Data Analysis, 3rd ed., section 2.6).
"""

from __future__ import annotations

import math
from typing import NamedTuple

LEAST_VARIANCE = 1.0
"""One count: keeps an empty background from making a significance out of rounding."""
NEGLIGIBLE = 1e-12
MANY = 1e6
"""Expected counts from which the tail is that of the normal law: its skewness is below 0.002 there, and the exact sum
would need a term for every count of a deviation or more. A register that holds no counts can say 1e38."""


class Excess(NamedTuple):
    """What a window holds against what the background leads to expect; all in counts."""

    counts: float
    expected: float
    variance: float
    samples: int
    learned: float
    """Samples behind the background estimate."""

    @property
    def sigma(self) -> float:
        """The excess in standard deviations of the expected count (sqrt(B) units, background's own error included)."""
        return (self.counts - self.expected) / math.sqrt(max(self.variance, LEAST_VARIANCE))

    def above(self, reach: float) -> float:
        """Return how far the counts are above the background and a share `reach` of it more, in deviations."""
        most, variance = self.expected * (1 + reach), self.variance * (1 + reach)
        return (self.counts - most) / math.sqrt(max(variance, LEAST_VARIANCE))

    def is_above(self, variances: float) -> bool:
        """Return whether the counts are more than so many variances above the background; below 0 it says always."""
        over = self.counts - self.expected
        return variances < 0 or (over > 0 and over * over > variances * self.expected)

    @property
    def chance(self) -> float:
        """The probability that background alone gives at least this many counts."""
        return count_tail(round(self.counts), self.expected, self.samples, self.learned)


def count_tail(counts: int, expected: float, samples: int, learned: float) -> float:
    """Return P(N >= counts) for `samples` new samples, when `learned` samples led to expect `expected` counts.

    Negative binomial with shape a = expected·learned/samples + 1/2 and odds samples/learned. Counts at or below the
    mean are given 1: nobody asks how usual they are. From MANY expected counts on the law is taken for normal.
    """
    if samples <= 0 or learned <= 0 or counts <= expected:
        return 1.0
    if expected >= MANY:
        return math.erfc((counts - expected) / math.sqrt(2 * expected * (1 + samples / learned))) / 2
    shape, share = expected * learned / samples + 0.5, samples / (samples + learned)
    log_term = (
        math.lgamma(counts + shape)
        - math.lgamma(shape)
        - math.lgamma(counts + 1)
        + shape * math.log1p(-share)
        + counts * math.log(share)
    )
    term = total = math.exp(log_term)
    n = counts
    # Past the mean every term is smaller than the one before, so the sum ends.
    while term > total * NEGLIGIBLE:
        term *= (n + shape) / (n + 1) * share
        total += term
        n += 1
    return min(total, 1.0)
