"""The simulated hub's equipment: every device, and the network link that can be cut."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hubwatch_core.config import MqttSection
from hubwatch_ops.demo.access_controller import AccessController
from hubwatch_ops.demo.geiger import Geiger
from hubwatch_ops.demo.io_module import IoModule
from hubwatch_ops.demo.link import Relay
from hubwatch_ops.demo.portal import Portal

HUB = "rotterdam"
DOOR_LINES = {"door-1": 0, "door-2": 1, "door-3": 2}
"""Inputs of the door module: closed means that the door is open."""
DOOR_ZONES = {"door-1": "office", "door-2": "office", "door-3": "gatehouse"}
FENCE_LINES = {"fence-1": 0, "fence-2": 1, "fence-3": 2, "fence-4": 3}
"""Inputs of the fence module: closed means alarm."""
EAST_LINES = {"fence-5": 0}
SCANNER = "xray-1"
READY_LINE, BEAM_LINE, REJECT_LINE = 0, 1, 2
"""Inputs of the scanner's module."""

LAST_WORD_S = 2.0
"""How long the broker may take for a last message."""


class Plant:
    """All devices of the hub. Modbus devices listen on loopback ports of their own."""

    def __init__(self, broker: MqttSection, seed: int = 1) -> None:
        self.rpm_1 = Portal("rpm-1", seed)
        self.rpm_2 = Portal("rpm-2", seed + 1)
        self.doors = IoModule("doors")
        self.fence = IoModule("fence")
        self.fence_east = IoModule("fence-east")
        self.scanner = IoModule("scanner")
        self.scanner.set(READY_LINE, True)
        self.controller = AccessController(broker)
        self.geiger = Geiger(broker, seed + 2)
        self.quay_link = Relay(broker.host, broker.port)
        self._publishing: list[asyncio.Task[None]] = []

    @property
    def modbus(self) -> tuple[Portal | IoModule, ...]:
        """Every Modbus device."""
        return (self.rpm_1, self.rpm_2, self.doors, self.fence, self.fence_east, self.scanner)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep all devices at work inside the context."""
        for device in self.modbus:
            await device.start()
        await self.quay_link.heal()
        self._begin_publishing()
        try:
            yield
        finally:
            await self.quiet()
            await self.quay_link.cut()
            for device in self.modbus:
                await device.stop()

    def speak(self) -> None:
        """Let every device that fell silent go on."""
        for device in self.modbus:
            device.speak()
        self._begin_publishing()

    async def quiet(self) -> None:
        """Let every device fall silent: those that publish by themselves end, the others answer that they are busy."""
        for device in self.modbus:
            device.fall_silent()
        # What is published is counted when the broker has acknowledged it, so nothing may be between the two.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORD_S), self.geiger.speaking:
                self._end_publishing()
        self._end_publishing()
        await asyncio.gather(*self._publishing, return_exceptions=True)

    def _begin_publishing(self) -> None:
        self._publishing = [asyncio.create_task(self.controller.run()), asyncio.create_task(self.geiger.run())]

    def _end_publishing(self) -> None:
        for task in self._publishing:
            task.cancel()
