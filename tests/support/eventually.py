"""Waits for something that happens elsewhere: in another task, process or server."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable

POLL_S = 0.01


async def eventually(condition: Callable[[], object | Awaitable[object]], within_s: float = 60.0) -> None:
    """Return once the condition (plain or asynchronous) is true; fails when it is not true in time.

    The time is a limit for what hangs, not a promise: a slow machine is no failure. A condition that computes has at
    most half of the loop, since the service that it waits for may run in the same one. An AssertionError inside the
    condition counts as "not yet", and the last one is shown when time is up.
    """
    deadline = time.monotonic() + within_s
    while True:
        began = time.monotonic()
        try:
            if await _value(condition):
                return
            last = AssertionError("the condition stayed false")
        except AssertionError as error:
            last = error
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s} s: {last}") from last
        await asyncio.sleep(max(POLL_S, time.monotonic() - began))


async def _value(condition: Callable[[], object | Awaitable[object]]) -> object:
    result = condition()
    return await result if inspect.isawaitable(result) else result
