"""Waits for something to come true, within limits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

STEP_S = 0.02


async def until(look: Callable[[], bool], timeout_s: float = 60) -> None:
    """Wait until `look` gives True; fails after `timeout_s`."""
    for _ in range(int(timeout_s / STEP_S)):
        if look():
            return
        await asyncio.sleep(STEP_S)
    raise AssertionError(f"it did not come true within {timeout_s} s")
