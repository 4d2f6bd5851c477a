"""The agent: builds its parts and connects them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from hubwatch_agents.commands.catalog import DeviceCommand
from hubwatch_agents.commands.protocol import CommandOutcome
from hubwatch_agents.connections import ConnectionSection
from hubwatch_agents.devices import Configuration, Device
from hubwatch_agents.drivers import registry
from hubwatch_agents.drivers.checkpoints import Checkpoints
from hubwatch_agents.drivers.contract import Driver, DriverContext
from hubwatch_agents.drivers.drops import DropCounters
from hubwatch_agents.drivers.supervisor import DriverSupervisor
from hubwatch_agents.readings import Reading, SensorEvent
from hubwatch_agents.self_report.birth import birth
from hubwatch_agents.self_report.clock_watch import ClockWatch
from hubwatch_agents.self_report.reporter import Reporter
from hubwatch_agents.supervision import Supervision
from hubwatch_agents.uplink.uplink import Uplink
from hubwatch_agents.values import pseudonyms
from hubwatch_core.errors import Permanent
from hubwatch_core.process import Context

CHECKPOINTS = "marks.json"
"""File beside the spool's own; the spool leaves it alone."""


class Agent:
    """Everything one agent does."""

    def __init__(self, configuration: Configuration, context: Context) -> None:
        """Open the spool and plan the drivers. Raises Permanent where the spool cannot be used."""
        settings = configuration.settings
        self.configuration = configuration
        self.supervision = Supervision(context.health, context.registry)
        try:
            self.uplink = Uplink(settings, context.health, self.supervision, self.birth, self._clock_step)
        except OSError as error:
            raise Permanent(f"spool {settings.spool.directory} cannot be used: {error}") from None
        try:
            self._clock = ClockWatch(settings.clock, context.health, self.uplink.mark_clock)
            self._drops = DropCounters(context.registry)
            self._checkpoints = Checkpoints(settings.spool.directory / CHECKPOINTS)
            self._drivers = DriverSupervisor(self, self.supervision)
            self._reporter = Reporter(configuration, self.uplink, self._drivers, self._clock, context)
            self._take(configuration)
        except BaseException:
            self.uplink.store.close()
            raise

    def emit(self, item: Reading | SensorEvent) -> None:
        """Take a reading or an event of a device, or of the agent itself."""
        self.uplink.emit(item)

    async def command(self, entry: DeviceCommand) -> CommandOutcome:
        """Give a command to a device, once."""
        return await self._drivers.command(entry.device, entry.command)

    def birth(self) -> bytes:
        """Return the inventory as it is published."""
        return birth(self.configuration, self.uplink.store.spool.epoch)

    async def publish(self, stop: asyncio.Event) -> None:
        """Build, keep and send frames until `stop` is set, then send what is left."""
        await self.uplink.run(stop)

    async def drive(self, stop: asyncio.Event) -> None:
        """Read every device until `stop` is set."""
        await self._drivers.run(stop)

    async def beat(self, stop: asyncio.Event) -> None:
        """Report on the agent itself until `stop` is set."""
        await self.supervision.keep("heartbeat", self._reporter.run, stop)

    def reconfigure(self, configuration: Configuration) -> None:
        """Take up other devices, connections, periods; only drivers whose own part has changed are started anew.

        Raises Permanent where the key of pseudonyms cannot be used; then everything stays as it was.
        """
        pseudonyms.of(configuration.settings.privacy)
        self._take(configuration)
        self.uplink.publisher.announce()

    def configured(self, in_force: bool, detail: str) -> None:
        """Tell what became of the configuration file: in health, in the heartbeat, and as an event."""
        self._reporter.configured(in_force, detail)

    def _take(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.uplink.configure(configuration.settings, configuration.devices)
        self._reporter.configure(configuration)
        self._drivers.plan(configuration, partial(self._make_driver, configuration))

    def _make_driver(
        self, configuration: Configuration, connection: ConnectionSection, devices: Sequence[Device]
    ) -> Driver:
        settings = configuration.settings
        pseudonym = pseudonyms.of(settings.privacy)
        client_id = f"hubwatch-{settings.hub}-{settings.agent}"
        context = DriverContext(self, pseudonym, client_id, self._drops, self._checkpoints)
        return registry.make(connection, devices, context)

    def _clock_step(self) -> SensorEvent | None:
        return self._clock.stepped(self.configuration.settings.agent)
