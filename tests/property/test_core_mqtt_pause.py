"""The pauses between tries: they grow, are bounded, and differ between clients."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hubwatch_core.mqtt import FIRST_PAUSE_S, pause_s

tries = st.integers(1, 10_000)
longest = st.floats(0.1, 3600)


@given(tries, longest)
def test_pause_is_never_longer_than_told_and_never_nothing(count: int, longest_s: float) -> None:
    assert 0 < pause_s(count, longest_s) <= longest_s


@given(st.integers(1, 12))
def test_pause_lies_in_the_upper_half_of_a_doubling_ceiling(count: int) -> None:
    ceiling = FIRST_PAUSE_S * 2**count
    assert ceiling / 2 <= pause_s(count, 3600) <= ceiling


@given(tries, longest)
def test_after_many_failures_the_pause_is_at_least_half_the_longest(count: int, longest_s: float) -> None:
    assert pause_s(count + 14, longest_s) >= longest_s / 2


def test_clients_that_fail_together_come_back_apart() -> None:
    pauses = sorted(pause_s(5, 30) for _ in range(1000))
    spread = FIRST_PAUSE_S * 2**5 / 2
    assert pauses[-1] - pauses[0] > 0.9 * spread
    assert 0.4 * spread < pauses[500] - pauses[0] < 0.6 * spread
