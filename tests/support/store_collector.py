"""A collector that runs inside a test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hubwatch_collector.service import parts
from hubwatch_collector.settings import CollectorSettings, IntakeSection
from hubwatch_core.config import MqttSection
from hubwatch_core.process import Context
from hubwatch_store.database import DatabaseSection


def settings_for(
    address: tuple[str, int], dsn: str, client_id: str = "collector-test", **intake: object
) -> CollectorSettings:
    """Configure a collector that reconnects without long pauses."""
    host, port = address
    return CollectorSettings(
        mqtt=MqttSection(host=host, port=port, max_reconnect_s=0.3),
        database=DatabaseSection(dsn=dsn, max_retry_s=0.3, connect_timeout_s=2),
        intake=IntakeSection.model_validate({"client_id": client_id} | intake),
    )


@asynccontextmanager
async def running_collector(settings: CollectorSettings) -> AsyncIterator[Context]:
    """Run a collector; it is stopped in order when the context ends."""
    context, stop = Context.make("collector"), asyncio.Event()
    task = asyncio.ensure_future(parts(settings, context)[0].run(stop))
    try:
        while not context.health.ok:
            if task.done():
                task.result()
            await asyncio.sleep(0.01)
        yield context
    finally:
        stop.set()
        async with asyncio.timeout(60):
            await task
