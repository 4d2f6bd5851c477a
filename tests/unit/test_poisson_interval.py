"""The exact interval of a Poisson count, held against published values."""

from __future__ import annotations

import pytest

from support.poisson_interval import interval


@pytest.mark.parametrize(
    ("count", "low", "high"), [(0, 0, 2.996), (1, 0.0253, 5.572), (5, 1.623, 11.668), (10, 4.795, 18.39)]
)
def test_interval_is_the_published_one(count: int, low: float, high: float) -> None:
    assert interval(count) == pytest.approx((low, high), rel=1e-3)
