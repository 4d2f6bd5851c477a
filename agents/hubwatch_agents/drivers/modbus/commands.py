"""Commands to Modbus devices: written between reads, one at a time, each once and never again, and judged.

What the device repeats, and what is read back where the profile says how, decides how a command ended.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from hubwatch_agents.commands.protocol import CommandOutcome, CommandResult
from hubwatch_agents.drivers.modbus.cycle import Busy, Cycle, IdentityMismatch
from hubwatch_agents.drivers.modbus.faults import ExceptionReply, Fault
from hubwatch_agents.drivers.modbus.jobs import Unit
from hubwatch_agents.drivers.modbus.plan import ReadRequest, span
from hubwatch_agents.drivers.modbus.raw import Image, Raw, Unread, equal, reader
from hubwatch_agents.profiles.modbus_schema import Command, ReadBack

PERHAPS_DONE = frozenset({4, 5, 11})
"""Exceptions that leave open whether it was done: the device failed while doing it, still works on it, or a gateway
waited in vain for it (Modbus application protocol 1.1b3, section 7). All others say that it was not."""

SENTENCE = "unknown whether it took effect"
QUEUE_S = 10.0
"""Longest a request waits for its turn; a person stands before it."""


class NotSent(Fault):
    """Nothing was sent to the device."""


class Interrupted(Fault):
    """The agent stopped while it waited for the answer."""


@dataclass(eq=False)
class WriteRequest:
    """One write, or the read that follows it; `answer` is what came, or the fault that came instead."""

    unit: Unit
    what: Command | ReadRequest
    answer: asyncio.Future[list[int] | Fault]


class WriteQueue:
    """What operators ask of one connection; its poller executes it."""

    def __init__(self, cycle: Cycle, usable: Callable[[], bool]) -> None:
        """Write by `cycle`, and only while the connection is `usable`."""
        self._cycle = cycle
        self._usable = usable
        self._waiting: deque[WriteRequest] = deque()

    async def submit(self, unit: Unit, what: Command | ReadRequest) -> list[int] | Fault:
        """Have something written or read at the next turn. Return what was read, or the fault that came instead."""
        if not self._usable():
            return NotSent("the connection is down")
        request = WriteRequest(unit, what, asyncio.get_running_loop().create_future())
        self._waiting.append(request)
        try:
            await asyncio.wait([request.answer], timeout=QUEUE_S)
            if request in self._waiting:
                return NotSent(f"the line was not free within {QUEUE_S:g} s")
            return await request.answer
        finally:
            if request in self._waiting:
                self._waiting.remove(request)

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self) -> WriteRequest | None:
        """Return the request whose turn it is, None where none waits."""
        return self._waiting.popleft() if self._waiting else None

    async def execute(self, request: WriteRequest) -> Fault | None:
        """Do what a request says and answer whoever waits; return the fault that the connection has shown."""
        answer: list[int] | Fault = Interrupted("the agent stopped meanwhile")
        try:
            answer = await self._do(request)
        except Fault as fault:
            answer = fault
        finally:
            if not request.answer.done():
                request.answer.set_result(answer)
        return answer if isinstance(answer, Fault) else None

    def drop(self, reason: str) -> None:
        """Send none of those that wait."""
        while (request := self.take()) is not None:
            if not request.answer.done():
                request.answer.set_result(NotSent(reason))

    async def _do(self, request: WriteRequest) -> list[int]:
        await self._ready(request.unit)
        if isinstance(request.what, ReadRequest):
            return await self._cycle.ask(request.what, request.unit)
        await self._cycle.write(request.what, request.unit)
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
        except IdentityMismatch as stranger:
            raise NotSent(stranger.reason) from None
        except Fault as fault:
            raise NotSent(f"it cannot be seen which device this is: {fault.reason}") from None
        if not self._usable():
            raise NotSent("connection lost")


async def command(queue: WriteQueue, unit: Unit, what: Command) -> CommandOutcome:
    """Give a command and see what becomes of it."""
    outcome = written(await queue.submit(unit, what))
    if what.check is None or outcome.result is CommandResult.FAILED:
        return outcome
    await asyncio.sleep(what.check.after_ms / 1000)
    return checked(outcome, what.check, await queue.submit(unit, span(what.check)))


def written(answer: list[int] | Fault) -> CommandOutcome:
    """Judge what came of a write."""
    if not isinstance(answer, Fault):
        return CommandOutcome(CommandResult.DONE, "the device has taken it")
    if isinstance(answer, NotSent):
        return CommandOutcome(CommandResult.FAILED, f"not sent: {answer.reason}")
    if isinstance(answer, ExceptionReply) and answer.code not in PERHAPS_DONE:
        return CommandOutcome(CommandResult.FAILED, f"the device refuses: {answer.reason}")
    return CommandOutcome(CommandResult.UNKNOWN, f"{SENTENCE}: {answer.reason}")


def checked(outcome: CommandOutcome, check: ReadBack, answer: list[int] | Fault) -> CommandOutcome:
    """Join what came of a write with what was read back after it; what is unknown stays so."""
    place = f"address {check.address} reads back"
    try:
        found = _found(check, answer)
    except Unread as unread:
        return CommandOutcome(outcome.result, f"{outcome.text}; cannot be read back: {unread.reason}")
    if outcome.result is not CommandResult.DONE:
        return CommandOutcome(outcome.result, f"{outcome.text}; {place} {found}, {check.equals} is what it should")
    if not equal(found, check.equals):
        return CommandOutcome(CommandResult.FAILED, f"{outcome.text}, but {place} {found} instead of {check.equals}")
    return CommandOutcome(CommandResult.DONE, f"{outcome.text}; {place} {found}, as it should")


def _found(check: ReadBack, answer: list[int] | Fault) -> Raw:
    if isinstance(answer, Fault):
        raise Unread(answer.reason)
    image = Image()
    image.put(check.function, check.address, answer)
    return reader(check)(image)
