"""The database may be away for a while: say so once, wait, say once that it is back, and go on."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from hubwatch_core.errors import Transient
from hubwatch_core.health import Health
from hubwatch_core.logs import get_logger

_log = get_logger("alarms")
_FIRST_S = 0.2

T = TypeVar("T")


class Outage:
    """Guards the steps of one loop against a database that is away."""

    def __init__(self, check: str, health: Health, longest_s: float) -> None:
        self._check = check
        self._health = health
        self._longest_s = longest_s
        self._pause_s = 0.0

    async def step(self, work: Callable[[], Awaitable[T]], stop: asyncio.Event) -> T | None:
        """Do one step; when it fails Transient, gives None after a pause (doubling, jittered, ended by `stop`)."""
        try:
            result = await work()
        except Transient as error:
            await self._lost(error, stop)
            return None
        self.back()
        return result

    def back(self) -> None:
        """Say, once, that things work."""
        if self._pause_s:
            _log.info("database is back", check=self._check)
        self._pause_s = 0.0
        self._health.set(self._check, True)

    async def _lost(self, error: Transient, stop: asyncio.Event) -> None:
        if not self._pause_s:
            _log.warning("database is away, trying again", check=self._check, reason=str(error))
        self._health.set(self._check, False, str(error))
        self._pause_s = min(max(self._pause_s * 2, _FIRST_S), self._longest_s)
        await wait_for(stop, self._pause_s * random.uniform(0.5, 1.0))  # noqa: S311 - spreads load, guards nothing


async def wait_for(event: asyncio.Event, timeout_s: float) -> bool:
    """Wait until `event` is set, at most `timeout_s`; tells whether it is."""
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return False
    return True
