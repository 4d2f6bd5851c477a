"""Keeps one silent unit from costing the others: after two silences it is asked only where it hurts nobody. Pure."""

from __future__ import annotations

FAILURES_TO_OPEN = 2
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 10.0
SHARE_OF_LINE = 0.01
"""Where the line has no idle time long enough for a probe, a silent unit may take this share of it."""


class Breaker:
    """The state of one unit, in seconds of a monotonic clock."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._failures = 0
        self._pause_s = FIRST_PAUSE_S
        self.probe_at = 0.0
        self._probed = 0.0

    @property
    def open(self) -> bool:
        """Whether the unit is taken for silent."""
        return self._failures >= FAILURES_TO_OPEN

    def answered(self) -> bool:
        """Note an answer; True when the unit had been taken for silent."""
        was_open, self._failures, self._pause_s = self.open, 0, FIRST_PAUSE_S
        return was_open

    def silent(self, now_s: float) -> bool:
        """Note a silence; True when the unit is taken for silent from now on."""
        was_open = self.open
        self._failures += 1
        self._probed = now_s
        if self.open:
            self.probe_at = now_s + self._pause_s
            self._pause_s = min(LONGEST_PAUSE_S, 2 * self._pause_s)
        return self.open and not was_open

    def renew(self) -> None:
        """Allow one question at once: the connection is a new one, and what was silent on the old may be well."""
        self.probe_at, self._probed = 0.0, float("-inf")

    def may_probe(self, now_s: float, idle_s: float) -> bool:
        """Return whether to ask now, with `idle_s` until the next request of anybody else is due."""
        if now_s < self.probe_at:
            return False
        return idle_s >= self._timeout_s or now_s - self._probed >= self._timeout_s / SHARE_OF_LINE
