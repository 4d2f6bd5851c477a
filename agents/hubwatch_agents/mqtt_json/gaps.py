"""Numbers that are missing in a row of events: what has been heard last, and what lies between. Pure."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

Range = tuple[int, int]
"""First and last number, both missing."""


class Seen(Enum):
    """What a number shows."""

    NEW = "new"
    KNOWN = "known"
    RESET = "reset"


class Told(NamedTuple):
    """What a number has shown, and the ranges that are given up for it."""

    seen: Seen
    lost: list[Range]


class Gaps:
    """The state of one counter."""

    def __init__(self, most: int, last: int | None = None, moment: int | None = None) -> None:
        self._most = most
        self.last = last
        self.moment = moment
        """The device's own time of the newest event, where it tells one (µs)."""
        self.missing: list[Range] = []

    def see(self, number: int, moment: int | None) -> Told:
        """Take the number of an event; the very first is only the baseline."""
        if self.last is None or number > self.last:
            return Told(Seen.NEW, self._advance(number, moment))
        if self.found(number) or not self._began_anew(number, moment):
            return Told(Seen.KNOWN, [])
        lost, self.missing = self.missing, []
        # Where its clock proves that it began anew, what it has counted since is missing.
        self.last = 0 if moment is not None and self.moment is not None else None
        return Told(Seen.RESET, lost + self._advance(number, moment))

    def found(self, number: int) -> bool:
        """Strike a number off what is missing; tells whether it was."""
        for i, (first, last) in enumerate(self.missing):
            if first <= number <= last:
                parts = [(first, number - 1), (number + 1, last)]
                self.missing[i : i + 1] = [(low, high) for low, high in parts if low <= high]
                return True
        return False

    def next(self) -> int | None:
        """Give the oldest number that is missing."""
        return self.missing[0][0] if self.missing else None

    def _advance(self, number: int, moment: int | None) -> list[Range]:
        if self.last is not None and number > self.last + 1:
            self.missing.append((self.last + 1, number - 1))
        self.last = number
        self.moment = moment if moment is not None else self.moment
        return self._bounded()

    def _bounded(self) -> list[Range]:
        """Give up the oldest of what is more than may be fetched."""
        lost: list[Range] = []
        surplus = sum(last - first + 1 for first, last in self.missing) - self._most
        while surplus > 0:
            first, last = self.missing.pop(0)
            cut = min(last, first + surplus - 1)
            lost.append((first, cut))
            surplus -= cut - first + 1
            if cut < last:
                self.missing.insert(0, (cut + 1, last))
        return lost

    def _began_anew(self, number: int, moment: int | None) -> bool:
        """A lower number with a later time is of a counter that began anew; with no time, any lower one is."""
        if moment is None or self.moment is None:
            return self.last is not None and number < self.last
        return moment > self.moment
