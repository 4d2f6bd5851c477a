"""Tasks that end together, and waits that have an end.

`asyncio.wait_for` is banned in this project: on Python 3.11 it swallows a cancellation that comes in the moment its
work completes (CPython issue 81839). `asyncio.timeout` does not.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine, Iterable

from hubwatch_core.errors import HubwatchError
from hubwatch_core.logs import get_logger

CANCEL_AGAIN_S = 1.0


async def run_until(stop: asyncio.Event, *work: Coroutine[object, object, None]) -> None:
    """Run coroutines until `stop` is set or one ends; then cancel the rest. Raises what the first one raised."""
    tasks = [asyncio.create_task(each) for each in work]
    waiting = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
        await drain(tasks)
    raise_first(tasks)


async def drain(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait until they are done.

    A task is cancelled again each second, because a library may swallow a cancellation. Errors of our own are left for
    `raise_first`; others are logged here, as nobody may ask for them.
    """
    every = list(tasks)
    left = {task for task in every if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=CANCEL_AGAIN_S)
    for task in every:
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, HubwatchError):
            get_logger("process").error("task failed", task=task.get_name(), exc_info=error)


def raise_first(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Raise what the first failed task raised."""
    for task in tasks:
        if task.done() and not task.cancelled() and (error := task.exception()) is not None:
            raise error


async def wait_for_event(event: asyncio.Event, timeout_s: float) -> bool:
    """Wait until `event` is set, at most `timeout_s`. Return whether it is set."""
    if timeout_s <= 0:
        await asyncio.sleep(0)
        return event.is_set()
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return event.is_set()
    return True


def backoff_s(failures: int, first_s: float, max_s: float) -> float:
    """Return the pause after that many failures in a row (from 1): doubling from `first_s` up to `max_s`.

    The upper half is random, so that what failed together does not come back together.
    """
    ceiling = min(max_s, first_s * 2.0 ** min(max(failures - 1, 0), 30))
    return random.uniform(ceiling / 2, ceiling)  # noqa: S311 - spreads load, guards nothing
