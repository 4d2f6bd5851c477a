"""Devices of the soak: each counts what it hands out, never twice the same, and keeps its own account of it."""

from __future__ import annotations

import asyncio
import json
import time
from typing import NamedTuple

from support.agents_modbus_device import Line, Unit
from support.agents_transports import Voice

COUNT_WIRE = 0
"""Register of the upper half of the count; the lower half follows."""


class Given(NamedTuple):
    """A count that was handed out, and when (seconds since 1970)."""

    n: int
    at: float


class Account:
    """What one device has handed out."""

    def __init__(self) -> None:
        self.given: list[Given] = []

    def next(self) -> int:
        """Count once more."""
        self.given.append(Given(len(self.given) + 1, time.time()))
        return len(self.given)


class CountingRegisters(dict[int, int]):
    """Registers of which the first two are a count that rises with every read."""

    def __init__(self, account: Account) -> None:
        super().__init__({COUNT_WIRE: 0, COUNT_WIRE + 1: 0})
        self._account = account

    def __getitem__(self, wire: int) -> int:
        """Read a register; reading the first counts."""
        if wire == COUNT_WIRE:
            n = self._account.next()
            self[COUNT_WIRE + 1] = n & 0xFFFF
            return n >> 16
        return super().__getitem__(wire)


def counting_line(account: Account) -> Line:
    """Make a Modbus line with one counting unit."""
    return Line({1: Unit(registers=CountingRegisters(account))})


async def count_aloud(voice: Voice, topic: str, account: Account, period_s: float = 0.2) -> None:
    """Publish a count as a device with MQTT of its own does, for ever."""
    while True:
        await voice.say(topic, json.dumps({"n": account.next()}).encode())
        await asyncio.sleep(period_s)
