"""The hub's time: the database's clock, carried on between two looks at it by the steady clock of this process.

All that is stored is compared by one clock, however wrong the clocks of collectors, detectors and consoles are, and
setting one of them while its process runs changes nothing.
"""

from __future__ import annotations

import time

from hubwatch_core.clock import SECOND_US, now_us

STEP_US = SECOND_US
"""Our wall clock was set when it differs by more from where the steady clock says that it should be."""

_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Goes on while a machine is suspended, where there is such a clock."""


class HubClock:
    """Tells the hub's time; until `set` was called, our own wall clock is taken for it."""

    def __init__(self) -> None:
        steady = steady_us()
        self._hub_ahead = self._wall_ahead = now_us() - steady
        self._steady_since = steady

    def set(self, hub_us: int) -> None:
        """Take `hub_us` as the hub's present time (µs UTC)."""
        self._hub_ahead = hub_us - steady_us()

    def now(self) -> int:
        """Return the hub's present time (µs UTC)."""
        return steady_us() + self._hub_ahead

    def receipt(self, received: int) -> int:
        """Return the hub's time of something that came at `received` by our wall clock, also when that was set since.

        What came before our clock was set counts as received when it was.
        """
        steady, wall = steady_us(), now_us()
        if abs(wall - steady - self._wall_ahead) > STEP_US:
            self._wall_ahead, self._steady_since = wall - steady, steady
        age = min(max(wall - received, 0), steady - self._steady_since)
        return steady + self._hub_ahead - age


def steady_us() -> int:
    """Return microseconds of a clock that nobody can set."""
    return time.clock_gettime_ns(_STEADY) // 1000
