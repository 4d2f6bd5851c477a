"""Time is exact to the microsecond over the whole time line of the wire format."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hubwatch_core.clock import SECOND_US, now_us, to_datetime, to_us
from hubwatch_core.wire import EARLIEST_US, LATEST_US

times = st.integers(EARLIEST_US, LATEST_US)


@given(times)
@example(EARLIEST_US)
@example(LATEST_US)
@example(LATEST_US - 1)  # where a float of seconds is 0.24 µs coarse and rounds
@example(2**31 * SECOND_US - 1)
@example(2**31 * SECOND_US)
def test_microseconds_survive_the_way_through_a_datetime(t_us: int) -> None:
    moment = to_datetime(t_us)
    assert moment.tzinfo is UTC
    assert moment.microsecond == t_us % SECOND_US
    assert to_us(moment) == t_us


@given(times)
def test_the_next_microsecond_is_another_moment(t_us: int) -> None:
    assert to_datetime(t_us + 1) - to_datetime(t_us) == timedelta(microseconds=1)


@given(times, st.integers(-23, 23))
def test_the_time_zone_of_a_moment_does_not_move_it(t_us: int, hours: int) -> None:
    assert to_us(to_datetime(t_us).astimezone(timezone(timedelta(hours=hours)))) == t_us


def test_the_time_line_is_2010_to_2100() -> None:
    assert to_datetime(EARLIEST_US) == datetime(2010, 1, 1, tzinfo=UTC)
    assert to_datetime(LATEST_US) == datetime(2100, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("t_us", [-1, 0, -SECOND_US])
def test_times_before_1970_are_exact_too(t_us: int) -> None:
    assert to_us(to_datetime(t_us)) == t_us


def test_moment_without_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="without time zone"):
        to_us(datetime(2026, 1, 1))  # noqa: DTZ001 - refusing it is what is tested


def test_now_lies_between_the_system_clock_before_and_after() -> None:
    before = time.time_ns() // 1000
    now = now_us()
    assert before <= now <= time.time_ns() // 1000
