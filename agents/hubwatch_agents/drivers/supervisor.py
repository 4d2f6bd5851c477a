"""Runs the driver of every connection: starts, stops and restarts those whose configuration has changed.

A driver that fails makes the channels behind its own connection bad and is made anew with back-off.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from hubwatch_agents.commands.protocol import CommandOutcome, CommandResult
from hubwatch_agents.connections import ConnectionSection
from hubwatch_agents.devices import Configuration, Device
from hubwatch_agents.drivers.contract import Driver
from hubwatch_agents.profiles.command import BaseCommand
from hubwatch_agents.readings import Reading, Sink
from hubwatch_agents.supervision import Supervision
from hubwatch_core.clock import now_us
from hubwatch_core.logs import get_logger
from hubwatch_core.words import Quality

STOP_DRIVER_S = 5.0
"""How long a driver may take to stop by itself; then it is cancelled."""
CANCEL_DRIVER_S = 5.0
"""How long a cancelled driver may take; then it is left alone, and its connection is opened anew without it."""

Make = Callable[[ConnectionSection, Sequence[Device]], Driver]

_log = get_logger("drivers")


@dataclass
class _Running:
    """The driver of one connection, at work or being made."""

    key: tuple[object, ...]
    connection: ConnectionSection
    devices: tuple[Device, ...]
    make: Make
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    driver: Driver | None = None
    task: asyncio.Task[None] | None = None

    @property
    def part(self) -> str:
        """Name in health and log."""
        return f"connection.{self.connection.name}"

    async def work(self, stop: asyncio.Event) -> None:
        """Make the driver and run it."""
        self.driver = None
        self.driver = self.make(self.connection, self.devices)
        await self.driver.run(stop)


class DriverSupervisor:
    """The drivers of one agent."""

    def __init__(self, sink: Sink, supervision: Supervision) -> None:
        self._sink = sink
        self._supervision = supervision
        self._running: dict[str, _Running] = {}
        self._planned: dict[str, _Running] = {}
        self._changed = asyncio.Event()

    def plan(self, configuration: Configuration, make: Make) -> None:
        """Have these connections read. Drivers whose part of the configuration is unchanged go on."""
        settings = configuration.settings
        planned: dict[str, _Running] = {}
        for connection in settings.connections:
            behind = tuple(each for each in configuration.devices if each.connection.name == connection.name)
            if not behind:
                continue
            key = (settings.privacy, connection, behind)
            running = self._running.get(connection.name)
            # One that is being stopped does not go on: it was left out by a configuration in between.
            goes_on = running is not None and running.key == key and not running.stop.is_set()
            kept = running if goes_on else None
            planned[connection.name] = kept or _Running(key, connection, behind, make)
        self._planned = planned
        self._changed.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Keep what is planned running until `stop` is set."""
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                self._changed.clear()
                await self._apply()
                changing = asyncio.create_task(self._changed.wait())
                await asyncio.wait([stopping, changing], return_when=asyncio.FIRST_COMPLETED)
                changing.cancel()
        finally:
            stopping.cancel()
            await self._end(self._running.values())
            self._running.clear()

    def delays_s(self) -> dict[str, float]:
        """Return, for each sensor, the longest others have waited for it since the last call, in seconds."""
        delays: dict[str, float] = {}
        for running in self._running.values():
            if running.driver is None:
                continue
            try:
                delays |= running.driver.delays_s()
            except Exception as error:  # noqa: BLE001 - a driver's figures must not cost the heartbeat; counted and logged
                self._supervision.count(running.part, error)
        return delays

    def figures(self) -> Counter[str]:
        """Return what the drivers have counted, together."""
        figures: Counter[str] = Counter()
        for running in self._running.values():
            if running.driver is None:
                continue
            try:
                figures.update(running.driver.figures())
            except Exception as error:  # noqa: BLE001 - a driver's figures must not cost the metrics; counted and logged
                self._supervision.count(running.part, error)
        return figures

    async def command(self, device: Device, command: BaseCommand) -> CommandOutcome:
        """Give a command to a device through the driver of its connection, once. Return how it ended."""
        running = self._running.get(device.connection.name)
        if running is None or running.driver is None:
            return CommandOutcome(CommandResult.FAILED, "not sent: the connection is not being read")
        try:
            return await running.driver.command(device, command)
        except Exception as error:  # noqa: BLE001 - whoever gave the command must be told; counted and logged
            self._supervision.count(running.part, error)
            return CommandOutcome(CommandResult.UNKNOWN, "unknown whether it took effect: the driver failed")

    async def _apply(self) -> None:
        """Make what runs what is planned."""
        planned = self._planned
        gone = [each for name, each in self._running.items() if planned.get(name) is not each]
        await self._end(gone)
        for name, each in planned.items():
            if self._running.get(name) is not each:
                each.task = asyncio.create_task(self._keep(each), name=each.part)
        self._running = dict(planned)

    async def _keep(self, running: _Running) -> None:
        await self._supervision.keep(
            running.part, running.work, running.stop, lambda reason: self._bad(running.devices, reason)
        )

    def _bad(self, devices: Sequence[Device], reason: str) -> None:
        t = now_us()
        for device in devices:
            for channel in device.profile.channels:
                self._sink.emit(Reading(device.sensor, channel.name, t, None, Quality.BAD, f"driver {reason}"))

    async def _end(self, ending: Iterable[_Running]) -> None:
        await asyncio.gather(*(_stop(each) for each in list(ending)))


async def _stop(running: _Running) -> None:
    """Stop a driver, by force when it does not stop by itself."""
    running.stop.set()
    if running.task is None:
        return
    done, _ = await asyncio.wait([running.task], timeout=STOP_DRIVER_S)
    if not done:
        running.task.cancel()
        done, _ = await asyncio.wait([running.task], timeout=CANCEL_DRIVER_S)
    if not done:
        _log.error("driver does not stop and is left alone", connection=running.connection.name)
