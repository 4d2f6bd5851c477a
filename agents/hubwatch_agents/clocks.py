"""Is the clock of this machine right? Asks the kernel, and a time server where one is named."""

from __future__ import annotations

import asyncio
import ctypes
import struct
import time
from typing import cast

from hubwatch_agents.config import ClockSection

NTP_EPOCH_OFFSET_S = 2_208_988_800
"""Seconds from 1900, where NTP begins, to 1970 (RFC 5905, section 6)."""
NTP_TIMEOUT_S = 1.0
TIME_ERROR = 5
"""What adjtimex(2) gives while the clock is not synchronised."""
EARLIEST_S = 1_704_067_200
"""2024-01-01: before this software was; a clock that says less was never set."""
_PACKET = struct.Struct(">B47x")
_TIMEX_BYTES = 256


class ClockCheck:
    """Checks the clock and remembers how far it is off."""

    def __init__(self, settings: ClockSection) -> None:
        self._settings = settings
        self.offset_ms: float | None = None
        self._wall = time.time()
        self._monotonic = time.monotonic()

    async def check(self) -> str | None:
        """Say why the clock is wrong, None when nothing shows that it is."""
        if time.time() < EARLIEST_S:
            return "clock never set"
        stepped_ms = self._step_ms()
        if self._settings.server is not None:
            self.offset_ms = await ask(self._settings.server, self._settings.port)
            if self.offset_ms is not None and abs(self.offset_ms) > self._settings.tolerance_ms:
                return f"clock off by {self.offset_ms:.0f} ms"
        elif abs(stepped_ms) > self._settings.tolerance_ms:
            return f"clock stepped by {stepped_ms:.0f} ms"
        if self._settings.require_sync and not synchronised():
            return "clock not synchronised"
        return None

    def _step_ms(self) -> float:
        """Give how far the wall clock has moved against the steady one since the last check."""
        wall, monotonic = time.time(), time.monotonic()
        stepped = (wall - self._wall) - (monotonic - self._monotonic)
        self._wall, self._monotonic = wall, monotonic
        return stepped * 1000


def synchronised() -> bool:
    """Ask the kernel whether something keeps the clock in step (adjtimex(2)); True where it cannot be asked."""
    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return True
    return bool(adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES)) != TIME_ERROR)


async def ask(server: str, port: int) -> float | None:
    """Give by how many ms our clock is ahead of a time server's, None when it does not answer (SNTP, RFC 4330)."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(NTP_TIMEOUT_S):
            transport, protocol = await loop.create_datagram_endpoint(_Query, remote_addr=(server, port))
            try:
                return await protocol.offset_ms
            finally:
                transport.close()
    except (OSError, TimeoutError):
        return None


class _Query(asyncio.DatagramProtocol):
    """One question and its answer."""

    def __init__(self) -> None:
        self.offset_ms: asyncio.Future[float | None] = asyncio.get_running_loop().create_future()
        self._asked = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._asked = time.time()
        cast("asyncio.DatagramTransport", transport).sendto(_PACKET.pack(0x23))  # version 4, client

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self.offset_ms.done():
            return
        self.offset_ms.set_result(_offset_ms(data, self._asked, time.time()))

    def error_received(self, exc: Exception) -> None:
        if not self.offset_ms.done():
            self.offset_ms.set_result(None)


def _offset_ms(data: bytes, asked: float, answered: float) -> float | None:
    if len(data) < 48:
        return None
    received, sent = (_seconds(data[place : place + 8]) for place in (32, 40))
    return ((asked - received) + (answered - sent)) / 2 * 1000


def _seconds(stamp: bytes) -> float:
    whole, fraction = struct.unpack(">II", stamp)
    return float(whole - NTP_EPOCH_OFFSET_S + fraction / 2**32)
