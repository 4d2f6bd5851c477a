"""How often an agent speaks: what is a pause for one that speaks every second is the next frame of an hourly one."""

from __future__ import annotations

import msgspec

REMEMBERED = 5
"""Intervals; one pause among them does not change their median."""
SLACK = 3
"""Intervals without a frame that are no pause. Our choice: one frame may be late and one left out."""


class Pace(msgspec.Struct):
    """The latest intervals between an agent's live frames (µs, its clock)."""

    intervals: list[int] = []

    def note(self, interval: int) -> None:
        """Note the time from one frame to the next; a clock that stood still or went back says nothing."""
        if interval > 0:
            self.intervals = [*self.intervals, interval][-REMEMBERED:]

    @property
    def interval(self) -> int:
        """Return the usual interval (µs); 0 while it is not known."""
        return sorted(self.intervals)[(len(self.intervals) - 1) // 2] if self.intervals else 0  # the lower median

    def pause(self, least: int) -> int:
        """Return the time (µs) without a frame from which on something was missed; not below `least`."""
        return max(least, SLACK * self.interval)
