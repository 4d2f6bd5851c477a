"""Modbus over TCP and TLS: one socket, one owner. MBAP frames; RTU frames where a serial server passes them on.

Ref: Modbus messaging on TCP/IP implementation guide 1.0b, section 3.1.3; Modbus/TCP Security v36.
"""

from __future__ import annotations

import asyncio
import struct

from hubwatch_agents.connections import RtuOverTcpConnection, TcpConnection, TlsConnection, place_of
from hubwatch_agents.drivers.modbus.faults import LinkLost, WrongReply, cause_of
from hubwatch_agents.drivers.modbus.transport import Framing, PendingReply
from hubwatch_core.concurrency import wait_for_event
from hubwatch_core.config import client_context

HEADER = struct.Struct(">HHHB")
"""Transaction, protocol, length of what follows (the unit among it), unit."""
CLOSE_S = 1.0
"""How long the event loop may take to close a socket; it does so at its next turn."""
LEAST_LENGTH, MOST_LENGTH = 2, 254
"""The unit and a PDU of 1 to 253 bytes (Modbus application protocol 1.1b3, 4.1)."""


class MbapFraming:
    """Frames of Modbus TCP: late answers are stepped over by their transaction, what is out of step is searched."""

    def __init__(self) -> None:
        self._number = 0
        self._unit = 0
        self._function = 0
        self._came = b""

    def begin(self, unit: int, pdu: bytes) -> bytes:
        """Return the frame of a request, and forget what has come before."""
        self._number = self._number % 0xFFFF + 1
        self._unit, self._function, self._came = unit, pdu[0], b""
        return HEADER.pack(self._number, 0, len(pdu) + 1, unit) + pdu

    def feed(self, data: bytes) -> bytes | None:
        """Return the PDU that answers the request, once it is whole. Raises WrongReply for a header that cannot be."""
        came = self._came + data if self._came else data
        start = 0
        while len(came) >= start + HEADER.size:
            number, protocol, length, unit = HEADER.unpack_from(came, start)
            possible = not protocol and LEAST_LENGTH <= length <= MOST_LENGTH
            if number == self._number:
                self._check(protocol, length, unit)
            elif not possible:
                start = self._search(came, start + 1)
                continue
            end = start + HEADER.size - 1 + length
            if len(came) < end:
                break
            if number == self._number:
                return came[start + HEADER.size : end]
            start = end
        self._came = came[start:]
        return None

    def _check(self, protocol: int, length: int, unit: int) -> None:
        if protocol:
            raise WrongReply(f"answered with protocol {protocol} instead of 0")
        if not LEAST_LENGTH <= length <= MOST_LENGTH:
            raise WrongReply(f"answered with a header that says length {length}")
        if unit != self._unit:
            raise WrongReply(f"unit {unit} answered instead of {self._unit}")

    def _search(self, came: bytes, start: int) -> int:
        """Return where our own reply begins in bytes that are out of step; where it still may, if it is not there."""
        mark = struct.pack(">HH", self._number, 0)
        while (start := came.find(mark, start)) >= 0 and len(came) > start + HEADER.size:
            if came[start + 6] == self._unit and came[start + 7] & 0x7F == self._function:
                return start
            start += 1
        return start if start >= 0 else max(0, len(came) - len(mark) + 1)


class TcpTransport:
    """A connection over TCP or TLS."""

    def __init__(self, connection: TcpConnection | RtuOverTcpConnection | TlsConnection) -> None:
        """Prepare, without connecting. Raises Permanent, naming the file, when a TLS file cannot be used."""
        self._connection = connection
        self._context = client_context(connection.tls) if isinstance(connection, TlsConnection) else None
        self._socket: _Socket | None = None

    @property
    def connected(self) -> bool:
        """Whether the connection stands."""
        return self._socket is not None and self._socket.transport is not None

    async def connect(self) -> None:
        """Connect anew, once the old socket is closed: some devices serve one. Raises LinkLost with the cause."""
        old = self._socket
        self.close()
        if old is not None:
            await wait_for_event(old.closed, CLOSE_S)
        connection, loop = self._connection, asyncio.get_running_loop()
        timeout_s = connection.connect_timeout_ms / 1000
        socket = self._socket = _Socket(PendingReply(_framing(connection)))
        failed = f"cannot connect to {place_of(connection)}"
        try:
            async with asyncio.timeout(timeout_s):
                await loop.create_connection(
                    lambda: socket, connection.host, connection.port, ssl=self._context, happy_eyeballs_delay=0.25
                )
        except TimeoutError:
            self.close()
            raise LinkLost(f"{failed}: no answer within {timeout_s:g} s") from None
        except (OSError, ValueError) as error:  # a name that is no name is a ValueError (idna)
            self.close()
            raise LinkLost(f"{failed}: {cause_of(error)}") from None

    async def exchange(self, unit: int, pdu: bytes, timeout_s: float) -> bytes:
        """Send a PDU to a unit and return the PDU that answers it. Raises NoAnswer, WrongReply or LinkLost."""
        socket = self._socket
        if socket is None or socket.transport is None:
            raise LinkLost("connection lost")
        socket.transport.write(socket.pending.begin(unit, pdu, timeout_s))
        return await socket.pending.wait()

    def close(self) -> None:
        """Close the connection, if it stands."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _framing(connection: TcpConnection | RtuOverTcpConnection | TlsConnection) -> Framing:
    if isinstance(connection, RtuOverTcpConnection):
        from hubwatch_agents.drivers.modbus.rtu import RtuFraming  # its checksum loads pymodbus, 3 MiB

        return RtuFraming()
    return MbapFraming()


class _Socket(asyncio.Protocol):
    """One connection while it stands; what comes after its end reaches nobody."""

    def __init__(self, pending: PendingReply) -> None:
        self.pending = pending
        self.transport: asyncio.Transport | None = None
        self.closed = asyncio.Event()
        """No socket is open."""
        self.closed.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.closed.clear()

    def data_received(self, data: bytes) -> None:
        self.pending.feed(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self.closed.set()
        why = "connection closed by the other side" if exc is None else f"connection lost: {cause_of(exc)}"
        self.pending.end(LinkLost(why))

    def close(self) -> None:
        transport, self.transport = self.transport, None
        self.pending.end(LinkLost("connection closed"))
        if transport is None:
            return
        # TLS would wait half a minute for the other side's goodbye, an unsent request for ever.
        if transport.get_extra_info("ssl_object") is not None or transport.get_write_buffer_size():
            transport.abort()
        else:
            transport.close()
