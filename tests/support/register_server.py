"""A Modbus TCP server that has exactly the registers it is given, and refuses every other as a real device does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

from pymodbus.constants import ExcCodes
from pymodbus.pdu import ModbusPDU
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

if TYPE_CHECKING:
    import asyncio

Addresses = dict[int, dict[int, int]]
"""For each function 1 to 4: address to value."""


class RegisterServer:
    """One unit; reads across an address it does not have are exception 2, reads of too many are exception 3."""

    def __init__(self, unit: int, most: int, has: Mapping[int, Mapping[int, int]]) -> None:
        self.values: Addresses = {function: dict(has.get(function, {})) for function in (1, 2, 3, 4)}
        self.port = 0
        self.refused: list[tuple[int, int, int]] = []
        """Requests that were refused: function, address, count."""
        self.writable: set[tuple[int, int]] = set()
        """What may be written, as (function that reads it, address); nothing unless a test says so."""
        self._unit = unit
        self._most = most
        self._asked = (0, 0, 0)

    def change(self, values: Mapping[int, Mapping[int, int]]) -> None:
        """Set some of its registers."""
        for function, some in values.items():
            self.values[function].update(some)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[RegisterServer]:
        """Listen on a free port of loopback."""
        server = ModbusTcpServer(self._device(), address=("127.0.0.1", 0), trace_pdu=self._look)
        await server.serve_forever(background=True)
        self.port = cast("asyncio.Server", server.transport).sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            await server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus leaves it bare

    def _device(self) -> SimDevice:
        def block(function: int) -> list[SimData]:
            count = max(self.values[function], default=0) + 1
            if function in (1, 2):
                return [SimData(0, count=count, values=False, datatype=DataType.BITS)]
            return [SimData(0, count=count, values=0, datatype=DataType.REGISTERS)]

        return SimDevice(self._unit, simdata=(block(1), block(2), block(3), block(4)), action=self._answer)

    def _look(self, sending: bool, pdu: ModbusPDU) -> ModbusPDU:
        # For bits the action below is told the count in words only; and what lies beyond the last address that is
        # there is refused without asking it.
        if not sending:
            self._asked = (pdu.function_code, pdu.address, pdu.count)
        elif pdu.isError():
            self.refused.append(self._asked)
        return pdu

    async def _answer(
        self,
        function: int,
        start: int,
        address: int,
        _count: int,
        registers: list[int],
        written: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        if written is not None:
            return self._write(function, address, written)
        if function not in self.values:
            return None  # pymodbus reads back what it has just written
        has, count = self.values[function], self._asked[2]
        asked = range(address, address + count)
        if any(wire not in has for wire in asked):
            return ExcCodes.ILLEGAL_ADDRESS
        if function in (3, 4) and count > self._most:
            return ExcCodes.ILLEGAL_VALUE
        for wire in asked:
            _put(registers, function, wire - (start if function in (3, 4) else 16 * start), has[wire])
        return None

    def _write(self, function: int, address: int, written: list[int] | list[bool]) -> ExcCodes | None:
        space = 1 if function in (5, 15) else 3
        wires = range(address, address + len(written))
        if any((space, wire) not in self.writable for wire in wires):
            return ExcCodes.ILLEGAL_ADDRESS
        self.values[space].update(zip(wires, map(int, written), strict=True))
        return None


def _put(registers: list[int], function: int, place: int, value: int) -> None:
    if function in (3, 4):
        registers[place] = value
        return
    word, bit = divmod(place, 16)
    registers[word] = (registers[word] & ~(1 << bit)) | (value << bit)
