"""The simulated hub's equipment: every device, and the network link that can be cut."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hubwatch_core.config import MqttSection
from hubwatch_ops.demo.access_controller import AccessController
from hubwatch_ops.demo.geiger import Geiger
from hubwatch_ops.demo.io_module import IoModule
from hubwatch_ops.demo.link import Relay
from hubwatch_ops.demo.portal import Portal

HUB = "rotterdam"
DOOR_LINES = {"door-1": 0, "door-2": 1}
"""Inputs of the door module: closed means that the door is open."""
FENCE_LINES = {"fence-1": 0, "fence-2": 1, "fence-3": 2, "fence-4": 3}
"""Inputs of the fence module: closed means alarm."""
EAST_LINES = {"fence-5": 0}


class Plant:
    """All devices of the hub. Modbus devices listen on loopback ports of their own."""

    def __init__(self, broker: MqttSection, seed: int = 1) -> None:
        self.rpm_1 = Portal("rpm-1", seed)
        self.rpm_2 = Portal("rpm-2", seed + 1)
        self.doors = IoModule("doors")
        self.fence = IoModule("fence")
        self.fence_east = IoModule("fence-east")
        self.controller = AccessController(broker)
        self.geiger = Geiger(broker, seed + 2)
        self.quay_link = Relay(broker.host, broker.port)
        self._publishing: list[asyncio.Task[None]] = []

    @property
    def modbus(self) -> tuple[Portal | IoModule, ...]:
        """Every Modbus device."""
        return (self.rpm_1, self.rpm_2, self.doors, self.fence, self.fence_east)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep all devices at work inside the context."""
        for device in self.modbus:
            await device.start()
        await self.quay_link.heal()
        self._publishing = [asyncio.create_task(self.controller.run()), asyncio.create_task(self.geiger.run())]
        try:
            yield
        finally:
            await self.quiet()
            await self.quay_link.cut()
            for device in self.modbus:
                await device.stop()

    async def quiet(self) -> None:
        """Stop the devices that publish by themselves."""
        for task in self._publishing:
            task.cancel()
        await asyncio.gather(*self._publishing, return_exceptions=True)
