"""What has been received and is not acknowledged: bounded, so that a slow database slows the broker, not us down."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Arrival:
    """A received message (`received` in µs UTC) and how to acknowledge it."""

    topic: str
    payload: bytes
    received: int
    ack: Callable[[], None]


class Inbox:
    """Holds arrivals from receipt to acknowledgement; whoever puts waits while too many bytes are held."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._waiting: deque[Arrival] = deque()
        self._came = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self.held_bytes = 0
        self.held_messages = 0

    async def put(self, arrivals: Sequence[Arrival]) -> None:
        """Add arrivals once there is room for more."""
        await self._room.wait()
        self._waiting.extend(arrivals)
        self._count(len(arrivals), sum(len(each.payload) for each in arrivals))
        self._came.set()

    async def take(self, most_messages: int, most_bytes: int, wait_s: float) -> list[Arrival]:
        """Wait up to `wait_s` for something, then give what is there within the limits, at least one; [] if none."""
        if not self._waiting:
            self._came.clear()
            try:
                await asyncio.wait_for(self._came.wait(), wait_s)
            except TimeoutError:
                return []
        taken: list[Arrival] = []
        size = 0
        while self._waiting and len(taken) < most_messages:
            size += len(self._waiting[0].payload)
            if taken and size > most_bytes:
                break
            taken.append(self._waiting.popleft())
        return taken

    def done(self, arrivals: Sequence[Arrival]) -> None:
        """Acknowledge arrivals and make room for others."""
        for each in arrivals:
            each.ack()
        self._count(-len(arrivals), -sum(len(each.payload) for each in arrivals))

    def _count(self, messages: int, size: int) -> None:
        self.held_messages += messages
        self.held_bytes += size
        if self.held_bytes < self._most:
            self._room.set()
        else:
            self._room.clear()
