"""Which frames of an agent have been judged: the highest number, and the holes below it."""

from __future__ import annotations

import msgspec

MOST_HOLES = 1000
"""Beyond it the oldest hole counts as filled; an agent makes one with every outage."""


class SeenFrames(msgspec.Struct):
    """Sequence numbers of one epoch. Nothing is counted twice, and backlog that fills a hole is taken."""

    highest: int = 0
    holes: list[tuple[int, int]] = []
    """Ranges (first, last) below `highest` that have not come, in ascending order."""
    dropped: int = 0
    """Frames in holes that were given up."""
    latest: int = 0
    """The latest `sent` of a live frame (µs)."""
    last: int = 0
    """The `sent` of the highest number (µs)."""
    first: int = 0
    """The number from which on all are expected: before it nobody watched the agent; 0 before anything came."""

    def take(self, seq: int) -> bool:
        """Note a number; False when it has come before."""
        if not self.first:
            self.first = seq
        if seq > self.highest:
            if seq > self.highest + 1:
                self._hole(self.highest + 1, seq - 1)
            self.highest = seq
            return True
        for i, (first, last) in enumerate(self.holes):
            if first <= seq <= last:
                rest = [(first, seq - 1), (seq + 1, last)]
                self.holes[i : i + 1] = [(low, high) for low, high in rest if low <= high]
                return True
        return False

    def holds(self, seq: int) -> bool:
        """Return whether a number has come."""
        return 0 < seq <= self.highest and not any(first <= seq <= last for first, last in self.holes)

    def missing(self) -> list[tuple[int, int]]:
        """Return the holes of numbers that were expected."""
        if not self.first:
            return []
        return [(max(first, self.first), last) for first, last in self.holes if last >= self.first]

    def _hole(self, first: int, last: int) -> None:
        self.holes.append((first, last))
        if len(self.holes) > MOST_HOLES:
            low, high = self.holes.pop(0)
            self.dropped += high - low + 1
