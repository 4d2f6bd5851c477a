"""Tasks that end together."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from hubwatch_core.errors import HubwatchError
from hubwatch_core.logs import get_logger

AGAIN_S = 1.0


async def until_stopped(stop: asyncio.Event, *work: Coroutine[object, object, None]) -> None:
    """Run coroutines until `stop` is set or one of them ends; then end all. Raises what one of them raised."""
    tasks = [asyncio.create_task(each) for each in work]
    waiting = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
        await end(*tasks)
    raise_first(tasks)


async def end(*tasks: asyncio.Task[None]) -> None:
    """Cancel tasks and wait until they are done.

    Cancelled again where need be: asyncio.wait_for of Python 3.11 swallows a cancellation that comes in the moment
    its work completes (CPython issue 81839), and a connect is such work. What our own errors say is for `raise_first`;
    others are logged here, for nobody may come to ask.
    """
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=AGAIN_S)
    for task in tasks:
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, HubwatchError):
            get_logger("agent").error("failed", task=task.get_name(), exc_info=error)


def raise_first(tasks: list[asyncio.Task[None]]) -> None:
    """Raise what the first failed task raised."""
    for task in tasks:
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error
