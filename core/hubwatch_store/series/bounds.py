"""When a long job has to make a pause."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic


@dataclass(slots=True)
class Bounds:
    """Ends a job between two of its steps: after `seconds`, or when `stopped` says so."""

    seconds: float = float("inf")
    stopped: Callable[[], bool] = lambda: False
    began: float = field(default_factory=monotonic)
    hit: bool = False
    """Something was left undone for it."""

    def reached(self) -> bool:
        """Return whether to make the pause now, and remember it."""
        self.hit = self.hit or self.stopped() or monotonic() - self.began > self.seconds
        return self.hit
