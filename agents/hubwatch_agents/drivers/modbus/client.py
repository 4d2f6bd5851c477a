"""A Modbus client: reads and writes as PDUs over whatever transport a connection names; every reply is checked."""

from __future__ import annotations

from typing import Protocol

from hubwatch_agents.connections import ModbusConnection, RtuConnection
from hubwatch_agents.drivers.modbus import pdu
from hubwatch_agents.drivers.modbus.plan import ReadRequest
from hubwatch_agents.drivers.modbus.transport import Transport


class ModbusReader(Protocol):
    """What the poller needs of a connection."""

    @property
    def connected(self) -> bool:
        """Whether the connection stands."""
        ...

    @property
    def connects(self) -> int:
        """How often it was made."""
        ...

    async def connect(self) -> None:
        """Connect anew. Raises LinkLost."""
        ...

    async def read(self, request: ReadRequest, unit: int, timeout_s: float) -> list[int]:
        """Return the registers or bits asked for. Raises a Fault."""
        ...

    async def write(self, function: int, address: int, values: tuple[int, ...], unit: int, timeout_s: float) -> None:
        """Write. Raises a Fault."""
        ...

    def close(self) -> None:
        """Close the connection, if it stands."""
        ...


class ModbusClient:
    """One connection, one request at a time."""

    def __init__(self, connection: ModbusConnection) -> None:
        """Prepare, without connecting. Raises Permanent, naming the file, when a TLS file cannot be used."""
        self._transport = _transport(connection)
        self.connects = 0

    @property
    def connected(self) -> bool:
        """Whether the connection stands."""
        return self._transport.connected

    async def connect(self) -> None:
        """Connect anew. Raises LinkLost with the cause."""
        await self._transport.connect()
        self.connects += 1

    async def read(self, request: ReadRequest, unit: int, timeout_s: float) -> list[int]:
        """Read registers or bits from `unit`. Raises a Fault that says what came instead."""
        return pdu.values(await self._transport.exchange(unit, pdu.read(request), timeout_s), request)

    async def write(self, function: int, address: int, values: tuple[int, ...], unit: int, timeout_s: float) -> None:
        """Write coils (5, 15) or registers (6, 16). Raises a Fault."""
        reply = await self._transport.exchange(unit, pdu.write(function, address, values), timeout_s)
        pdu.check_written(reply, function, address, values)

    def close(self) -> None:
        """Close the connection, if it stands."""
        self._transport.close()


def _transport(connection: ModbusConnection) -> Transport:
    """Make the transport a connection names; each is imported only when used, for memory is short at the edge."""
    if isinstance(connection, RtuConnection):
        from hubwatch_agents.drivers.modbus.serial import SerialTransport

        return SerialTransport(connection)
    from hubwatch_agents.drivers.modbus.tcp import TcpTransport

    return TcpTransport(connection)
