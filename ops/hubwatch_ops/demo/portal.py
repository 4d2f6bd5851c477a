"""A simulated Aspect (Yantar) radiation portal monitor.

Ref: register map of `osh-oakridge-modules`, sensorhub-driver-aspect (as in `profiles/aspect-rpm.toml`). The physics is
the usual one: Poisson counts, a passing source as a bell over time, and a vehicle that shields some of the background
(about 10 %; Ludlum 4525 manual p. 16 speaks of 15 % for vehicles beside the panels).
"""

from __future__ import annotations

import math
import random
import struct
import time
from dataclasses import dataclass

from hubwatch_ops.demo.modbus_device import ModbusDevice, Registers, low_word_first

SAMPLE_S = 0.2
GAMMA_BACKGROUND = 100.0
"""Counts per sample of all panels: 500 counts/s."""
NEUTRON_BACKGROUND = 0.4
"""Counts per sample: 2 counts/s, the mean of a vendor manual's 0–10 per bank."""
SHIELDING = 0.10
DESCRIPTION, STATUS = 0, 100

READY = 1 << 7
ALARM_1 = 1 << 0
OCCUPIED = 0x000F


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A vehicle: when it arrives, how long it takes, and the strength of its source (counts per sample at the peak)."""

    start: float
    seconds: float
    gamma_peak: float = 0.0
    neutron_peak: float = 0.0

    def present(self, t: float) -> bool:
        """Return whether the vehicle is between the panels at `t` (s)."""
        return self.start <= t < self.start + self.seconds

    def bell(self, t: float) -> float:
        """Return the share of the source that the panels measure at `t`, 1 in the middle of the passage."""
        middle, width = self.start + self.seconds / 2, self.seconds / 6
        return math.exp(-(((t - middle) / width) ** 2) / 2)


class Portal(ModbusDevice):
    """One portal; vehicles drive through on request, and its registers can freeze.

    `started` (s, UTC) is when its elapsed time, in milliseconds, was 0.
    """

    def __init__(self, name: str, seed: int) -> None:
        super().__init__(name)
        self._random = random.Random(seed)  # noqa: S311 - physics, not secrets
        self._vehicles: list[Vehicle] = []
        self._frozen: Registers | None = None
        self._hangs: list[tuple[float, float]] = []
        self.started = time.time()
        self._sample = -1
        self._elapsed = 0
        self._gamma = round(GAMMA_BACKGROUND)
        self._neutron = 0
        self._objects = 7

    def layout(self) -> dict[int, list[tuple[int, int]]]:
        """The description block and the status block, both holding registers."""
        return {3: [(DESCRIPTION, 8), (STATUS, 21)]}

    def drive_through(self, vehicle: Vehicle) -> None:
        """Let a vehicle pass."""
        self._vehicles.append(vehicle)
        self._objects = (self._objects + 1) & 0xFFFF

    def freeze(self) -> None:
        """Hold every register at its last value, like a controller that hangs; the connection stays up."""
        self._hangs.append((time.time(), math.inf))
        self._frozen = self._registers(time.time())

    def thaw(self) -> None:
        """Update the registers again."""
        self._frozen = None
        self._hangs[-1] = (self._hangs[-1][0], time.time())

    def was_frozen(self, t: float) -> bool:
        """Return whether the registers were frozen at `t` (s); no latency is measured then."""
        return any(begin <= t <= end for begin, end in self._hangs)

    def answer(self, function: int, address: int, count: int) -> Registers:
        """Return all registers; the elapsed time identifies the answer."""
        registers = self._frozen or self._registers(time.time())
        if function == 3 and address <= STATUS and address + count > STATUS + 1:
            self.served[registers[STATUS] | registers[STATUS + 1] << 16] += 1
        return registers

    def _registers(self, now: float) -> Registers:
        self._count(now)
        # Two answers within one millisecond differ too.
        self._elapsed = max(self._elapsed + 1, int((now - self.started) * 1000))
        words = [
            *low_word_first(self._elapsed),
            OCCUPIED & 0x1 if any(vehicle.present(now) for vehicle in self._vehicles) else 0,
            self._status(self._gamma, GAMMA_BACKGROUND),
            *low_word_first(self._gamma),
            *_float(GAMMA_BACKGROUND),
            *_float(GAMMA_BACKGROUND),
            self._status(self._neutron, NEUTRON_BACKGROUND),
            *low_word_first(self._neutron),
            *_float(NEUTRON_BACKGROUND),
            *_float(NEUTRON_BACKGROUND),
            self._objects,
            2,
            2200,  # 2.2 m/s, the 8 km/h that drive-through portals are designed for
            0,
        ]
        return {**dict(enumerate([0xA5A5, 29, 1, STATUS, 21, 0, 0, 0])), **dict(enumerate(words, STATUS))}

    def _count(self, now: float) -> None:
        """Draw the counts of the sample that `now` falls into, once."""
        sample = int((now - self.started) / SAMPLE_S)
        if sample == self._sample:
            return
        self._sample = sample
        here = [vehicle for vehicle in self._vehicles if vehicle.present(now)]
        self._vehicles = [vehicle for vehicle in self._vehicles if now < vehicle.start + vehicle.seconds]
        background = GAMMA_BACKGROUND * (1 - SHIELDING if here else 1)
        self._gamma = self._poisson(background + sum(each.gamma_peak * each.bell(now) for each in here))
        self._neutron = self._poisson(NEUTRON_BACKGROUND + sum(each.neutron_peak * each.bell(now) for each in here))

    def _poisson(self, mean: float) -> int:
        """Count the arrivals within one sample."""
        arrivals, t = 0, self._random.expovariate(mean)
        while t < 1:
            arrivals += 1
            t += self._random.expovariate(mean)
        return arrivals

    @staticmethod
    def _status(counts: int, background: float) -> int:
        return READY | (ALARM_1 if counts > background + 7 * math.sqrt(background) + 3 else 0)


def _float(value: float) -> tuple[int, int]:
    return low_word_first(struct.unpack(">I", struct.pack(">f", value))[0])
