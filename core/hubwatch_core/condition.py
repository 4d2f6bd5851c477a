"""A condition that can be lost: told once when it is lost, once when it is back, and shown in health meanwhile."""

from __future__ import annotations

import time
from typing import Protocol

from hubwatch_core.health import Health


class Logger(Protocol):
    """What a condition needs of a logger."""

    def warning(self, event: str, **facts: object) -> object:
        """Log a loss."""
        ...

    def info(self, event: str, **facts: object) -> object:
        """Log a return."""
        ...


class Condition:
    """One thing that should hold: a connection, a database, a clock, room on a disk."""

    def __init__(
        self,
        check: str,
        health: Health | None,
        log: Logger,
        *,
        lost: str,
        back: str,
        facts: dict[str, object] | None = None,
    ) -> None:
        """Tell under the health check `check`; log lines are `lost` and `back`, each with `facts`.

        Without `health` it is only logged.
        """
        self._check = check
        self._health = health
        self._log = log
        self._lost_text, self._back_text = lost, back
        self._facts = facts or {}
        self.reason: str | None = None
        """Why it does not hold; None while it does."""
        self.failures = 0
        """Failures in a row."""
        self._since = 0.0

    @property
    def holds(self) -> bool:
        """True while nothing is lost."""
        return self.reason is None

    def lost(self, reason: str, **facts: object) -> None:
        """Record that it does not hold. Only the first time in a row is logged."""
        if self.reason is None:
            self._since = time.monotonic()
            self._log.warning(self._lost_text, **self._facts, reason=reason, **facts)
        self.reason = reason
        self.failures += 1
        if self._health is not None:
            self._health.set(self._check, False, reason)

    def back(self, detail: str = "", **facts: object) -> None:
        """Record that it holds. Logged only after a loss, with how long it lasted."""
        if self.reason is not None:
            away_s = round(time.monotonic() - self._since, 1)
            self._log.info(self._back_text, **self._facts, away_s=away_s, **facts)
        self.reason, self.failures = None, 0
        if self._health is not None:
            self._health.set(self._check, True, detail)
