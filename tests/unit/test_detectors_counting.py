from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import numpy as np
import pytest

from hubwatch_detectors.radiation.counting import MANY, Excess, count_tail
from hubwatch_detectors.radiation.portal import USUAL


def poisson_tail(counts: int, mean: float) -> float:
    """P(N >= counts), summed from the other side as a check."""
    return 1 - sum(math.exp(-mean + n * math.log(mean) - math.lgamma(n + 1)) for n in range(counts))


@pytest.mark.parametrize(("counts", "mean"), [(3, 0.5), (10, 4.0), (18, 4.0), (30, 12.0)])
def test_tail_with_much_background_is_that_of_poisson(counts: int, mean: float) -> None:
    assert count_tail(counts, mean, 10, 1e7) == pytest.approx(poisson_tail(counts, mean), rel=1e-3)


def test_tail_is_larger_while_the_background_is_uncertain() -> None:
    known, uncertain = count_tail(18, 4.0, 10, 1e6), count_tail(18, 4.0, 10, 20)
    assert uncertain > 10 * known


def test_tail_agrees_with_simulation_of_an_estimated_background() -> None:
    random = np.random.default_rng(1)
    rate, learned, samples, trials = 0.4, 50, 10, 200_000
    background = random.poisson(rate * learned, trials)
    counts = random.poisson(rate * samples, trials)
    chances = [
        count_tail(int(n), b / learned * samples, samples, learned) for n, b in zip(counts, background, strict=True)
    ]
    # Chances below a level come no more often than the level says; Jeffreys' prior keeps it close to it.
    for level in (0.05, 0.01, 0.001):
        assert 0.25 * level < np.mean(np.array(chances) < level) < 1.3 * level


def test_empty_background_does_not_turn_one_count_into_a_finding() -> None:
    assert count_tail(1, 0.0, 10, 25) > 0.1
    assert count_tail(1, 0.0, 10, 300) > 0.01


def test_usual_counts_have_chance_one_and_absurd_ones_none() -> None:
    assert count_tail(4, 4.0, 10, 300) == 1.0
    assert count_tail(0, 0.0, 10, 300) == 1.0
    assert count_tail(10**9, 4.0, 10, 300) < 1e-200
    assert count_tail(5, 1.0, 0, 300) == 1.0


@pytest.mark.parametrize("sigma", [0.5, 2.0, 3.5, 5.0])
def test_tail_of_many_counts_goes_on_where_that_of_fewer_ends(sigma: float) -> None:
    def chance(expected: float) -> float:
        return count_tail(round(expected + sigma * math.sqrt(expected * (1 + 10 / 300))), expected, 10, 300)

    assert chance(MANY) == pytest.approx(chance(MANY - 1), rel=0.05)


@contextmanager
def at_most_lines(most: int) -> Iterator[None]:
    """Fail when more lines than that are run inside: a measure of work that no busy machine changes."""
    run, before = 0, sys.gettrace()

    def trace(_frame: FrameType, event: str, _arg: object) -> Any:
        nonlocal run
        run += event == "line"
        assert run <= most, f"more than {most} lines were run"
        return trace

    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


@pytest.mark.parametrize("expected", [1e9, 1e20, 3.4e38, 1e300])
def test_register_that_holds_no_counts_does_not_hold_up_the_others(expected: float) -> None:
    for sigma in (0, 0.1, 1, 30):
        with at_most_lines(100):
            tail = count_tail(int(expected + sigma * math.sqrt(expected)), expected, 10, 300)
        assert 0 <= tail <= 1


def test_small_counts_are_summed_term_by_term() -> None:
    with pytest.raises(AssertionError, match="more than 100 lines"), at_most_lines(100):
        count_tail(1100, 1000, 10, 300)


def test_sigma_includes_the_uncertainty_of_the_background() -> None:
    assert Excess(600, 500, 500, 5, 300).sigma == pytest.approx(4.47, abs=0.01)
    assert Excess(600, 500, 1000, 5, 5).sigma == pytest.approx(3.16, abs=0.01)
    assert Excess(2, 0, 0, 5, 300).sigma == 2  # an empty background has the deviation of one count


@pytest.mark.parametrize(("deviations", "least"), [(1.0, 0.1), (3.0, 1e-3)])
def test_counts_of_so_few_deviations_above_the_background_are_never_rarer(deviations: float, least: float) -> None:
    """What `portal.USUAL` says, for the most counts that are no more above a mean than that."""
    assert (least, deviations**2) in USUAL
    for counts in [*range(1, 200), 1000, 10_000]:
        mean = ((math.sqrt(deviations**2 + 4 * counts) - deviations) / 2) ** 2 * (1 + 1e-9)
        for learned in (10, 150, 1e6):
            excess = Excess(float(counts), mean, mean, 10, learned)
            assert not excess.is_above(deviations**2)
            assert excess.chance > least
