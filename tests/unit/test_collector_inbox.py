from __future__ import annotations

import asyncio

import pytest

from hubwatch_collector.inbox import Arrival, Inbox


class Acked:
    """Makes arrivals and remembers which were acknowledged."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def arrival(self, name: str, size: int = 10) -> Arrival:
        return Arrival(name, bytes(size), 0, lambda: self.names.append(name))


async def test_take_gives_what_is_there_without_waiting_for_more() -> None:
    inbox, acked = Inbox(1000), Acked()
    await inbox.put([acked.arrival("a"), acked.arrival("b")])
    assert [each.topic for each in await inbox.take(10, 1000, 60)] == ["a", "b"]


async def test_take_gives_nothing_when_nothing_comes() -> None:
    assert await Inbox(1000).take(10, 1000, 0.01) == []


async def test_take_wakes_when_something_comes() -> None:
    inbox, acked = Inbox(1000), Acked()
    taking = asyncio.create_task(inbox.take(10, 1000, 10))
    await asyncio.sleep(0)
    await inbox.put([acked.arrival("a")])
    assert len(await taking) == 1


@pytest.mark.parametrize(("most", "size", "taken"), [(2, 1000, 2), (10, 25, 2), (10, 5, 1)])
async def test_take_keeps_to_its_limits_but_gives_at_least_one(most: int, size: int, taken: int) -> None:
    inbox, acked = Inbox(1000), Acked()
    await inbox.put([acked.arrival(name) for name in "abc"])
    assert len(await inbox.take(most, size, 1)) == taken


async def test_put_waits_while_too_much_is_held_even_after_it_was_taken() -> None:
    inbox, acked = Inbox(20), Acked()
    await inbox.put([acked.arrival("a"), acked.arrival("b")])
    putting = asyncio.create_task(inbox.put([acked.arrival("c")]))
    taken = await inbox.take(10, 1000, 1)
    await asyncio.sleep(0.01)
    assert not putting.done()
    inbox.done(taken)
    await asyncio.wait_for(putting, 1)
    assert inbox.held_messages == 1


async def test_done_acknowledges_in_order_and_forgets() -> None:
    inbox, acked = Inbox(1000), Acked()
    await inbox.put([acked.arrival(name) for name in "abc"])
    inbox.done(await inbox.take(10, 1000, 1))
    assert acked.names == ["a", "b", "c"]
    assert (inbox.held_bytes, inbox.held_messages) == (0, 0)
