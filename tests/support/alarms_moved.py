"""Detections become alarms in a test: one round of what otherwise runs all the time."""

from __future__ import annotations

import asyncio

from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.mover import Mover
from hubwatch_alarms.notify.log import LogRouteSection
from hubwatch_store.database import open_pool
from support.alarms_database import settings_of


def moved_once(dsn: str) -> None:
    """Move every alarm once."""

    async def once() -> None:
        async with open_pool(settings_of(dsn)) as pool:
            await Mover(pool, [LogRouteSection(name="journal", kind="log")], Instructions.load()).round()

    asyncio.run(once())
