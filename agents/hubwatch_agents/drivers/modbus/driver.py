"""The Modbus driver: TCP, RTU, RTU over TCP and TLS."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from hubwatch_agents.commands.protocol import CommandOutcome, CommandResult
from hubwatch_agents.connections import ConnectionSection, ModbusConnection
from hubwatch_agents.devices import Device
from hubwatch_agents.drivers.contract import DriverContext
from hubwatch_agents.drivers.modbus import commands
from hubwatch_agents.drivers.modbus.client import ModbusClient
from hubwatch_agents.drivers.modbus.jobs import jobs_of, unit_of
from hubwatch_agents.drivers.modbus.poller import Poller
from hubwatch_agents.profiles.command import BaseCommand
from hubwatch_agents.profiles.modbus_schema import Command


class ModbusDriver:
    """Polls everything behind one Modbus connection."""

    def __init__(self, connection: ConnectionSection, devices: Sequence[Device], context: DriverContext) -> None:
        assert isinstance(connection, ModbusConnection)
        self._devices = tuple(devices)
        self._client = ModbusClient(connection)
        jobs = jobs_of(connection, devices, context.pseudonym, context.drops)
        self.poller = Poller(connection, jobs, self._client, context.sink)

    async def run(self, stop: asyncio.Event) -> None:
        """Poll until `stop` is set."""
        await self.poller.run(stop)

    def delays_s(self) -> Mapping[str, float]:
        """Return the longest others have waited for each sensor's device since the last call."""
        found: dict[str, float] = {}
        for unit in self.poller.units:
            found.update(dict.fromkeys(unit.sensors, unit.worst_delay_s))
            unit.worst_delay_s = 0.0
        return found

    def figures(self) -> Mapping[str, float]:
        """Return what has been counted since the start, by the figure's name."""
        poller = self.poller
        return {
            "modbus_reads": poller.reads,
            "modbus_connects": self._client.connects,
            "polls_overrun": sum(job.overruns for job in poller.jobs),
            "device_failures": poller.errors.count
            + sum(decoder.errors.count for job in poller.jobs for decoder in job.decoders),
        }

    async def command(self, device: Device, command: BaseCommand) -> CommandOutcome:
        """Write a command between two reads, once."""
        unit = next((unit for unit in self.poller.units if unit.number == unit_of(device)), None)
        if unit is None or device not in self._devices or not isinstance(command, Command):
            return CommandOutcome(CommandResult.FAILED, "not sent: the connection is being set up anew")
        return await commands.command(self.poller.commands, unit, command)
