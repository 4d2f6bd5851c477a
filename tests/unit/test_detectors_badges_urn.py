"""The chance of what an owner does next: against brute force, and that it is the same each time."""

from __future__ import annotations

from itertools import product
from math import prod

import numpy as np
import pytest

from hubwatch_detectors.access import urn


def exact(weights: list[float], uses: int) -> list[tuple[float, float]]:
    """Return score and chance of all that an owner may do, one use after the other."""
    found = []
    for doors in product(range(len(weights)), repeat=uses):
        balls, chances = list(weights), list[float]()
        for door in doors:
            chances.append(balls[door] / sum(balls))
            balls[door] += 1
        found.append((-float(np.log(prod(chances) * len(weights) ** uses)), prod(chances)))
    return found


@pytest.mark.parametrize("uses", [1, 2, 3, 4])
def test_chance_is_that_of_all_that_the_owner_may_do(uses: int) -> None:
    weights = [60.3, 30.3, 4.3, 0.3, 0.3, 0.6, 0.3, 0.3]
    every = exact(weights, uses)
    assert sum(chance for _, chance in every) == pytest.approx(1)
    for score in (-20.0, -3.0, 0.0, 1.5, 3.0):
        expected = sum(chance for each, chance in every if each >= score - urn.SAME)
        assert urn.chance(np.array(weights), uses, score) == pytest.approx(expected, rel=0.35, abs=1e-12)


def test_scores_are_those_of_uses_one_by_one_in_any_order() -> None:
    weights = [5.5, 2.0, 0.5]
    every = dict(zip(product(range(3), repeat=3), exact(weights, 3), strict=True))
    found = urn.scores(np.array(weights), np.array(list(every)))
    assert found == pytest.approx([score for score, _ in every.values()])
    assert every[0, 1, 1][0] == pytest.approx(every[1, 1, 0][0])


def test_quantile_is_passed_at_its_rate_by_all_together() -> None:
    random = np.random.default_rng(6)
    urns = [
        np.asarray(random.multinomial(130, habit) + 0.3, np.float64) for habit in random.dirichlet(np.full(24, 0.3), 50)
    ]
    score = urn.quantile(urns, 4, 0.01)
    assert np.mean([urn.chance(each, 4, score) for each in urns]) == pytest.approx(0.01, rel=0.05)
    assert urn.quantile(urns, 4, 0.1) < score < urn.quantile(urns, 4, 0.001)


def test_same_history_gives_the_same_chance_and_one_door_is_certain() -> None:
    weights = np.full(300, 0.3)
    assert urn.chance(weights, 3, 0.5) == urn.chance(weights.copy(), 3, 0.5)
    assert urn.chance(np.array([1e9, 1e-9]), 4, -3.0) == pytest.approx(1)
    assert urn.chance(np.array([1e9, 1e-9]), 4, 5.0) < 1e-9
