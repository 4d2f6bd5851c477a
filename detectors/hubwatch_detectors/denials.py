"""Repeated denials at one reader: a CUSUM over the times between them.

With benign denials at rate b and an attack at rate a (both Poisson), each denial adds ln(a/b) to the sum and each
second without one takes a − b away; the sum never falls below zero. Among all rules with the same time between false
alarms this is the fastest in the worst case (Moustakides, Ann. Statist. 14, 1986).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec

from hubwatch_core.clock import SECOND_US

HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Rates:
    """The two rates the sum decides between, in denials an hour."""

    benign: float
    attack: float

    @property
    def step(self) -> float:
        """What one denial adds."""
        return math.log(self.attack / self.benign)

    @property
    def drain_per_s(self) -> float:
        """What each second takes away."""
        return (self.attack - self.benign) / HOUR_S


class Denials(msgspec.Struct):
    """The denials at one reader; times in µs."""

    sum: float = 0.0
    last: int = 0
    first: int = 0
    """Start of the present burst: the denial that found the sum at zero."""
    count: int = 0
    """Denials in the present burst."""
    subjects: list[str] = []
    alarm: str | None = None

    def add(self, t: int, rates: Rates) -> bool:
        """Count a denial at `t`; False when it is not newer than the last one, as a repeated event is not."""
        if t <= self.last:
            return False
        if self.last:
            self.sum = max(0.0, self.sum - rates.drain_per_s * (t - self.last) / SECOND_US)
        if self.sum == 0.0:
            self.first, self.count, self.subjects = t, 0, []
        self.sum += rates.step
        self.count += 1
        self.last = t
        return True

    def end(self) -> None:
        """Begin afresh after an alarm that is over."""
        self.alarm, self.sum = None, 0.0
