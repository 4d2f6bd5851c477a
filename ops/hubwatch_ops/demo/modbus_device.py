"""A simulated device behind a real Modbus TCP server, which counts its answers."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections import Counter
from typing import cast

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

# When a device stops during a request, pymodbus logs its last packets, which would disturb the demo's output.
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)

Registers = dict[int, int]


class ModbusDevice(ABC):
    """One device on its own loopback port.

    `served` counts, by its value, every mark the device has handed out in an answer: the mark is a register value
    that tells one answer from the next. What the database must hold is counted against it.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.port = 0
        self.served: Counter[int] = Counter()
        self._busy = False
        self._server: ModbusTcpServer | None = None

    @abstractmethod
    def layout(self) -> dict[int, list[tuple[int, int]]]:
        """Return the blocks (start, length in registers or bits) of each function code 1–4 that the device has."""

    @abstractmethod
    def answer(self, function: int, address: int, count: int) -> Registers:
        """Return the present values (by address) for a read request, and count the answer."""

    async def start(self) -> None:
        """Listen on loopback, on the same port as before when started again."""
        server = ModbusTcpServer(self._sim_device(), address=("127.0.0.1", self.port))
        await server.serve_forever(background=True)
        self._server = server
        self.port = cast("asyncio.Server", server.transport).sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop: close every connection and refuse new ones."""
        if self._server is not None:
            await self._server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus leaves it bare
            self._server = None
            await asyncio.sleep(0)

    def fall_silent(self) -> None:
        """Answer every further request with "busy": what was served until now is all that is to be stored."""
        self._busy = True

    def speak(self) -> None:
        """Answer again."""
        self._busy = False

    def _sim_device(self) -> SimDevice:
        layout = self.layout()

        def block(function: int) -> list[SimData]:
            kind = DataType.BITS if function in (1, 2) else DataType.REGISTERS
            value: bool | int = False if function in (1, 2) else 0
            spans = layout.get(function) or [(0, 16 if function in (1, 2) else 1)]
            return [SimData(start, count=length, values=value, datatype=kind) for start, length in sorted(spans)]

        return SimDevice(1, simdata=(block(1), block(2), block(3), block(4)), action=self._action)

    async def _action(
        self,
        function: int,
        start: int,
        address: int,
        count: int,
        registers: list[int],
        written: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        if written is not None:
            return ExcCodes.ILLEGAL_FUNCTION
        if self._busy:
            return ExcCodes.DEVICE_BUSY
        for wire, value in self.answer(function, address, count).items():
            if 0 <= wire - start < len(registers):
                registers[wire - start] = value
        return None


def low_word_first(value: int) -> tuple[int, int]:
    """Split 32 bits into two registers, low word first (as the Aspect portal does)."""
    return value & 0xFFFF, (value >> 16) & 0xFFFF
