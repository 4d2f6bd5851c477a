"""Keeps work running: what fails is told once, counted, and started again with back-off."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from prometheus_client import CollectorRegistry, Counter

from hubwatch_core.concurrency import backoff_s, drain, wait_for_event
from hubwatch_core.condition import Condition
from hubwatch_core.errors import HubwatchError
from hubwatch_core.health import Health
from hubwatch_core.logs import get_logger
from hubwatch_core.plain_text import one_line

FIRST_PAUSE_S = 1.0
MAX_PAUSE_S = 30.0
STEADY_S = 5.0
"""Work that has gone on for so long after a failure counts as working again."""

Work = Callable[[asyncio.Event], Awaitable[None]]

_log = get_logger("supervision")


class Supervision:
    """Starts work again, for every part of one agent."""

    def __init__(self, health: Health, registry: CollectorRegistry) -> None:
        self._health = health
        self._logged: set[tuple[str, str]] = set()
        self._failures = Counter(
            "hubwatch_agents_failures", "Unexpected failures by part; the part is started again.", ["part"],
            registry=registry,
        )  # fmt: skip

    async def keep(
        self, part: str, work: Work, stop: asyncio.Event, failed: Callable[[str], None] | None = None
    ) -> None:
        """Run `work(stop)` until `stop` is set, again after each failure. `failed` is called with each reason."""
        condition = Condition(
            part, self._health, _log, lost="failed, trying again", back="works again", facts={"part": part}
        )
        while not stop.is_set():
            reason = await self._run_once(part, work, stop, condition)
            if reason is None:
                continue
            condition.lost(reason)
            if failed is not None:
                failed(reason)
            await wait_for_event(stop, backoff_s(condition.failures, FIRST_PAUSE_S, MAX_PAUSE_S))
        if not condition.holds:
            condition.back("stopped")

    async def _run_once(self, part: str, work: Work, stop: asyncio.Event, condition: Condition) -> str | None:
        """Return why the work has failed, None when it ended because of `stop`."""
        task = asyncio.ensure_future(_awaited(work, stop))
        try:
            await asyncio.wait([task], timeout=None if condition.holds else STEADY_S)
            if not task.done():
                condition.back("works again")
                await asyncio.wait([task])
        finally:
            if not task.done():
                await drain([task])
        return self._reason(part, task, stop)

    def _reason(self, part: str, task: asyncio.Task[None], stop: asyncio.Event) -> str | None:
        if task.cancelled():
            return None if stop.is_set() else "was cancelled"
        error = task.exception()
        if error is None:
            return None if stop.is_set() else "ended by itself"
        if isinstance(error, HubwatchError):
            return one_line(str(error))
        self.count(part, error)
        return f"failed: {type(error).__name__}"

    def count(self, part: str, error: BaseException) -> None:
        """Count an unexpected failure. The first of its kind in a part is logged with its traceback."""
        self._failures.labels(part).inc()
        kind = (part, type(error).__name__)
        if kind not in self._logged:
            self._logged.add(kind)
            _log.error("unexpected failure", part=part, exc_info=error)


async def _awaited(work: Work, stop: asyncio.Event) -> None:
    await work(stop)
