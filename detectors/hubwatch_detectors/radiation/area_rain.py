"""The rain of the last hour at a hub, as it is felt by radiation monitors: averaged with the decay of radon progeny."""

from __future__ import annotations

import math

import msgspec

MINUTE_US = 60_000_000
LIFE_MIN = 45.0
"""Mean life of what rain brings down, minutes: 214Pb (half-life 26.8 min) and 214Bi (19.9 min) one after the other."""
SETTLED_MIN = 2
"""Minutes that must have passed before rain counts, so that the order in which sensors are heard changes nothing."""
MAX_PAST = 12
MAX_RATE = 300.0
"""mm/h; more is a broken gauge."""


class LastingRain(msgspec.Struct):
    """Rain by minute: the present minute, and the lasting rain (mm/h) at the end of the last ones."""

    minute: int = 0
    rate: float = 0.0
    past: list[tuple[int, float]] = []

    def add(self, t: int, rate: float) -> None:
        """Take what a gauge says (mm/h) at `t` (µs); of several gauges the highest counts."""
        minute, rate = t // MINUTE_US, min(max(rate, 0.0), MAX_RATE)
        if minute == self.minute:
            self.rate = max(self.rate, rate)
        elif minute > self.minute:
            self._close()
            self.minute, self.rate = minute, rate

    def lasting(self, t: int) -> float:
        """Return the lasting rain (mm/h) as it was known some minutes before `t` (µs)."""
        due = t // MINUTE_US - SETTLED_MIN
        for minute, value in reversed(self.past):
            if minute <= due:
                return value * math.exp((minute - due) / LIFE_MIN)
        return 0.0

    def _close(self) -> None:
        """Add the minute that is over."""
        if not self.minute:
            return
        last, value = self.past[-1] if self.past else (self.minute - 1, 0.0)
        value = value * math.exp((last - self.minute) / LIFE_MIN) + self.rate * (1 - math.exp(-1 / LIFE_MIN))
        self.past = [*self.past, (self.minute, value)][-MAX_PAST:]
