"""Modbus RTU on a serial port: pyserial opens and sets it, the event loop reads and writes it.

pyserial's own read waits in select(), which cannot take a descriptor over 1023, and a reader that calls it on a failing
port logs without end. Here a port that fails is a lost connection, once.
"""

from __future__ import annotations

import asyncio
import os
import termios
from typing import Any

import serial

from hubwatch_agents.connections import RtuConnection
from hubwatch_agents.drivers.modbus.faults import LinkLost, cause_of
from hubwatch_agents.drivers.modbus.rtu import RtuFraming
from hubwatch_agents.drivers.modbus.transport import PendingReply

READ_BYTES = 4096
GAP_CHARACTERS = 3.5
BITS_PER_CHARACTER = 11
LEAST_GAP_S = 0.00175
"""Quiet before a frame: 3.5 characters, above 19 200 baud a fixed 1.75 ms (Modbus over serial line 1.02, 2.5.1.1)."""


class SerialTransport:
    """A connection over a serial port."""

    def __init__(self, connection: RtuConnection) -> None:
        self._connection = connection
        self._port: _Port | None = None
        self._spoken = 0.0
        gap_s = GAP_CHARACTERS * BITS_PER_CHARACTER / connection.baudrate
        self._gap_s = gap_s if connection.baudrate <= 19200 else LEAST_GAP_S

    @property
    def connected(self) -> bool:
        """Whether the port is open and has not failed."""
        return self._port is not None and not self._port.closed

    async def connect(self) -> None:
        """Open the port anew. Raises LinkLost with the cause."""
        self.close()
        # Opening does not wait for anything: the port is opened without blocking and without its modem lines.
        self._port = _Port(_open(self._connection), RtuFraming(local_echo=self._connection.local_echo))

    async def exchange(self, unit: int, pdu: bytes, timeout_s: float) -> bytes:
        """Send a PDU to a unit and return the PDU that answers it. Raises NoAnswer or LinkLost."""
        port, loop = self._port, asyncio.get_running_loop()
        if (left := self._spoken + self._gap_s - loop.time()) > 0:
            await asyncio.sleep(left)
        if port is None or port.closed:
            raise LinkLost("connection lost")
        try:
            port.send(port.pending.begin(unit, pdu, timeout_s))
            return await port.pending.wait()
        finally:
            self._spoken = loop.time()

    def close(self) -> None:
        """Close the port, if it is open."""
        if self._port is not None:
            self._port.close("connection closed")
            self._port = None


class _Port:
    """An open port; its first error closes it."""

    def __init__(self, port: Any, framing: RtuFraming) -> None:
        self.pending = PendingReply(framing)
        self.closed = False
        self._port = port
        self._fd: int = port.fileno()
        self._unsent = b""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._readable)

    def send(self, frame: bytes) -> None:
        """Write a frame, in parts where the port takes no more at once."""
        self._unsent = frame
        self._writable()
        if self._unsent and not self.closed:
            self._loop.add_writer(self._fd, self._writable)

    def close(self, reason: str) -> None:
        """Close the port and end the wait for a reply."""
        if self.closed:
            return
        self.closed = True
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)
        self._port.close()
        self.pending.end(LinkLost(reason))

    def _writable(self) -> None:
        try:
            self._unsent = self._unsent[os.write(self._fd, self._unsent) :]
        except BlockingIOError:
            return
        except OSError as error:
            self.close(f"connection lost: {cause_of(error)}")
            return
        if not self._unsent:
            self._loop.remove_writer(self._fd)

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self.close(f"connection lost: {cause_of(error)}")
            return
        if data:
            self.pending.feed(data)
        else:  # readable and nothing to read: the adapter was pulled out, or another program reads the port as well
            self.close("connection lost: the port hung up, the adapter may have been pulled out")


def _open(connection: RtuConnection) -> Any:
    failed = f"cannot connect to {connection.port}"
    try:
        return serial.Serial(
            connection.port,
            baudrate=connection.baudrate,
            parity=connection.parity,
            stopbits=connection.stopbits,
            timeout=0,
            exclusive=True,
        )
    except (OSError, ValueError, termios.error) as error:
        raise LinkLost(f"{failed}: {_cause(error)}") from None


def _cause(error: Exception) -> str:
    text = str(error)
    if "configure port" in text:
        return "is no serial port"
    if "lock port" in text:
        return "in use by another program"
    return cause_of(error)
