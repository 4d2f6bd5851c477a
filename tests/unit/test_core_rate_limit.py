"""The token bucket: a burst, then an average, for each key apart, in bounded memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hubwatch_core.http import RateLimit


def test_burst_is_allowed_and_what_goes_over_it_is_not() -> None:
    limit = RateLimit(per_second=1, burst=3)
    assert [limit.allow("a", 0.0) for _ in range(5)] == [True, True, True, False, False]


def test_tokens_come_back_with_time_up_to_the_burst() -> None:
    limit = RateLimit(per_second=2, burst=2)
    assert [limit.allow("a", 0.0) for _ in range(3)] == [True, True, False]
    assert [limit.allow("a", 0.5) for _ in range(2)] == [True, False]
    assert [limit.allow("a", 100.0) for _ in range(3)] == [True, True, False]


def test_one_key_does_not_use_up_another() -> None:
    limit = RateLimit(per_second=1, burst=1)
    assert limit.allow("a", 0.0)
    assert limit.allow("b", 0.0)
    assert not limit.allow("a", 0.0)


def test_key_longest_unused_is_forgotten_first() -> None:
    limit = RateLimit(per_second=0.0, burst=1, max_keys=2)
    assert limit.allow("a", 0.0)
    assert limit.allow("b", 0.0)
    assert not limit.allow("a", 0.0)  # used again: b is now the oldest
    assert limit.allow("c", 0.0)
    assert not limit.allow("a", 0.0)
    assert limit.allow("b", 0.0)


@given(st.lists(st.floats(0, 10), max_size=60), st.floats(0.1, 20), st.integers(1, 10))
def test_never_more_than_the_burst_and_the_average(steps: list[float], per_second: float, burst: int) -> None:
    limit, now, allowed = RateLimit(per_second, burst), 0.0, 0
    for step in steps:
        now += step
        allowed += limit.allow("a", now)
    assert allowed <= burst + now * per_second + 1e-6
