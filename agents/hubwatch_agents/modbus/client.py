"""One Modbus connection. The only module that knows pymodbus; what it raises are the faults of `faults`.

pymodbus 3.16 accepts replies of another length or function and drops those of another unit without a word; here
every reply is checked, and what was odd about it is said. Its own retries and reconnects are off: the poller decides.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import ssl
from typing import Any, Protocol

from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient, AsyncModbusTlsClient
from pymodbus.client.base import ModbusBaseClient
from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerType
from pymodbus.pdu import ModbusPDU

from hubwatch_agents.connections import ModbusConnection, RtuOverTcpWay, RtuWay, TcpWay, TlsWay
from hubwatch_agents.modbus.faults import ExceptionReply, LinkLost, NoAnswer, WrongReply
from hubwatch_agents.modbus.plan import Request
from hubwatch_core.config import TlsSection
from hubwatch_core.errors import Permanent

# pymodbus logs every timeout and every stray byte as an error; here they are data, told once by the poller.
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)

NEVER_S = 3600.0
"""pymodbus's own timeout: never the one that ends a request."""

MBAP_BYTES = 7


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
        self._asked: tuple[int, int] = (0, 0)
        self._odd = ""
        self._bytes = 0

    @property
    def connected(self) -> bool:
        """Whether the connection stands."""
        return self._pymodbus is not None and bool(self._pymodbus.connected)

    async def connect(self) -> None:
        """Connect anew. Raises LinkLost."""
        self.close()
        client = self._make()
        timeout_s = self._way.connect_timeout_ms / 1000
        try:
            async with asyncio.timeout(timeout_s):
                if not await client.connect():
                    raise LinkLost("cannot connect")
        except TimeoutError:
            client.close()
            raise LinkLost(f"cannot connect within {timeout_s:g} s") from None
        except (OSError, ModbusException) as error:
            client.close()
            raise LinkLost(f"cannot connect: {error}") from None
        self._pymodbus = client

    async def read(self, request: Request, unit: int, timeout_s: float) -> list[int]:
        """Read registers or bits from `unit`; raises a Fault that says what came instead."""
        client = self._standing()
        self._asked, self._odd, self._bytes = (unit, request.function), "", 0
        reply = await self._ask(_call(client, request, unit), timeout_s)
        if reply.function_code != request.function:
            raise WrongReply(f"answered with function {reply.function_code} instead of {request.function}")
        if request.function in (1, 2):
            return _bits(reply, request.size)
        if len(reply.registers) != request.size:
            raise WrongReply(f"answered with {len(reply.registers)} registers instead of {request.size}")
        return list(reply.registers)

    async def write(self, function: int, wire: int, values: tuple[int, ...], unit: int, timeout_s: float) -> None:
        """Write coils (5, 15) or registers (6, 16); raises a Fault."""
        client = self._standing()
        self._asked, self._odd, self._bytes = (unit, function), "", 0
        if function == 5:
            await self._ask(client.write_coil(wire, bool(values[0]), device_id=unit), timeout_s)
        elif function == 15:
            await self._ask(client.write_coils(wire, [bool(each) for each in values], device_id=unit), timeout_s)
        elif function == 6:
            await self._ask(client.write_register(wire, values[0], device_id=unit), timeout_s)
        else:
            await self._ask(client.write_registers(wire, list(values), device_id=unit), timeout_s)

    def close(self) -> None:
        """Close the connection, if it stands."""
        if self._pymodbus is not None:
            self._pymodbus.close()
            self._pymodbus = None

    def _standing(self) -> ModbusBaseClient:
        if self._pymodbus is None or not self._pymodbus.connected:
            raise LinkLost("connection lost")
        return self._pymodbus

    async def _ask(self, call: asyncio.Future[ModbusPDU] | object, timeout_s: float) -> ModbusPDU:
        try:
            async with asyncio.timeout(timeout_s):
                reply: ModbusPDU = await call  # type: ignore[misc]
        except TimeoutError:
            raise NoAnswer(self._silence(timeout_s)) from None
        except (ModbusException, OSError) as error:
            raise LinkLost(f"connection lost: {error}") from None
        if reply.isError():
            raise ExceptionReply(reply.exception_code)
        return reply

    def _silence(self, timeout_s: float) -> str:
        if self._odd:
            return self._odd
        came = f"no valid answer ({self._bytes} bytes came)" if self._bytes else "no answer"
        return f"{came} within {timeout_s:g} s"

    def _make(self) -> ModbusBaseClient:
        way = self._way
        options: dict[str, Any] = {
            "name": way.name,
            "reconnect_delay": 0,
            "timeout": NEVER_S,
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
        if not connected and self._pymodbus is not None:
            self._end(LinkLost("connection closed by the other side"))

    def _watch(self, sending: bool, data: bytes) -> bytes:
        """Look at what comes in before pymodbus does: it drops silently, or dies of, what does not fit."""
        if sending:
            return data
        self._bytes += len(data)
        if not self._framed or len(data) <= MBAP_BYTES or self._pymodbus is None:
            return data
        if int.from_bytes(data[:2], "big") != self._pymodbus.ctx.request_transaction_id:
            return data  # a late answer to an earlier request; pymodbus skips it
        odd = _oddity(data, *self._asked)
        if odd is None:
            return data
        self._odd = odd
        self._end(WrongReply(odd))
        return b""

    def _end(self, fault: LinkLost | WrongReply) -> None:
        waiting = self._pymodbus.ctx.response_future if self._pymodbus is not None else None
        if waiting is not None and not waiting.done() and self._asked[1]:
            waiting.set_exception(fault)


def _oddity(data: bytes, unit: int, function: int) -> str | None:
    """Say what is wrong with a Modbus TCP frame that carries our transaction number, None when nothing is."""
    if protocol := int.from_bytes(data[2:4], "big"):
        return f"answered with protocol {protocol} instead of 0"
    if data[6] != unit:
        return f"unit {data[6]} answered instead of {unit}"
    if data[7] & 0x7F != function:
        return f"answered with function {data[7]} instead of {function}"
    return None


def _call(client: ModbusBaseClient, request: Request, unit: int) -> object:
    read = (
        client.read_coils,
        client.read_discrete_inputs,
        client.read_holding_registers,
        client.read_input_registers,
    )[request.function - 1]
    return read(request.wire, count=request.size, device_id=unit)


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
