"""The exact intervals of rates and shares, held against published values."""

from __future__ import annotations

import pytest

from support.intervals import poisson_interval, share_interval


@pytest.mark.parametrize(
    ("count", "low", "high"), [(0, 0, 2.996), (1, 0.0253, 5.572), (5, 1.623, 11.668), (10, 4.795, 18.39)]
)
def test_interval_of_a_count_is_the_published_one(count: int, low: float, high: float) -> None:
    assert poisson_interval(count) == pytest.approx((low, high), rel=1e-3)


@pytest.mark.parametrize(("found", "low", "high"), [(0, 0, 0.3085), (5, 0.1871, 0.8129), (10, 0.6915, 1)])
def test_interval_of_a_share_is_the_published_one(found: int, low: float, high: float) -> None:
    assert share_interval(found, 10) == pytest.approx((low, high), rel=1e-3)
