"""A feed in memory: what a collector receives from, without a broker."""

from __future__ import annotations

import asyncio

from hubwatch_collector.intake import Intake
from hubwatch_core.errors import Transient
from hubwatch_core.message import Message
from hubwatch_core.receive_budget import take_within


class MemoryFeed:
    """Holds messages against the budget of an intake, and remembers which were acknowledged."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._waiting: list[Message] = []
        self._came = asyncio.Event()
        self.acked: list[int] = []
        self.published: list[tuple[str, bytes]] = []
        self.lost = False

    def put(self, *messages: Message) -> None:
        for each in messages:
            self._intake.held.hold(each)
            self._waiting.append(each)
        self._came.set()

    async def subscribe(self, *filters: str) -> None:
        assert filters

    async def receive(self, most: int, wait_s: float, max_bytes: int | None = None) -> list[Message]:
        if self.lost:
            raise Transient("lost")
        try:
            async with asyncio.timeout(wait_s):
                await self._came.wait()
        except TimeoutError:
            return []
        count = take_within(self._waiting, most, max_bytes)
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        if not self._waiting:
            self._came.clear()
        return taken

    async def publish(self, topic: str, payload: bytes, *, expires_s: int | None = None) -> bool:
        if self.lost:
            raise Transient("lost")
        self.published.append((topic, payload))
        return True

    def ack(self, message: Message) -> None:
        self.acked.append(message.mid)
