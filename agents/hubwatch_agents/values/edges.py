"""Events from values that change: edges of a bit, changes of a number, steps of a counter.

The first value seen is only the baseline. What is no number (NaN, infinity) is no value: no event, and the baseline
stays.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

On = Literal["rise", "fall", "change", "increase"]

Plain = int | float | str | bool


class EdgeDetector(NamedTuple):
    """One change that makes an event: what was before, what is now, and how long nobody looked."""

    before: Plain
    now: Plain
    unseen_us: int


class Watch:
    """Watches one value."""

    def __init__(self, on: On) -> None:
        self._on = on
        self._before: Plain | None = None
        self._seen = 0

    def see(self, value: Plain, t: int) -> EdgeDetector | None:
        """Take the value seen at `t` (µs). Return the change when it makes an event."""
        if isinstance(value, float) and not math.isfinite(value):
            return None
        before, seen = self._before, self._seen
        self._before, self._seen = value, t
        if before is None or not self._counts(before, value):
            return None
        return EdgeDetector(before, value, t - seen)

    def rest(self) -> None:
        """Take the value for 0 from now on: it has just been written so."""
        self._before = 0

    def _counts(self, before: Plain, value: Plain) -> bool:
        if self._on == "rise":
            return not before and bool(value)
        if self._on == "fall":
            return bool(before) and not value
        return before != value
