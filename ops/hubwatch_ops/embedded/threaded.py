"""Uses a blocking context manager from a coroutine, entering and leaving it in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from typing import TypeVar

T = TypeVar("T")


@asynccontextmanager
async def threaded(context: AbstractContextManager[T]) -> AsyncIterator[T]:
    """Enter and leave without holding up the event loop; leaving is finished even when we are cancelled again."""
    value = await asyncio.to_thread(context.__enter__)
    try:
        yield value
    finally:
        await asyncio.shield(asyncio.to_thread(context.__exit__, None, None, None))
