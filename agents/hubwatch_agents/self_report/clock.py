"""Is the clock of this machine right? Asks the kernel, and a time server where one is named."""

from __future__ import annotations

import ctypes
import time
from typing import NamedTuple

from hubwatch_agents.self_report import sntp
from hubwatch_agents.settings import ClockSection
from hubwatch_core.condition import Condition
from hubwatch_core.logs import get_logger

TIME_ERROR, STA_UNSYNC = 5, 0x40
"""What adjtimex(2) gives, and the bit of its status that is set, while the clock is not synchronised."""
MOST_ERROR_MS = 2000.0
"""The kernel's own bound grows by 0.5 ms/s (500 ppm): 1 s between two corrections of systemd-timesyncd, 2048 s apart
at most; twice that is a clock that nobody has corrected for over an hour."""
STEP_DOUBT_S = 10.0
"""How long after a step nobody knows whether the clock was right before or is right now."""
EARLIEST_S = 1_704_067_200
"""2024-01-01: before this software was; a clock that says less was never set."""


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
        self._server = Condition(
            "time server", None, get_logger("clock"), lost="time server gives no usable answer",
            back="time server answers again", facts={"server": settings.server},
        )  # fmt: skip
        self.offset_ms: float | None = None
        self.kernel = Kernel(None, None)
        self._apart_s = _apart_s()
        self._stepped = float("-inf")
        self._step_ms = 0.0

    async def check(self) -> str | None:
        """Return why the clock is not to be believed, None when nothing shows that it is wrong."""
        if self._settings.server is not None:
            self.offset_ms = await self._ask(self._settings.server)
        doubt = self.at_once()
        if self.offset_ms is None or time.time() < EARLIEST_S:
            return doubt
        return f"clock off by {self.offset_ms:.0f} ms" if abs(self.offset_ms) > self._settings.tolerance_ms else None

    async def _ask(self, server: str) -> float | None:
        try:
            offset_ms = await sntp.offset_ms(server, self._settings.port)
        except sntp.NoTime as error:
            self._server.lost(str(error))
            return None
        self._server.back()
        return offset_ms

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
        """By how much the clock was set since the last call, where that is more than the tolerance; costs 1 µs."""
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
    """Return how far the wall clock is from the steady one: changes only when the clock is set."""
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
