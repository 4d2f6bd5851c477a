"""Messages that came together are kept apart."""

from __future__ import annotations

from hubwatch_agents.drivers.arrivals import Arrivals


def times(*received: int) -> list[int]:
    arrivals = Arrivals()
    return [arrivals.time(each) for each in received]


def test_messages_of_one_read_follow_each_other_by_a_microsecond() -> None:
    assert times(100, 100, 100, 500, 500) == [100, 101, 102, 500, 501]


def test_message_that_came_while_the_last_ones_are_counted_apart_follows_them() -> None:
    assert times(100, 100, 100, 101) == [100, 101, 102, 103]


def test_clock_that_is_set_back_is_followed() -> None:
    assert times(5_000_000, 1000, 1000) == [5_000_000, 1000, 1001]
