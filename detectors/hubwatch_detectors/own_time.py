"""Our own clock, watched: where it did not go on steadily we saw nothing meanwhile, and no agent is to blame."""

from __future__ import annotations

from collections.abc import Callable

from hubwatch_core.clock import SECOND_US, now_us
from hubwatch_core.logs import get_logger
from hubwatch_detectors.engine import Engine

STEADY_US = 2 * SECOND_US
"""Looks are a fifth of a second apart. After a longer pause what agents sent waits for us still; well below the seconds
of silence after which an agent counts as away."""

_log = get_logger("detectors")


class OwnTime:
    """Tells an engine of pauses (a process held up, a database away) and of steps of our clock, back or ahead."""

    def __init__(self, engine: Engine, clock: Callable[[], int] = now_us) -> None:
        self._engine, self._clock = engine, clock
        self._last = 0

    def now(self) -> int:
        """Give our time (µs). At the first look, and after a pause or a step, the engine resumes from it."""
        now = self._clock()
        passed = now - self._last
        if not 0 <= passed <= STEADY_US:
            if self._last:
                _log.warning("our time did not go on steadily, resuming", seconds=round(passed / SECOND_US, 1))
            self._engine.resume(now)
        self._last = now
        return now
