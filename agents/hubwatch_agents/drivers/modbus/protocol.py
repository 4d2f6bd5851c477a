"""The Modbus protocol, as the table of protocols lists it."""

from __future__ import annotations

from hubwatch_agents.connections import RtuConnection, RtuOverTcpConnection, TcpConnection, TlsConnection
from hubwatch_agents.profiles.modbus_schema import ModbusProfile
from hubwatch_agents.protocol import ProtocolDescriptor

PROTOCOL = ProtocolDescriptor(
    name="modbus",
    connections=(
        TcpConnection,
        RtuOverTcpConnection,
        RtuConnection,
        TlsConnection,
    ),
    profile=ModbusProfile,
    module="hubwatch_agents.drivers.modbus.behaviour",
)
