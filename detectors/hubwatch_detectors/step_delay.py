"""How long vehicles need to a step of a lane, and for which of those on their way a sign at the step counts.

The logarithm of the delay is learned from signs for which a single vehicle waited. A vehicle that waits for longer than
`DEVIATIONS` of it is passed over: the sign is of the next one in line. Where vehicles queue, delays say little, and a
vehicle that was told to be missing comes after all; where that happens too often, signs count in the order of the line.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from hubwatch_core.clock import SECOND_US

MIN_PAIRS = 20
MEMORY = 50
"""Pairs that are looked back over."""
DEVIATIONS = 4.0
LEAST_DEVIATION = 0.1
"""Of the logarithm: no lane is more even than that. Our choice, as the other numbers here."""
SHORTEST_S = 1e-3
REFUTED_SHARE = 0.2
"""Vehicles told to be missing that came after all, as a share of those told, up to which delays are trusted."""
MANY_TOLD = 100


class StepDelay(msgspec.Struct):
    """Delays of one step, and what came of the vehicles told to be missing."""

    pairs: int = 0
    mean: float = 0.0
    """Of the logarithm of seconds."""
    variance: float = 0.0
    told: int = 0
    refuted: int = 0
    doubted_until: int = 0
    """Up to when a sign for which nobody waits is of a vehicle told to be missing (µs)."""

    def take(self, waiting: Sequence[int], t: int) -> int:
        """Return for which of the vehicles that wait since these times a sign counts, and learn from a single one."""
        if len(waiting) == 1:
            self._learn(t - waiting[0])
            return 0
        longest = self._longest_us()
        return next((i for i, since in enumerate(waiting) if t - since <= longest), 0)

    def miss(self, since: int, due: int) -> None:
        """Take that a vehicle is told to be missing."""
        if self.told >= MANY_TOLD:
            self.told, self.refuted = self.told // 2, self.refuted // 2
        self.told += 1
        self.doubted_until = due + (due - since)

    def surplus(self, t: int) -> bool:
        """Take a sign for which nobody waits; return whether it is of a vehicle told to be missing."""
        late = t <= self.doubted_until
        self.refuted += late
        return late

    def _longest_us(self) -> float:
        if self.pairs < MIN_PAIRS or self.refuted > REFUTED_SHARE * (self.told + 1):
            return math.inf
        deviation = max(math.sqrt(self.variance), LEAST_DEVIATION)
        return math.exp(self.mean + DEVIATIONS * deviation) * SECOND_US

    def _learn(self, delay_us: int) -> None:
        x = math.log(max(delay_us / SECOND_US, SHORTEST_S))
        self.pairs = min(self.pairs + 1, MEMORY)
        gain, off = 1 / self.pairs, x - self.mean
        self.mean += gain * off
        self.variance += gain * (off * (x - self.mean) - self.variance)
