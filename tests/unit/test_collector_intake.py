"""What is taken at a time, and what counts as held until it is acknowledged."""

from __future__ import annotations

import asyncio

import pytest

from hubwatch_collector.intake import Intake
from hubwatch_core.health import Health
from hubwatch_core.message import Message
from hubwatch_core.receive_budget import size_of
from support.collector_feed import MemoryFeed

SIZE = size_of(Message("t", bytes(10), 1, False, 1, 0))
"""What a message of ten bytes counts."""


def message(mid: int, size: int = 10) -> Message:
    return Message("t", bytes(size), 1, False, mid, 0)


def made() -> tuple[Intake, MemoryFeed, Health]:
    health = Health()
    intake = Intake(1000, health)
    return intake, MemoryFeed(intake), health


async def test_take_gives_what_is_there_without_waiting_for_more() -> None:
    intake, feed, _ = made()
    with intake.using(feed):
        feed.put(message(1), message(2))
        assert [each.mid for each in (await intake.take(10, 1000, 60)).messages] == [1, 2]


async def test_take_waits_for_a_connection_as_long_as_for_a_message() -> None:
    intake, feed, health = made()
    assert (await intake.take(10, 1000, 0.01)).messages == ()
    taking = asyncio.create_task(intake.take(10, 1000, 10))
    await asyncio.sleep(0)
    with intake.using(feed):
        feed.put(message(1))
        assert len((await taking).messages) == 1
        assert health.ok
    assert not health.ok


@pytest.mark.parametrize(
    ("most", "size", "taken"), [(2, 1000, 2), (10, 2 * SIZE + 5, 2), (10, 5, 1), (10, 3 * SIZE, 3)]
)
async def test_take_keeps_to_its_limits_but_gives_at_least_one(most: int, size: int, taken: int) -> None:
    intake, feed, _ = made()
    with intake.using(feed):
        feed.put(message(1), message(2), message(3))
        assert len((await intake.take(most, size, 1)).messages) == taken


async def test_what_was_taken_is_held_until_it_is_acknowledged_in_order() -> None:
    intake, feed, _ = made()
    with intake.using(feed):
        feed.put(message(1), message(2), message(3, 5))
        batch = await intake.take(10, 1000, 1)
        assert (intake.held.held_messages, intake.held.held_bytes) == (3, 25 + 3 * (SIZE - 10))
        intake.done(batch)
    assert feed.acked == [1, 2, 3]
    assert (intake.held.held_messages, intake.held.held_bytes) == (0, 0)


async def test_lost_connection_gives_nothing_and_the_next_one_goes_on() -> None:
    intake, feed, health = made()
    other = MemoryFeed(intake)
    with intake.using(feed):
        feed.lost = True
        assert (await intake.take(10, 1000, 0.01)).messages == ()
        assert not health.ok
    with intake.using(other):
        other.put(message(7))
        assert [each.mid for each in (await intake.take(10, 1000, 1)).messages] == [7]


async def test_what_was_taken_from_a_lost_connection_is_acknowledged_there_and_makes_room() -> None:
    intake, feed, _ = made()
    with intake.using(feed):
        feed.put(message(1))
        batch = await intake.take(10, 1000, 1)
    other = MemoryFeed(intake)
    with intake.using(other):
        intake.done(batch)
    assert (feed.acked, other.acked) == ([1], [])
    assert intake.held.held_messages == 0


async def test_it_is_idle_only_while_connected_with_nothing_held() -> None:
    intake, feed, _ = made()
    assert intake.idle_s == 0.0
    with intake.using(feed):
        await asyncio.sleep(0.01)
        assert intake.idle_s > 0.0
        feed.put(message(1))
        assert intake.idle_s == 0.0
        intake.done(await intake.take(10, 1000, 1))
        await asyncio.sleep(0.01)
        assert intake.idle_s > 0.0
