"""Is the clock of this machine right? Asks the kernel, and a time server where one is named."""

from __future__ import annotations

import asyncio
import ctypes
import struct
import time
from typing import NamedTuple, cast

from hubwatch_agents.config import ClockSection

NTP_EPOCH_OFFSET_S = 2_208_988_800
"""Seconds from 1900, where NTP begins, to 1970 (RFC 5905, section 6)."""
NTP_TIMEOUT_S = 1.0
TIME_ERROR, STA_UNSYNC = 5, 0x40
"""What adjtimex(2) gives, and the bit of its status that is set, while the clock is not synchronised."""
MOST_ERROR_MS = 2000.0
"""The kernel's own bound grows by 0.5 ms/s (500 ppm): 1 s between two corrections of systemd-timesyncd, 2048 s apart
at most; twice that is a clock that nobody has corrected for over an hour."""
STEP_DOUBT_S = 10.0
"""How long after a step nobody knows whether the clock was right before or is right now."""
EARLIEST_S = 1_704_067_200
"""2024-01-01: before this software was; a clock that says less was never set."""
_PACKET = struct.Struct(">B47x")


class Kernel(NamedTuple):
    """What the kernel says of its clock; None where it does not say."""

    synchronised: bool | None
    error_ms: float | None
    """The most it may be off, which grows from the last correction on."""


class ClockCheck:
    """Checks the clock and remembers what was found.

    Every doubt begins with "clock ": it is of the time of a value, not of the value.
    """

    def __init__(self, settings: ClockSection) -> None:
        self._settings = settings
        self.offset_ms: float | None = None
        self.kernel = Kernel(None, None)
        self._apart_s = _apart_s()
        self._stepped = float("-inf")
        self._step_ms = 0.0

    async def check(self) -> str | None:
        """Say why the clock is not to be believed, None when nothing shows that it is wrong."""
        if self._settings.server is not None:
            self.offset_ms = await ask(self._settings.server, self._settings.port)
        doubt = self.at_once()
        if self.offset_ms is None or time.time() < EARLIEST_S:
            return doubt
        return f"clock off by {self.offset_ms:.0f} ms" if abs(self.offset_ms) > self._settings.tolerance_ms else None

    def at_once(self) -> str | None:
        """Say the same without asking anybody outside this machine."""
        self.kernel = kernel()
        if time.time() < EARLIEST_S:
            return "clock never set"
        self.step_ms()
        if time.monotonic() < self._stepped + STEP_DOUBT_S:
            return f"clock stepped by {self._step_ms:.0f} ms"
        return self._kernel_doubt() if self._settings.trust == "kernel" else None

    def step_ms(self) -> float | None:
        """Give by how much the clock was set since the last call, where that is more than the tolerance; costs 1 µs."""
        before, self._apart_s = self._apart_s, _apart_s()
        step_ms = 1000 * (self._apart_s - before)
        if abs(step_ms) <= self._settings.tolerance_ms:
            return None
        self._stepped, self._step_ms = time.monotonic(), step_ms
        return step_ms

    def _kernel_doubt(self) -> str | None:
        if self.kernel.synchronised is False:
            return "clock not synchronised"
        most_ms = max(MOST_ERROR_MS, self._settings.tolerance_ms)
        if self.kernel.error_ms is not None and self.kernel.error_ms > most_ms:
            return f"clock not corrected for long, off by up to {self.kernel.error_ms:.0f} ms"
        return None


def _apart_s() -> float:
    """Give how far the wall clock is from the steady one: changes only when the clock is set."""
    return time.time() - time.monotonic()


class _Timex(ctypes.Structure):
    """What adjtimex(2) fills, as far as it is read here."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


def kernel() -> Kernel:
    """Ask the kernel whether something keeps its clock in step (adjtimex(2)), without changing anything."""
    found = _Timex()
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(found))
    except (OSError, AttributeError):  # no Linux
        return Kernel(None, None)
    if state < 0:  # not allowed to ask
        return Kernel(None, None)
    return Kernel(state != TIME_ERROR and not found.status & STA_UNSYNC, found.maxerror / 1000)


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
