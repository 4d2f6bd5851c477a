"""The pauses between tries: they grow, are bounded, and differ between clients."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hubwatch_core.concurrency import backoff_s

FIRST_S = 0.5

tries = st.integers(1, 10_000)
longest = st.floats(0.1, 3600)


@given(tries, longest)
def test_pause_is_never_longer_than_told_and_never_nothing(count: int, max_s: float) -> None:
    assert 0 < backoff_s(count, FIRST_S, max_s) <= max_s


@given(st.integers(1, 12))
def test_pause_lies_in_the_upper_half_of_a_doubling_ceiling(count: int) -> None:
    ceiling = FIRST_S * 2 ** (count - 1)
    assert ceiling / 2 <= backoff_s(count, FIRST_S, 3600) <= ceiling


@given(tries, longest)
def test_after_many_failures_the_pause_is_at_least_half_the_longest(count: int, max_s: float) -> None:
    assert backoff_s(count + 14, FIRST_S, max_s) >= max_s / 2


def test_clients_that_fail_together_come_back_apart() -> None:
    pauses = sorted(backoff_s(5, FIRST_S, 30) for _ in range(1000))
    spread = FIRST_S * 2**4 / 2
    assert pauses[-1] - pauses[0] > 0.9 * spread
    assert 0.4 * spread < pauses[500] - pauses[0] < 0.6 * spread
