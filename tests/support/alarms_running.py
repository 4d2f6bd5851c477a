"""Alarms that run: in the loop of a test, or as a process that may be killed."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from hubwatch_alarms.service import parts
from hubwatch_alarms.settings import AlarmsSettings
from hubwatch_core.process import Context
from hubwatch_core.process.service import run_parts


@asynccontextmanager
async def alarms_in_loop(settings: AlarmsSettings) -> AsyncIterator[Context]:
    """Run all parts until the end of the context."""
    context = Context.make("test")
    stop = asyncio.Event()
    running = asyncio.create_task(run_parts(parts(settings, context), stop))
    try:
        yield context
    finally:
        stop.set()
        async with asyncio.timeout(60):
            await running


@asynccontextmanager
async def alarms_process(config: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `hubwatch alarms run`; what still runs at the end of the context is killed."""
    command = (sys.executable, "-m", "hubwatch_ops", "alarms", "run", "-c", str(config))
    running = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    try:
        yield running
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()
