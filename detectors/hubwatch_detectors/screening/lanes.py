"""What should come to a scanner: vehicles that have passed the step before it in their lane.

Each vehicle that passes the step before is expected at the scanner within the step's time. Where all must come, each
that does not is told, and its usual delay says which one a scan is of (`step_delay.py`). Where only a share must, a
CUSUM over "came" and "did not come" compares the share of the site with a quarter of it; until it reaches h by chance
at least e^h vehicles pass on average (Lorden 1971).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec

from hubwatch_core.clock import SECOND_US
from hubwatch_detectors.step_delay import StepDelay
from hubwatch_site import HubSite

MAX_EXPECTED = 64
FEWER = 0.25
"""The share that the CUSUM looks for, as a part of the share of the site; our choice."""


@dataclass(frozen=True, slots=True)
class ScannerStep:
    """A step of a lane at a scanner, with the sensor of the step before."""

    lane: str
    before: str
    within_s: float
    share: float


class ExpectedVehicles(msgspec.Struct):
    """Vehicles on their way to one scanner, and how many came of those before."""

    waiting: list[int] = []
    delay: StepDelay = msgspec.field(default_factory=StepDelay)
    """When they passed the step before (µs)."""
    due: int = 0
    came: int = 0
    skipped_sum: float = 0.0
    missed: int = 0
    """Vehicles that did not come since the sum left zero."""
    since: int = 0

    def expect(self, t: int) -> None:
        """Expect a vehicle that passed the step before at `t`."""
        if t not in self.waiting:
            self.waiting = sorted([*self.waiting, t])[-MAX_EXPECTED:]

    def arrive(self, t: int, step: ScannerStep) -> bool:
        """Take one that comes at `t`; False where none was on its way, nor told to be missing shortly before."""
        reach = round(step.within_s * SECOND_US)
        near = [passed for passed in self.waiting if passed <= t <= passed + reach]
        if not near:
            late = step.share >= 1 and self.delay.surplus(t)
            self.came += late
            return late
        passed = near[self.delay.take(near, t) if step.share >= 1 else 0]
        self.waiting.remove(passed)
        self._count(passed, step, came=True)
        return True

    def overdue(self, now: int, step: ScannerStep, grace_s: float) -> list[int]:
        """Return, and count, the vehicles that have not come up to `now`."""
        until = now - round((step.within_s + grace_s) * SECOND_US)
        late = [t for t in self.waiting if t < until]
        self.waiting = [t for t in self.waiting if t >= until]
        for t in late:
            self._count(t, step, came=False)
            self.delay.miss(t, t + round((step.within_s + grace_s) * SECOND_US))
        return late

    def _count(self, t: int, step: ScannerStep, *, came: bool) -> None:
        self.due += 1
        self.came += came
        if step.share >= 1:
            return
        if self.skipped_sum <= 0:
            self.since, self.missed = t, 0
        fewer = step.share * FEWER
        gain = math.log(FEWER) if came else math.log((1 - fewer) / (1 - step.share))
        self.skipped_sum = max(0.0, self.skipped_sum + gain)
        self.missed += not came


def scanner_steps(site: HubSite | None) -> dict[str, ScannerStep]:
    """Return the steps of lanes that say within which time a vehicle comes, by their sensor."""
    found: dict[str, ScannerStep] = {}
    for lane in site.lanes if site else ():
        for before, step in zip(lane.steps, lane.steps[1:], strict=False):
            if step.within_s is not None:
                found.setdefault(step.sensor, ScannerStep(lane.id, before.sensor, step.within_s, step.share))
    return found
