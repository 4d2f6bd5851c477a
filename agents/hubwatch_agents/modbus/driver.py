"""The Modbus driver: TCP, RTU, RTU over TCP and TLS."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from hubwatch_agents.commands.outcome import Outcome, Result
from hubwatch_agents.connections import Connection, MqttWay, SparkplugWay
from hubwatch_agents.devices import Device
from hubwatch_agents.drivers import AnyCommand, Tools
from hubwatch_agents.modbus import commanding
from hubwatch_agents.modbus.client import Client
from hubwatch_agents.modbus.jobs import jobs_of, unit_of
from hubwatch_agents.modbus.poller import Poller
from hubwatch_agents.profiles.modbus_schema import Command


class ModbusDriver:
    """Polls everything behind one Modbus connection."""

    def __init__(self, connection: Connection, devices: Sequence[Device], tools: Tools) -> None:
        assert not isinstance(connection, MqttWay | SparkplugWay)
        self._devices = tuple(devices)
        jobs = jobs_of(connection, devices, tools.pseudonym)
        self.poller = Poller(connection, jobs, Client(connection), tools.sink)

    async def run(self, stop: asyncio.Event) -> None:
        """Poll until `stop` is set."""
        await self.poller.run(stop)

    def delays_s(self) -> Mapping[str, float]:
        """Give the longest others have waited for each sensor's device since the last call."""
        found: dict[str, float] = {}
        for unit in self.poller.units:
            found.update(dict.fromkeys(unit.sensors, unit.worst_delay_s))
            unit.worst_delay_s = 0.0
        return found

    async def command(self, device: Device, command: AnyCommand) -> Outcome:
        """Write a command between two reads, once."""
        unit = next((unit for unit in self.poller.units if unit.number == unit_of(device)), None)
        if unit is None or device not in self._devices or not isinstance(command, Command):
            return Outcome(Result.FAILED, "not sent: the connection is being set up anew")
        return await commanding.command(self.poller.orders, unit, command)
