"""One Modbus connection. The only module that knows pymodbus; what it raises are the faults of `faults`.

pymodbus 3.16 accepts replies of another length or function and drops those of another unit without a word; here
every reply is checked, and what was odd about it is said. Its own retries and reconnects are off: the poller decides.
Reads over TCP and TLS go over its connection but past its codec and its buffers (`mbap`): half the time of a read, and
every fault has its own words. Writes, and everything on serial lines, take the whole way through pymodbus.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import ssl
from typing import Any, Protocol

from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient, AsyncModbusTlsClient
from pymodbus.client.base import ModbusBaseClient
from pymodbus.exceptions import ModbusException, ModbusIOException
from pymodbus.framer import FramerType
from pymodbus.pdu import ModbusPDU

from hubwatch_agents.connections import ModbusConnection, RtuOverTcpWay, RtuWay, TcpWay, TlsWay, place_of
from hubwatch_agents.modbus import mbap
from hubwatch_agents.modbus.faults import ExceptionReply, LinkLost, NoAnswer, WrongReply
from hubwatch_agents.modbus.plan import Request
from hubwatch_core.config import TlsSection
from hubwatch_core.errors import Permanent

# pymodbus logs every timeout and every stray byte as an error; here they are data, told once by the poller.
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)

NEVER = 10**9
"""So many silences until pymodbus closes a connection by itself: the poller decides that."""
MOST_BYTES = 1 << 16
"""Most that is kept of what comes while a read waits; replies have at most 260 bytes, the rest is noise."""


class Reader(Protocol):
    """What the poller needs of a connection."""

    @property
    def connected(self) -> bool:
        """Whether the connection stands."""
        ...

    async def connect(self) -> None:
        """Connect. Raises LinkLost."""
        ...

    async def read(self, request: Request, unit: int, timeout_s: float) -> list[int]:
        """Give the registers or bits asked for. Raises a Fault."""
        ...

    async def write(self, function: int, wire: int, values: tuple[int, ...], unit: int, timeout_s: float) -> None:
        """Write. Raises a Fault."""
        ...

    def close(self) -> None:
        """Close the connection, if it stands."""
        ...


class Client:
    """One connection, one request at a time."""

    def __init__(self, way: ModbusConnection) -> None:
        """Prepare, without connecting. Raises Permanent when TLS files cannot be used."""
        self._way = way
        self._sslctx = _context(way.tls) if isinstance(way, TlsWay) else None
        self._framed = not isinstance(way, RtuWay | RtuOverTcpWay)
        self._pymodbus: ModbusBaseClient | None = None
        self._number = 0
        self._waiting: asyncio.Future[bytes] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = self._timeout_s = 0.0
        self._writing = False
        self._came = b""
        self._bytes = 0

    @property
    def connected(self) -> bool:
        """Whether the connection stands."""
        return self._pymodbus is not None and self._pymodbus.ctx.transport is not None

    async def connect(self) -> None:
        """Connect anew. Raises LinkLost."""
        self.close()
        self._loop = asyncio.get_running_loop()  # kept: before Python 3.12 each call of it asks the kernel for our pid
        client = self._make()
        timeout_s = self._way.connect_timeout_ms / 1000
        failed = f"cannot connect to {place_of(self._way)}"
        try:
            async with asyncio.timeout(timeout_s):
                if not await client.connect():
                    raise LinkLost(failed)
        except TimeoutError:
            client.close()
            raise LinkLost(f"{failed} within {timeout_s:g} s") from None
        except (OSError, ModbusException) as error:
            client.close()
            raise LinkLost(f"{failed}: {error}") from None
        client.set_max_no_responses(NEVER)
        client.ctx.count_until_disconnect = NEVER
        if self._framed:
            self._theirs = client.ctx.data_received
            client.ctx.data_received = self._received  # type: ignore[method-assign]
        self._pymodbus = client

    async def read(self, request: Request, unit: int, timeout_s: float) -> list[int]:
        """Read registers or bits from `unit`; raises a Fault that says what came instead."""
        client = self._standing()
        self._bytes = 0
        if self._framed:
            return mbap.values(await self._exchange(client, unit, request, timeout_s), unit, request)
        reply = await self._ask(_call(client, request, unit), timeout_s)
        if reply.function_code != request.function:
            raise WrongReply(f"answered with function {reply.function_code} instead of {request.function}")
        if request.function in (1, 2):
            return _bits(reply, request.size)
        if len(reply.registers) != request.size:
            raise WrongReply(f"answered with {len(reply.registers)} registers instead of {request.size}")
        return list(reply.registers)

    async def _exchange(self, client: ModbusBaseClient, unit: int, request: Request, timeout_s: float) -> bytes:
        """Send a read and give the frame that answers it."""
        loop = self._loop
        self._number = self._number % 0xFFFF + 1
        self._came = b""
        waiting: asyncio.Future[bytes] = loop.create_future()
        self._waiting = waiting
        self._timeout_s, self._deadline = timeout_s, loop.time() + timeout_s
        if self._timer is None or self._timer.when() > self._deadline:
            self._set_timer()
        client.ctx.transport.write(mbap.read(self._number, unit, request))  # type: ignore[attr-defined]
        try:
            return await waiting
        finally:
            self._waiting = None

    def _set_timer(self) -> None:
        """Look at the deadline when it comes. Reads move it and leave the timer: one for each would cost 5 µs."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._deadline, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._waiting is None or self._waiting.done():
            return
        if self._loop.time() < self._deadline:
            self._set_timer()
        else:
            self._waiting.set_exception(NoAnswer(self._silence(self._timeout_s)))

    def _received(self, data: bytes) -> None:
        """Take the answers to our own reads out of what comes in; what a write is answered is pymodbus's."""
        if self._writing:
            self._theirs(data)
            return
        self._bytes += len(data)
        if self._waiting is None or self._waiting.done():
            return
        self._came = (self._came + data)[:MOST_BYTES]
        if (frame := mbap.find(self._came, self._number)) is not None:
            self._waiting.set_result(frame)

    async def write(self, function: int, wire: int, values: tuple[int, ...], unit: int, timeout_s: float) -> None:
        """Write coils (5, 15) or registers (6, 16); raises a Fault."""
        client = self._standing()
        self._bytes, self._writing = 0, True
        try:
            reply = await self._ask(_write_call(client, function, wire, values, unit), timeout_s)
        finally:
            self._writing = False
        _check_echo(reply, function, wire, values)

    def close(self) -> None:
        """Close the connection, if it stands."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._pymodbus is not None:
            self._pymodbus.close()
            self._pymodbus = None

    def _standing(self) -> ModbusBaseClient:
        if self._pymodbus is None or self._pymodbus.ctx.transport is None:
            raise LinkLost("connection lost")
        return self._pymodbus

    async def _ask(self, call: asyncio.Future[ModbusPDU] | object, timeout_s: float) -> ModbusPDU:
        # pymodbus's own timer is the one that is running anyway; a second one around it would cost 8 µs a read.
        self._standing().ctx.comm_params.timeout_connect = timeout_s
        try:
            reply: ModbusPDU = await call  # type: ignore[misc]
        except ModbusIOException:
            raise NoAnswer(self._silence(timeout_s)) from None
        except (ModbusException, OSError) as error:
            raise LinkLost(f"connection lost: {error}") from None
        if reply.isError():
            raise ExceptionReply(reply.exception_code)
        return reply

    def _silence(self, timeout_s: float) -> str:
        came = f"no valid answer ({self._bytes} bytes came)" if self._bytes else "no answer"
        return f"{came} within {timeout_s:g} s"

    def _make(self) -> ModbusBaseClient:
        way = self._way
        options: dict[str, Any] = {
            "name": way.name,
            "reconnect_delay": 0,
            "timeout": way.connect_timeout_ms / 1000,
            "retries": 0,
            "trace_packet": self._watch,
            "trace_connect": self._on_connect,
        }
        if isinstance(way, TcpWay):
            return AsyncModbusTcpClient(way.host, port=way.port, framer=FramerType.SOCKET, **options)
        if isinstance(way, RtuOverTcpWay):
            return AsyncModbusTcpClient(way.host, port=way.port, framer=FramerType.RTU, **options)
        if isinstance(way, TlsWay):
            assert self._sslctx is not None
            return AsyncModbusTlsClient(way.host, port=way.port, sslctx=self._sslctx, **options)
        importlib.import_module("serial")  # pymodbus looks whether it is there and does not import it itself
        return AsyncModbusSerialClient(
            way.port,
            framer=FramerType.RTU,
            baudrate=way.baudrate,
            parity=way.parity,
            stopbits=way.stopbits,
            handle_local_echo=way.local_echo,
            **options,
        )

    def _on_connect(self, connected: bool) -> None:
        """End a request that is under way when the connection goes: pymodbus would let it run into its timeout."""
        if connected or self._pymodbus is None:
            return
        lost = LinkLost("connection closed by the other side")
        for waiting in (self._waiting, self._pymodbus.ctx.response_future):
            if waiting is not None and not waiting.done():
                waiting.set_exception(lost)
                waiting.exception()  # where nobody waits any more, nobody will ask

    def _watch(self, sending: bool, data: bytes) -> bytes:
        """Count what comes in on the way through pymodbus."""
        if not sending:
            self._bytes += len(data)
        return data


_READS = {1: "read_coils", 2: "read_discrete_inputs", 3: "read_holding_registers", 4: "read_input_registers"}


def _call(client: ModbusBaseClient, request: Request, unit: int) -> object:
    return getattr(client, _READS[request.function])(request.wire, count=request.size, device_id=unit)


def _write_call(client: ModbusBaseClient, function: int, wire: int, values: tuple[int, ...], unit: int) -> object:
    if function == 5:
        return client.write_coil(wire, bool(values[0]), device_id=unit)
    if function == 15:
        return client.write_coils(wire, [bool(each) for each in values], device_id=unit)
    if function == 6:
        return client.write_register(wire, values[0], device_id=unit)
    return client.write_registers(wire, list(values), device_id=unit)


def _check_echo(reply: ModbusPDU, function: int, wire: int, values: tuple[int, ...]) -> None:
    """A device repeats what it was told: the value (5, 6) or how many (15, 16). Raises WrongReply."""
    if reply.function_code != function:
        raise WrongReply(f"answered with function {reply.function_code} instead of {function}")
    told = {5: reply.bits[:1], 6: reply.registers[:1]}.get(function, [reply.count])
    asked = list(values[:1]) if function in (5, 6) else [len(values)]
    if reply.address != wire or [int(each) for each in told] != asked:
        raise WrongReply(f"answered that it wrote {told} at {reply.address} instead of {asked} at {wire}")


def _bits(reply: ModbusPDU, count: int) -> list[int]:
    if len(reply.bits) != (count + 7) // 8 * 8:
        raise WrongReply(f"answered with {len(reply.bits)} bits instead of {count}")
    return [int(bit) for bit in reply.bits[:count]]


def _context(settings: TlsSection) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(settings.ca_file))
        if settings.cert_file is not None:
            context.load_cert_chain(settings.cert_file, settings.key_file)
    except (OSError, ssl.SSLError) as error:
        raise Permanent(f"TLS files of a connection cannot be used: {error}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
