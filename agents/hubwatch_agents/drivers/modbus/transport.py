"""What carries PDUs to a unit and back, whatever the bytes travel on, and the wait for one reply."""

from __future__ import annotations

import asyncio
from typing import Protocol

from hubwatch_agents.drivers.modbus.faults import LinkLost, NoAnswer, WrongReply


class Transport(Protocol):
    """One connection to a Modbus line; it has one user, who asks one thing at a time."""

    @property
    def connected(self) -> bool:
        """Whether the connection stands."""
        ...

    async def connect(self) -> None:
        """Connect anew. Raises LinkLost with the cause."""
        ...

    async def exchange(self, unit: int, pdu: bytes, timeout_s: float) -> bytes:
        """Send a PDU to a unit and return the PDU that answers it. Raises NoAnswer, WrongReply or LinkLost."""
        ...

    def close(self) -> None:
        """Close the connection, if it stands."""
        ...


class Framing(Protocol):
    """How PDUs are wrapped for the line: pure, with the state of one request."""

    def begin(self, unit: int, pdu: bytes) -> bytes:
        """Return the frame of a request, and forget what has come before."""
        ...

    def feed(self, data: bytes) -> bytes | None:
        """Take bytes that came. Return the PDU of the reply once it is whole. Raises WrongReply."""
        ...


class PendingReply:
    """The one reply a connection waits for: bytes go in, a PDU or a fault comes out, or the time runs out."""

    def __init__(self, framing: Framing) -> None:
        self._framing = framing
        self._loop = asyncio.get_running_loop()  # kept: before Python 3.12 each call of it asks the kernel for our pid
        self._waiting: asyncio.Future[bytes] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = self._timeout_s = 0.0
        self._bytes = 0

    def begin(self, unit: int, pdu: bytes, timeout_s: float) -> bytes:
        """Return the frame to send; its reply is waited for from now on."""
        self._bytes = 0
        self._waiting = self._loop.create_future()
        self._timeout_s, self._deadline = timeout_s, self._loop.time() + timeout_s
        if self._timer is None or self._timer.when() > self._deadline:
            self._set_timer()
        return self._framing.begin(unit, pdu)

    async def wait(self) -> bytes:
        """Return the PDU of the reply. Raises a Fault."""
        assert self._waiting is not None
        try:
            return await self._waiting
        finally:
            self._waiting = None

    def feed(self, data: bytes) -> None:
        """Take bytes that came; those nobody waits for are late, or noise, and are dropped."""
        waiting = self._waiting
        if waiting is None or waiting.done():
            return
        self._bytes += len(data)
        try:
            reply = self._framing.feed(data)
        except WrongReply as fault:
            waiting.set_exception(fault)
        else:
            if reply is not None:
                waiting.set_result(reply)

    def end(self, fault: LinkLost) -> None:
        """End the wait, if there is one: the connection is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(fault)
            self._waiting.exception()  # where nobody waits any more, nobody will ask

    def _set_timer(self) -> None:
        """Look at the deadline when it comes. Requests move it and leave the timer: one for each would cost 5 µs."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._deadline, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._waiting is None or self._waiting.done():
            return
        if self._loop.time() < self._deadline:
            self._set_timer()
            return
        came = f"no valid answer ({self._bytes} bytes came)" if self._bytes else "no answer"
        self._waiting.set_exception(NoAnswer(f"{came} within {self._timeout_s:g} s"))
