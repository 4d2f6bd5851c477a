"""A simulated Moxa ioLogik E1200 with the contacts of doors, fences or a scanner on its inputs.

Ref: ioLogik E1200 manual, appendix A (as in `profiles/moxa-iologik-e1210.toml`): inputs as FC02 0+ and as bits of
FC04 48, counters u32 high word first from FC04 16, uptime at FC04 5020.
"""

from __future__ import annotations

import time

from hubwatch_ops.demo.modbus_device import ModbusDevice, Registers

INPUTS = 16
COUNTERS, INPUT_WORD, UPTIME = 0x10, 0x30, 5020


class IoModule(ModbusDevice):
    """Sixteen inputs. `changes` records when (s) each counter changed to each value; latency is measured from it."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._inputs = [False] * INPUTS
        self._counters = [0] * INPUTS
        self._started = time.time()
        self.changes: dict[int, dict[int, float]] = {}

    def layout(self) -> dict[int, list[tuple[int, int]]]:
        """Inputs as bits, and the input registers."""
        return {2: [(0, INPUTS)], 4: [(COUNTERS, 2 * INPUTS), (INPUT_WORD, 1), (5000, 48)]}

    def set(self, line: int, closed: bool) -> None:
        """Close or open the contact on an input; closing increments its counter, as in the module."""
        if closed and not self._inputs[line]:
            self._counters[line] += 1
            self.changes.setdefault(line, {})[self._counters[line]] = time.time()
        self._inputs[line] = closed

    def answer(self, function: int, address: int, count: int) -> Registers:
        """Return the registers of the function code, and the word of inputs by which the answer is counted."""
        word = sum(1 << line for line, closed in enumerate(self._inputs) if closed)
        if function == 2:
            self.served[word] += 1
            return {0: word}
        if function == 4 and address <= INPUT_WORD < address + count:
            self.served[word] += 1
        registers = {INPUT_WORD: word}
        for line, counted in enumerate(self._counters):
            registers[COUNTERS + 2 * line] = counted >> 16
            registers[COUNTERS + 2 * line + 1] = counted & 0xFFFF
        uptime = int(time.time() - self._started)
        return {**registers, UPTIME: uptime >> 16, UPTIME + 1: uptime & 0xFFFF}
