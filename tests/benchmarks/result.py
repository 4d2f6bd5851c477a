"""What a benchmark gives: figures, and the targets some of them must meet."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

Progress = Callable[[str], None]
"""Tells the person who waits what is going on."""


@dataclass(frozen=True, slots=True)
class Target:
    """A bound a figure must keep; make it with `at_most` or `at_least`."""

    bound: float
    direction: Literal["at most", "at least"]

    def met(self, figure: float | None) -> bool:
        """Whether a figure keeps the bound; one that is missing or not a number does not."""
        if figure is None or math.isnan(figure):
            return False
        return figure <= self.bound if self.direction == "at most" else figure >= self.bound

    def __str__(self) -> str:
        """Return it as people write it, `≤ 250`."""
        return f"{'≤' if self.direction == 'at most' else '≥'} {self.bound:,.10g}"


def at_most(bound: float) -> Target:
    """Less is better."""
    return Target(bound, "at most")


def at_least(bound: float) -> Target:
    """More is better."""
    return Target(bound, "at least")


@dataclass(frozen=True, slots=True)
class Result:
    """Figures by name, with the unit at the end of the name (`latency_p99_ms`), and targets for some of them."""

    figures: Mapping[str, float]
    targets: Mapping[str, Target]

    @property
    def met(self) -> bool:
        """Whether every target is met."""
        return all(target.met(self.figures.get(key)) for key, target in self.targets.items())

    def as_json(self) -> dict[str, object]:
        """Return what `build/bench/NAME.json` holds."""
        targets = {key: target.bound for key, target in self.targets.items()}
        return {"figures": dict(self.figures), "targets": targets, "met": self.met}
