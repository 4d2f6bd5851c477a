"""The drivers of the protocols in the table, each imported when it is used."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import cast

from hubwatch_agents.connections import ConnectionSection
from hubwatch_agents.devices import Device
from hubwatch_agents.drivers.contract import Driver, DriverContext, DriverModule
from hubwatch_agents.protocols import protocol_of


def module_of(connection: ConnectionSection) -> DriverModule:
    """Return the module of a connection's protocol."""
    return cast("DriverModule", import_module(protocol_of(connection).module))


def make(connection: ConnectionSection, devices: Sequence[Device], context: DriverContext) -> Driver:
    """Make the driver of a connection. Raises Permanent for files that cannot be used."""
    return module_of(connection).Driver(connection, devices, context)
