"""Our own clock, watched: while we do not keep up, or where time did not go on steadily, no agent is to blame."""

from __future__ import annotations

from collections.abc import Callable

from hubwatch_core.clock import SECOND_US, now_us
from hubwatch_core.logs import get_logger
from hubwatch_detectors.journal import Journal

STEADY_US = 2 * SECOND_US
"""Looks are a fifth of a second apart. After a longer time what agents sent waits for us still; well below the seconds
of silence after which an agent counts as away."""

_log = get_logger("detectors")


class WallClockGuard:
    """Tells an engine when it does not see all there is: after a pause (a process held up, a database away), while a
    backlog is worked off, and when our clock was set.
    """

    def __init__(self, journal: Journal, clock: Callable[[], int] = now_us) -> None:
        self._journal, self._clock = journal, clock
        self._last = 0

    def now(self, *, caught_up: bool = True) -> int:
        """Return our time (µs); `caught_up` says that nothing more waits for us than what is in our hands."""
        now = self._clock()
        passed = now - self._last
        steady = 0 <= passed <= STEADY_US
        if caught_up:
            if not steady:
                self._resume(now, passed)
            self._last = now
        elif not steady:
            self._journal.behind()
        return now

    def _resume(self, now: int, passed: int) -> None:
        if self._last:
            _log.warning("our time did not go on steadily, resuming", seconds=round(passed / SECOND_US, 1))
        self._journal.resume(now)
