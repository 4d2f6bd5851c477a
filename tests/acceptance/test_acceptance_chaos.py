"""A few seeds of `make bench ONLY=chaos`, on every run of the suite."""

from __future__ import annotations

import pytest

from support.chaos_run import chaos


@pytest.mark.timeout(180)
@pytest.mark.parametrize(("seed", "outage_s"), [(101, 0.0), (102, 10.0)])
async def test_whatever_dies_nothing_is_lost_doubled_or_unexplained(seed: int, outage_s: float) -> None:
    outcome = await chaos(seed, seconds=8.0, outage_s=outage_s)
    assert outcome.clean, f"seed {seed}: {outcome}; logs are kept under build/chaos"
