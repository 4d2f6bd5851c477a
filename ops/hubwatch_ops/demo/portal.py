"""A simulated Aspect (Yantar) radiation portal monitor.

Ref: register map of `osh-oakridge-modules`, sensorhub-driver-aspect (as in `profiles/aspect-rpm.toml`). The physics is
the usual one: Poisson counts, a point source that passes at a distance (solid angle and obliquity of a flat panel;
Fehlau, INMM 1983), a vehicle that shields some of the background (about 10 %; Ludlum 4525 manual p. 16 speaks of 15 %
for vehicles beside the panels), and a load with natural radioactivity (NORM) all along the vehicle. The portal's own
alarm is k·sigma over the background.
"""

from __future__ import annotations

import math
import random
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass

from hubwatch_ops.demo.modbus_device import ModbusDevice, Registers, low_word_first

SAMPLE_S = 0.2
LEAST_SAMPLE_S = 0.1
"""An answer sooner after the last one gives the same sample."""
GAMMA_BACKGROUND = 100.0
"""Counts per sample of all panels: 500 counts/s."""
NEUTRON_BACKGROUND = 0.4
"""Counts per sample: 2 counts/s, the mean of a vendor manual's 0–10 per bank."""
SHIELDING = 0.10
SPEED_M_S, DISTANCE_M = 2.2, 2.5
"""8 km/h, which drive-through portals are designed for, and half of a lane."""
ENTRY_S, RAMP_S = 0.5, 1.0
"""From the beam that reports a vehicle to its front before the panels, and until it is all before them."""
DESCRIPTION, STATUS = 0, 100

READY = 1 << 7
ALARM_1 = 1 << 0
OCCUPIED = 0x000F


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A vehicle: when it arrives, how long it takes, and the strength of its source (counts per sample at the peak).

    `shielding` is the share of the background that it keeps away, `load` the share that a load of NORM adds.
    """

    start: float
    seconds: float
    gamma_peak: float = 0.0
    neutron_peak: float = 0.0
    shielding: float = SHIELDING
    load: float = 0.0

    def present(self, t: float) -> bool:
        """Return whether the vehicle is between the panels at `t` (s)."""
        return self.start <= t < self.start + self.seconds

    def source(self, t: float) -> float:
        """Return the share of the source that the panels measure at `t`, 1 as it passes them in the middle."""
        return float((1 + ((t - self.start - self.seconds / 2) * SPEED_M_S / DISTANCE_M) ** 2) ** -1.5)

    def background(self, t: float) -> float:
        """Return the share of the background that is left at `t`, with what the load adds."""
        inside = min(t - self.start, self.start + self.seconds - t) - ENTRY_S
        return 1 + (self.load - self.shielding) * min(max(inside / RAMP_S, 0.0), 1.0)


class Portal(ModbusDevice):
    """One portal; vehicles drive through on request, and its registers can freeze.

    `started` (s, UTC) is when its elapsed time, in milliseconds, was 0. `clock` gives the time.
    """

    def __init__(self, name: str, seed: int, clock: Callable[[], float] = time.time) -> None:
        super().__init__(name)
        self._clock = clock
        self._random = random.Random(seed)  # noqa: S311 - physics, not secrets
        self._vehicles: list[Vehicle] = []
        self._frozen: Registers | None = None
        self._hangs: list[tuple[float, float]] = []
        self.started = self._clock()
        self._sampled = 0.0
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
        self._hangs.append((self._clock(), math.inf))
        self._frozen = self._registers(self._clock())

    def thaw(self) -> None:
        """Update the registers again."""
        self._frozen = None
        self._hangs[-1] = (self._hangs[-1][0], self._clock())

    def was_frozen(self, t: float) -> bool:
        """Return whether the registers were frozen at `t` (s); no latency is measured then."""
        return any(begin <= t <= end for begin, end in self._hangs)

    def answer(self, function: int, address: int, count: int) -> Registers:
        """Return all registers; the elapsed time identifies the answer."""
        registers = self._frozen or self._registers(self._clock())
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
            round(SPEED_M_S * 1000),
            0,
        ]
        return {**dict(enumerate([0xA5A5, 29, 1, STATUS, 21, 0, 0, 0])), **dict(enumerate(words, STATUS))}

    def _count(self, now: float) -> None:
        """Draw the counts of a sample, unless the last one has only begun.

        A sample ends as it is read: polled by a clock of its own, one sample would be counted twice and another never.
        """
        if now - self._sampled < LEAST_SAMPLE_S:
            return
        self._sampled = now
        here = [vehicle for vehicle in self._vehicles if vehicle.present(now)]
        self._vehicles = [vehicle for vehicle in self._vehicles if now < vehicle.start + vehicle.seconds]
        background = GAMMA_BACKGROUND * math.prod(each.background(now) for each in here)
        self._gamma = self._poisson(background + sum(each.gamma_peak * each.source(now) for each in here))
        self._neutron = self._poisson(NEUTRON_BACKGROUND + sum(each.neutron_peak * each.source(now) for each in here))

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
