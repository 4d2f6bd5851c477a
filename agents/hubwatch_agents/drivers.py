"""The drivers: one contract, one table. A new protocol is one line here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from hubwatch_agents.commands.outcome import Outcome
from hubwatch_agents.connections import Connection
from hubwatch_agents.devices import Device
from hubwatch_agents.drops import Drops
from hubwatch_agents.marks import Marks
from hubwatch_agents.privacy import Pseudonym
from hubwatch_agents.profiles.modbus_schema import Command
from hubwatch_agents.profiles.mqtt_schema import MqttCommand
from hubwatch_agents.readings import Sink

AnyCommand = Command | MqttCommand
"""What a profile can name to be told to a device."""


class Driver(Protocol):
    """Reads every device behind one connection.

    It hands over each reading once, with the time it was read and a quality that says whether it may be believed; a
    device that does not answer, or answers wrongly, gives bad readings with the reason and hurts no other device;
    no outage ends it.
    """

    async def run(self, stop: asyncio.Event) -> None:
        """Read until `stop` is set. Raises only what no waiting mends (Permanent)."""
        ...

    def delays_s(self) -> Mapping[str, float]:
        """Give, for each sensor, the longest others have waited for it since the last call, in seconds."""
        ...

    async def command(self, device: Device, command: AnyCommand) -> Outcome:
        """Give a command to a device, once; never raises for what the device or the line does."""
        ...


@dataclass(frozen=True, slots=True)
class Tools:
    """What every driver gets: where readings go, who makes pseudonyms, and whose agent this is.

    `drops` counts what is not used of what devices say; `marks` holds what must be known after a restart.
    """

    sink: Sink
    pseudonym: Pseudonym
    client_id: str
    drops: Drops = field(default_factory=Drops)
    marks: Marks = field(default_factory=Marks)


Make = Callable[[Connection, Sequence[Device], Tools], Driver]


def _modbus(connection: Connection, devices: Sequence[Device], tools: Tools) -> Driver:
    from hubwatch_agents.modbus.driver import ModbusDriver

    return ModbusDriver(connection, devices, tools)


def _mqtt(connection: Connection, devices: Sequence[Device], tools: Tools) -> Driver:
    from hubwatch_agents.mqtt_json.driver import MqttDriver

    return MqttDriver(connection, devices, tools)


def _sparkplug(connection: Connection, devices: Sequence[Device], tools: Tools) -> Driver:
    from hubwatch_agents.sparkplug.driver import SparkplugDriver

    return SparkplugDriver(connection, devices, tools)


DRIVERS: dict[str, Make] = {
    "tcp": _modbus,
    "rtu": _modbus,
    "rtu_over_tcp": _modbus,
    "tls": _modbus,
    "mqtt": _mqtt,
    "sparkplug": _sparkplug,
}
"""Transport of a connection to what makes its driver. Imported only when used: memory is short at the edge."""


def make(connection: Connection, devices: Sequence[Device], tools: Tools) -> Driver:
    """Make the driver of a connection. Raises Permanent for files that cannot be used."""
    return DRIVERS[connection.transport](connection, devices, tools)
