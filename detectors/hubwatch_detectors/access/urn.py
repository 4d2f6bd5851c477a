"""How likely the uses of a badge are its owner's: drawn from an urn that starts with the owner's history.

Habits follow a Dirichlet distribution, so the doors of the next uses together follow that of Pólya's urn: each use
adds a ball of its door (Johnson & Kotz 1977, Urn models and their application). Uses at a door that is new to a person
are thus no proof twice over: whoever has begun to go there goes there again. Whoever has a cloned badge uses any door
alike.

The chance of a score has no closed form, and what is asked for is small. It is found by importance sampling from owner
and clone in equal parts. The score is the logarithm of the ratio of the two, so no weight exceeds 2, and chances of
1e-4 are as sure as those of 1e-1. The draws are the same each time: the same history gives the same chance.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

DRAWS = 256
"""Of each part: a chance of 0.01 is sure within a tenth, and the mean over people far better."""
MOST_USES = 4
SAME = 1e-9
"""Scores of the same uses in another order differ by rounding alone."""

Weights = NDArray[np.float64]
"""Of the doors by their numbers, as balls in the urn."""
Doors = NDArray[np.int64]
"""A row for each draw, with the doors of its uses."""


def scores(weights: Weights, doors: Doors) -> Weights:
    """Return ln(clone/owner) of each row."""
    uses, total = doors.shape[1], float(weights.sum())
    found = -np.log(weights[doors[:, 0]])
    for n in range(1, uses):
        again = (doors[:, :n] == doors[:, n : n + 1]).sum(axis=1)
        found -= np.log(weights[doors[:, n]] + again)
    # of both: the number of doors to the power of uses, and the balls in the urn at each use
    return np.asarray(found + np.log((total + np.arange(uses)) / len(weights)).sum())


def chance(weights: Weights, uses: int, score: float) -> float:
    """Return how likely the owner's next `uses`, at most `MOST_USES`, score at least `score`."""
    return chances(weights, uses, [score])[0]


def chances(weights: Weights, uses: int, limits: list[float]) -> list[float]:
    """Return the same for several scores."""
    found, worth = drawn(weights, uses)
    return [float(worth[found >= limit - SAME].sum()) for limit in limits]


def quantile(urns: list[Weights], uses: int, rate: float) -> float:
    """Return the score that the next `uses` of owners exceed at `rate`, all together."""
    parts = [drawn(each, uses) for each in urns]
    found, worth = (np.concatenate([part[i] for part in parts]) for i in (0, 1))
    order = np.argsort(-found)
    beyond = np.cumsum(worth[order]) / len(urns)
    return float(found[order][min(int(np.searchsorted(beyond, rate)), len(order) - 1)])


def drawn(weights: Weights, uses: int) -> tuple[Weights, Weights]:
    """Return scores of uses by owner and clone, and what each counts for the owner; these add up to 1."""
    doors = np.concatenate([_strangers(len(weights))[:, :uses], _owners(weights, uses)])
    found = scores(weights, doors)
    worth = 1 / (1 + np.exp(found))
    return found, np.asarray(worth / worth.sum())


@lru_cache(maxsize=64)
def _strangers(size: int) -> Doors:
    return np.random.default_rng(size).integers(size, size=(DRAWS, MOST_USES))


@lru_cache(maxsize=1)
def _fortune() -> Weights:
    """Return numbers below 1: those of each use are spread evenly."""
    random = np.random.default_rng(0)
    even = (np.arange(DRAWS) + 0.5) / DRAWS
    return np.stack([random.permutation(even) for _ in range(MOST_USES)], axis=1)


def _owners(weights: Weights, uses: int) -> Doors:
    bounds = np.cumsum(weights)
    doors = np.empty((DRAWS, uses), np.int64)
    for n in range(uses):
        balls = _fortune()[:, n] * (bounds[-1] + n)
        doors[:, n] = np.minimum(np.searchsorted(bounds, balls, side="right"), len(weights) - 1)
        for earlier in range(n):
            # balls that earlier uses have added lie beyond the first ones, in their order
            added = (balls >= bounds[-1] + earlier) & (balls < bounds[-1] + earlier + 1)
            doors[added, n] = doors[added, earlier]
    return doors
