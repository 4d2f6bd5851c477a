"""Modbus devices that misbehave: real bytes over TCP, TLS and a pseudo-terminal, with one fault at a time."""

from __future__ import annotations

import asyncio
import os
import ssl
import struct
import time
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from support.ports import free_port

HEALTHY = "healthy"

COIL_ON = 0xFF00
"""What writes 1 to a coil (Modbus application protocol 1.1b3, 6.5)."""


@dataclass
class Unit:
    """One unit on the line: its registers (holding and input alike) and what is wrong with it."""

    registers: dict[int, int] = field(default_factory=lambda: {wire: 10 * wire for wire in range(10)})
    fault: str = HEALTHY
    number: int = 0
    """What the fault needs: an exception code, a register, a function, another unit."""
    times: int = 1_000_000
    """How many requests the fault lasts."""
    delay_s: float = 0.0
    spaces: dict[int, dict[int, int]] = field(default_factory=dict)
    """Registers or bits that only one function reads; others read `registers`."""
    most: int = 125
    """Registers it gives in one request; exception 3 beyond."""
    closes_holes: bool = False
    """A read across addresses it does not have gives what it has, moved together, in place of exception 2."""
    quiet_s: float = 0.0
    """A request that comes sooner after the last frame on the line is not understood."""
    refuses_zero: bool = False
    """Writing 0 is exception 3."""
    clears: dict[str, int] = field(default_factory=dict)
    """Coils that set another to 0 when 1 is written to them."""
    stuck_sessions: int = 0
    """On so many connections a gateway answers exception 0x0B in its place."""
    closes: bool = False
    """It closes the connection after each answer."""
    before: str = ""
    behind: str = ""
    """Stray bytes, as hex, around each frame on a serial line."""
    answered: int = 0
    asked: int = 0
    refused: int = 0


@dataclass(frozen=True)
class Reply:
    """What goes back: the PDU and what its frame says about itself; None: nothing at all."""

    pdu: bytes
    unit: int
    number_shift: int = 0
    protocol: int = 0
    cut: int | None = None
    close: bool = False
    length: int | None = None
    before: bytes = b""
    behind: bytes = b""


class Line:
    """Everything behind one connection."""

    def __init__(self, units: dict[int, Unit]) -> None:
        self.units = units
        self.port = 0
        self.path = ""
        self.connections = 0
        self.most_open = 0
        self.overlapping = 0
        """Requests that came over TCP while the one before was being answered."""
        self.swaps = False
        """With two sessions open, each gets the replies of the other: serial servers that were made for one."""
        self.connect_quiet_s = 0.0
        """What comes sooner after a connect is lost."""
        self.stuck_sessions = 0
        """The same for every unit."""
        self._writers: set[asyncio.StreamWriter] = set()
        self._connected = 0.0
        self._spoken = 0.0

    def cut(self) -> None:
        """Drop every connection."""
        for writer in list(self._writers):
            writer.transport.abort()

    @asynccontextmanager
    async def over_tcp(
        self, *, rtu: bool = False, context: ssl.SSLContext | None = None, host: str = "127.0.0.1"
    ) -> AsyncIterator[Line]:
        """Listen on a free port of loopback, and on the same one when it comes back."""
        self.port = self.port or free_port()
        serve = self._serve_rtu if rtu else self._serve_tcp
        server = await asyncio.start_server(serve, host, self.port, ssl=context)
        try:
            yield self
        finally:
            server.close()
            self.cut()
            await asyncio.sleep(0)

    @asynccontextmanager
    async def over_pty(self) -> AsyncIterator[Line]:
        """Be at the other end of a serial port; `path` is what the agent opens."""
        mine, theirs = os.openpty()
        tty.setraw(mine)
        tty.setraw(theirs)
        self.path = os.ttyname(theirs)
        loop = asyncio.get_running_loop()
        buffer = bytearray()
        tasks: set[asyncio.Task[None]] = set()

        def came() -> None:
            buffer.extend(os.read(mine, 4096))
            while len(buffer) >= 8:
                frame, buffer[:8] = bytes(buffer[:8]), b""
                task = loop.create_task(self._answer_pty(mine, frame))
                tasks.add(task)
                task.add_done_callback(tasks.discard)

        loop.add_reader(mine, came)
        try:
            yield self
        finally:
            loop.remove_reader(mine)
            for task in tasks:
                task.cancel()
            os.close(mine)
            os.close(theirs)

    async def _answer_pty(self, fd: int, frame: bytes) -> None:
        reply = await self._reply(frame[0], frame[1:-2])
        if reply is not None:
            os.write(fd, _rtu(reply))

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._opened(writer)
        head = b""
        try:
            while True:
                number, _, length, unit = struct.unpack(">HHHB", head or await reader.readexactly(7))
                pdu = await reader.readexactly(length - 1)
                reply, head = await self._reply_and_listen(reader, unit, pdu)
                if reply is None:
                    continue
                back = self._whose(writer)
                back.write(reply.before + _mbap(number, reply) + reply.behind)
                await back.drain()
                if reply.close:
                    return
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            return
        finally:
            self._closed(writer)

    async def _reply_and_listen(
        self, reader: asyncio.StreamReader, unit: int, pdu: bytes
    ) -> tuple[Reply | None, bytes]:
        """Return the reply, and the head of a request that came before it was made."""
        ahead = asyncio.create_task(reader.readexactly(7))
        try:
            reply = await self._reply(unit, pdu)
        finally:
            ahead.cancel()
            await asyncio.wait([ahead])
        if ahead.cancelled():
            return reply, b""
        head = ahead.result()
        self.overlapping += 1
        return reply, head

    async def _serve_rtu(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._opened(writer)
        try:
            while True:
                frame = await reader.readexactly(8)
                reply = await self._reply(frame[0], frame[1:-2])
                if reply is not None:
                    back = self._whose(writer)
                    back.write(_rtu(reply))
                    await back.drain()
                    if reply.close:
                        return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self._closed(writer)

    def _opened(self, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        self.most_open = max(self.most_open, len(self._writers))
        self._connected = time.monotonic()

    def _whose(self, writer: asyncio.StreamWriter) -> asyncio.StreamWriter:
        others = [each for each in self._writers if each is not writer]
        return others[0] if self.swaps and others else writer

    def _closed(self, writer: asyncio.StreamWriter) -> None:
        self._writers.discard(writer)
        writer.transport.abort()

    async def _reply(self, number: int, pdu: bytes) -> Reply | None:
        unit = self.units.get(number)
        before, self._spoken = self._spoken, time.monotonic()
        if unit is None:
            return None
        unit.asked += 1
        if self._spoken - self._connected < self.connect_quiet_s or self._spoken - before < unit.quiet_s:
            return None
        if unit.delay_s:
            await asyncio.sleep(unit.delay_s)
        if 0 < self.connections <= max(self.stuck_sessions, unit.stuck_sessions):
            return Reply(bytes([pdu[0] | 0x80, 0x0B]), number)
        faulty = unit.fault != HEALTHY and unit.times > 0
        unit.times -= 1
        if faulty:
            return await _FAULTS[unit.fault](unit, number, pdu)
        unit.answered += 1
        self._spoken = time.monotonic()
        around = bytes.fromhex(unit.before), bytes.fromhex(unit.behind)
        return Reply(good(unit, pdu), number, close=unit.closes, before=around[0], behind=around[1])


def good(unit: Unit, pdu: bytes) -> bytes:
    """Answer a read as a device does that is well; exception 2 outside its registers."""
    function, wire, count = struct.unpack(">BHH", pdu[:5])
    if function in (5, 6):
        return _written(unit, pdu)
    has, wires = unit.spaces.get(function, unit.registers), range(wire, wire + count)
    there = [has[each] for each in wires if each in has]
    if (function in (3, 4) and count > unit.most) or (len(there) < count and not unit.closes_holes):
        unit.refused += 1
        return bytes([function | 0x80, 3 if count > unit.most else 2])
    values = there + [0] * (count - len(there))
    if function in (1, 2):
        data = sum((value & 1) << i for i, value in enumerate(values)).to_bytes((count + 7) // 8, "little")
    else:
        data = struct.pack(f">{count}H", *values)
    return bytes([function, len(data)]) + data


def _written(unit: Unit, pdu: bytes) -> bytes:
    function, wire, value = struct.unpack(">BHH", pdu[:5])
    if unit.refuses_zero and value == 0:
        unit.refused += 1
        return bytes([function | 0x80, 3])
    has = unit.spaces.get(1 if function == 5 else 3, unit.registers)
    has[wire] = 1 if value == COIL_ON else value
    if value and str(wire) in unit.clears:
        has[unit.clears[str(wire)]] = 0
    return pdu[:5]


async def _silent(unit: Unit, number: int, pdu: bytes) -> Reply | None:
    return None


async def _exception(unit: Unit, number: int, pdu: bytes) -> Reply:
    return Reply(bytes([pdu[0] | 0x80, unit.number]), number)


async def _illegal_register(unit: Unit, number: int, pdu: bytes) -> Reply:
    _, wire, count = struct.unpack(">BHH", pdu[:5])
    if wire <= unit.number < wire + count:
        return Reply(bytes([pdu[0] | 0x80, 2]), number)
    unit.answered += 1
    return Reply(good(unit, pdu), number)


async def _silent_register(unit: Unit, number: int, pdu: bytes) -> Reply | None:
    _, wire, count = struct.unpack(">BHH", pdu[:5])
    return None if wire <= unit.number < wire + count else Reply(good(unit, pdu), number)


async def _close_on_register(unit: Unit, number: int, pdu: bytes) -> Reply:
    _, wire, count = struct.unpack(">BHH", pdu[:5])
    if wire <= unit.number < wire + count:
        return Reply(good(unit, pdu), number, cut=0, close=True)
    unit.answered += 1
    return Reply(good(unit, pdu), number)


async def _short(unit: Unit, number: int, pdu: bytes) -> Reply:
    whole = good(unit, pdu)
    return Reply(bytes([whole[0], whole[1] - 2]) + whole[2:-2], number)


async def _other_function(unit: Unit, number: int, pdu: bytes) -> Reply:
    return Reply(bytes([unit.number]) + good(unit, pdu)[1:], number)


async def _other_unit(unit: Unit, number: int, pdu: bytes) -> Reply:
    return Reply(good(unit, pdu), unit.number)


async def _other_number(unit: Unit, number: int, pdu: bytes) -> Reply:
    return Reply(good(unit, pdu), number, number_shift=7)


async def _other_protocol(unit: Unit, number: int, pdu: bytes) -> Reply:
    return Reply(good(unit, pdu), number, protocol=1)


async def _half(unit: Unit, number: int, pdu: bytes) -> Reply:
    return Reply(good(unit, pdu), number, cut=9)


async def _half_and_close(unit: Unit, number: int, pdu: bytes) -> Reply:
    return Reply(good(unit, pdu), number, cut=9, close=True)


async def _late(unit: Unit, number: int, pdu: bytes) -> Reply:
    answer = good(unit, pdu)
    await asyncio.sleep(0.35)
    return Reply(answer, number)


async def _garbage(unit: Unit, number: int, pdu: bytes) -> Reply:
    return Reply(bytes([0x00, 0xFF, 0x7E]), number)


async def _bad_sum(unit: Unit, number: int, pdu: bytes) -> Reply:
    return Reply(good(unit, pdu), number, number_shift=1)


async def _length(unit: Unit, number: int, pdu: bytes) -> Reply:
    return Reply(good(unit, pdu), number, length=unit.number)


_FAULTS = {
    "length": _length,
    "silent": _silent,
    "exception": _exception,
    "illegal_register": _illegal_register,
    "silent_register": _silent_register,
    "close_on_register": _close_on_register,
    "short": _short,
    "other_function": _other_function,
    "other_unit": _other_unit,
    "other_number": _other_number,
    "other_protocol": _other_protocol,
    "half": _half,
    "half_and_close": _half_and_close,
    "late": _late,
    "garbage": _garbage,
    "bad_sum": _bad_sum,
}


def _mbap(number: int, reply: Reply) -> bytes:
    length = len(reply.pdu) + 1 if reply.length is None else reply.length
    head = struct.pack(">HHHB", number + reply.number_shift & 0xFFFF, reply.protocol, length, reply.unit)
    return (head + reply.pdu)[: reply.cut]


def _rtu(reply: Reply) -> bytes:
    body = bytes([reply.unit]) + reply.pdu
    crc = 0xFFFF
    for byte in body:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return reply.before + (body + struct.pack("<H", crc ^ reply.number_shift))[: reply.cut] + reply.behind
