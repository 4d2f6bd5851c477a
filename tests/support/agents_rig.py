"""An agent's driver in the test's own event loop, and what it has handed over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hubwatch_agents.config.load import check
from hubwatch_agents.drivers import contract, registry
from hubwatch_agents.drivers.drops import DropCounters
from hubwatch_agents.readings import Reading, SensorEvent
from hubwatch_agents.settings import AgentSettings
from hubwatch_agents.values import pseudonyms

MAPS = Path(__file__).parents[1] / "cases" / "agents_faults" / "maps"


class Heard:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []
        self.events: list[SensorEvent] = []
        self.drops = DropCounters()

    def emit(self, item: Reading | SensorEvent) -> None:
        if isinstance(item, Reading):
            self.readings.append(item)
        else:
            self.events.append(item)

    def of(self, sensor: str, channel: str | None = None) -> list[Reading]:
        """Return the readings of one sensor, of one of its channels."""
        return [r for r in self.readings if r.sensor == sensor and channel in (None, r.channel)]

    def last(self, sensor: str, channel: str) -> Reading | None:
        """Return the last reading of a channel."""
        return next((r for r in reversed(self.readings) if (r.sensor, r.channel) == (sensor, channel)), None)

    async def until(self, true: Callable[[Heard], object], within_s: float = 60.0) -> float:
        """Wait until something has come; gives after how long. Fails with what has come when nothing does."""
        began = time.monotonic()
        while not true(self):
            if time.monotonic() - began > within_s:
                raise AssertionError(f"not within {within_s} s; last: {self.readings[-6:]}, {self.events[-3:]}")
            await asyncio.sleep(0.01)
        return time.monotonic() - began


def settings_of(connection: dict[str, Any], devices: Sequence[dict[str, Any]], **more: Any) -> AgentSettings:
    """Make settings with one connection; `connection` and `zone` are added to each device."""
    placed = [{"zone": "here", "connection": connection["name"], **device} for device in devices]
    return AgentSettings.model_validate(
        {
            "hub": "test",
            "agent": "rig",
            "profile_folders": [MAPS],
            "privacy": {"subjects": "raw"},
            "connections": [connection],
            "devices": placed,
            **more,
        }
    )


@asynccontextmanager
async def driving(
    connection: dict[str, Any],
    devices: Sequence[dict[str, Any]],
    client_id: str = "hubwatch-test",
    folders: Sequence[Path] = (MAPS,),
) -> AsyncIterator[tuple[Heard, contract.Driver]]:
    """Run the driver of one connection inside the context, with the profiles of `folders`."""
    settings = settings_of(connection, devices, profile_folders=list(folders))
    heard, stop = Heard(), asyncio.Event()
    tools = contract.DriverContext(heard, pseudonyms.raw, client_id, heard.drops)
    driver = registry.make(settings.connections[0], check(settings, "test").devices, tools)
    task = asyncio.create_task(driver.run(stop))
    try:
        yield heard, driver
        assert not task.done(), "the driver ended by itself"
    finally:
        stop.set()
        async with asyncio.timeout(60):
            await task
