"""The rule for every loop of a process: a step has an end, its failure is an outage, and what it did has a time.

A step that fails Transient, or does not end in its time, is told once and tried again with back-off; `/healthz` shows
it, and when the last step succeeded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from hubwatch_core.concurrency import backoff_s, wait_for_event
from hubwatch_core.condition import Condition
from hubwatch_core.errors import Transient
from hubwatch_core.health import WORK_WITHIN_S, Health
from hubwatch_core.logs import get_logger

_FIRST_S = 0.2

T = TypeVar("T")


class Outage:
    """Guards the steps of one loop against another side that is away, or is silent."""

    def __init__(
        self,
        check: str,
        health: Health,
        max_s: float,
        *,
        step_s: float | None = None,
        within_s: float = WORK_WITHIN_S,
        lost: str = "database is away, trying again",
        back: str = "database is back",
    ) -> None:
        """Pauses grow to `max_s`; a step may take `step_s`; the check fails when none succeeded for `within_s`."""
        self._check, self._health, self._max_s, self._step_s = check, health, max_s, step_s
        self._condition = Condition(
            check, health, get_logger("database"), lost=lost, back=back, facts={"check": check}
        )  # fmt: skip
        health.expect(check, within_s)

    async def step(self, work: Callable[[], Awaitable[T]], stop: asyncio.Event) -> T | None:
        """Do one step. When it fails Transient, return None after a pause with back-off, which `stop` ends."""
        try:
            result = await self.bounded(work)
        except Transient as error:
            self.lost(str(error))
            await wait_for_event(stop, self.pause_s)
            return None
        self.back()
        return result

    async def bounded(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do one step within its time; raises Transient when that is over."""
        try:
            async with asyncio.timeout(self._step_s):
                return await work()
        except TimeoutError:
            raise Transient(f"no answer within {self._step_s or 0:g} s") from None

    @property
    def holds(self) -> bool:
        """True while the other side answers."""
        return self._condition.holds

    @property
    def pause_s(self) -> float:
        """How long to wait before the next try."""
        return backoff_s(self._condition.failures, _FIRST_S, self._max_s)

    def lost(self, reason: str) -> None:
        """Record that a step failed."""
        self._condition.lost(reason)

    def back(self) -> None:
        """Record that the other side has answered."""
        self._condition.back()
        self._health.did(self._check)
