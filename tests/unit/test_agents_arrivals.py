"""Messages that came together are kept apart."""

from __future__ import annotations

from hubwatch_agents.arrivals import Arrivals
from hubwatch_core.mqtt import Message


def times(*received: int) -> list[int]:
    arrivals = Arrivals()
    return [arrivals.time(Message("t", b"", 0, False, 0, each)) for each in received]


def test_messages_of_one_read_follow_each_other_by_a_microsecond() -> None:
    assert times(100, 100, 100, 500, 500) == [100, 101, 102, 500, 501]


def test_clock_that_is_set_back_is_followed() -> None:
    assert times(1000, 200, 200) == [1000, 200, 201]
