"""What operators ask of a connection: done between reads, one at a time, each once and never again."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from hubwatch_agents.modbus.client import Reader
from hubwatch_agents.modbus.cycle import Busy, Cycle, Stranger
from hubwatch_agents.modbus.faults import Fault
from hubwatch_agents.modbus.jobs import Unit
from hubwatch_agents.modbus.plan import Request
from hubwatch_agents.profiles.modbus_schema import Command

QUEUE_S = 10.0
"""Longest an order waits for its turn; a person stands before it."""


class NotSent(Fault):
    """Nothing was sent to the device."""


class Interrupted(Fault):
    """The agent stopped while it waited for the answer."""


@dataclass(eq=False)
class Order:
    """One write, or the read that follows it; `answer` is what came, or the fault that came instead."""

    unit: Unit
    what: Command | Request
    answer: asyncio.Future[list[int] | Fault]


class Orders:
    """The orders of one connection; its poller carries them out."""

    def __init__(self, cycle: Cycle, client: Reader) -> None:
        self._cycle = cycle
        self._client = client
        self._waiting: deque[Order] = deque()

    async def give(self, unit: Unit, what: Command | Request) -> list[int] | Fault:
        """Have something written or read at the next turn; gives what was read, or the fault that came instead."""
        if not self._client.connected:
            return NotSent("the connection is down")
        order = Order(unit, what, asyncio.get_running_loop().create_future())
        self._waiting.append(order)
        try:
            await asyncio.wait([order.answer], timeout=QUEUE_S)
            if order in self._waiting:
                return NotSent(f"the line was not free within {QUEUE_S:g} s")
            return await order.answer
        finally:
            if order in self._waiting:
                self._waiting.remove(order)

    def take(self) -> Order | None:
        """Give the order whose turn it is."""
        return self._waiting.popleft() if self._waiting else None

    async def carry_out(self, order: Order) -> Fault | None:
        """Do what an order says, and tell whoever gave it; gives the fault that the connection has shown."""
        answer: list[int] | Fault = Interrupted("the agent stopped meanwhile")
        try:
            answer = await self._do(order)
        except Fault as fault:
            answer = fault
        finally:
            if not order.answer.done():
                order.answer.set_result(answer)
        return answer if isinstance(answer, Fault) else None

    def drop(self, reason: str) -> None:
        """Send none of those that wait."""
        while (order := self.take()) is not None:
            if not order.answer.done():
                order.answer.set_result(NotSent(reason))

    async def _do(self, order: Order) -> list[int]:
        await self._ready(order.unit)
        if isinstance(order.what, Request):
            return await self._cycle.ask(order.what, order.unit)
        await self._cycle.write(order.what, order.unit)
        return []

    async def _ready(self, unit: Unit) -> None:
        """See that the device is there and is the one the profile is for. Raises NotSent."""
        if unit.breaker.open:
            raise NotSent("the device is silent")
        try:
            if not unit.identified:
                await self._cycle.identify(unit)
        except Busy:
            raise NotSent("the device says that it is busy") from None
        except Stranger as stranger:
            raise NotSent(stranger.reason) from None
        except Fault as fault:
            raise NotSent(f"it cannot be seen which device this is: {fault.reason}") from None
        if not self._client.connected:
            raise NotSent("connection lost")
