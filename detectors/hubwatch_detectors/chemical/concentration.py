"""One concentration: a rise against the channel's own noise, and signs that the sensor no longer measures.

Clean air gives noise around a baseline that drifts. Three sums (CUSUM) look for a rise by one, two and four
standard deviations. Until one of them reaches h by chance at least e^h readings pass on average (Lorden 1971), so h
follows from the false alarms that are allowed. Oxygen is watched for falling too. The baseline follows over half an
hour, and not while a sum is up: what creeps more slowly is left to the device's own alarms.
"""

from __future__ import annotations

import math

import msgspec

from hubwatch_detectors.methods.scatter import MIN_STEPS, Scatter

SHIFTS = (1.0, 2.0, 4.0)
"""Rises looked for, in standard deviations. A baseline that creeps by less than half a one in half an hour is drift."""
REACH = 1800.0
"""Readings over which the baseline is averaged: half an hour at one a second. Our choice."""
WANDER_REACH = 86_400.0
LEAST_NOISE = {"ppm": 0.1, "ppb": 10.0, "mg/m³": 0.1, "%LEL": 0.5, "%vol": 0.05}
"""Least standard deviation of a reading, by unit; our choice, well below first alarms (H2S 5 ppm, CO 30 ppm, 10 %LEL):
devices show zero in clean air, and no noise."""
FULL = {"%LEL": 100.0, "%vol": 100.0}
"""The end of the range, where the unit has one."""
OXYGEN = (17.0, 24.0)
"""A baseline in % vol that is oxygen's."""
BACK_SIGMA = 1.0
"""Standard deviations around the baseline within which the mean of ten readings is back to normal: four of its own."""
NEGATIVE_SIGMA = 6.0
"""A baseline so far below zero is that of a poisoned or drifted cell."""
DEAD_SHARE = 5.0
"""A channel that used to scatter by so many least noises and now stands at zero is dead."""


class Concentration(msgspec.Struct):
    """What is known of one concentration; times in µs."""

    last: int = 0
    value: float = 0.0
    seen: int = 0
    mean: float = 0.0
    wander: float = 0.0
    """Mean squared distance from the baseline."""
    scatter: Scatter = msgspec.field(default_factory=Scatter)
    up: list[float] = msgspec.field(default_factory=lambda: [0.0] * len(SHIFTS))
    down: list[float] = msgspec.field(default_factory=lambda: [0.0] * len(SHIFTS))
    began: int = 0
    """When the sum that is highest left zero."""
    still: int = 0
    """Since when the value has not moved."""
    recent: list[float] = []

    def noise(self, unit: str, resolution: float | None) -> float:
        """Return the standard deviation of a reading."""
        least = max(LEAST_NOISE.get(unit, 0.0), resolution or 0.0, 1e-3 * abs(self.mean))
        return max(least, math.sqrt(max(self.scatter.variance() or 0.0, self.wander)))

    def is_known(self) -> bool:
        """Return whether enough was seen to judge."""
        return self.seen > 2 * MIN_STEPS

    def is_oxygen(self, unit: str) -> bool:
        """Return whether it is oxygen, of which too little is as bad as too much."""
        return unit == "%vol" and OXYGEN[0] <= self.mean <= OXYGEN[1]

    def step(self, t: int, value: float, noise: float) -> float:
        """Take a reading into the sums; return the highest (nats)."""
        y = (value - self.mean) / noise
        up, down = self.up, self.down
        if not (any(up) or any(down)):
            self.began = t
        for i, shift in enumerate(SHIFTS):
            more, less = up[i] + shift * (y - shift / 2), down[i] + shift * (-y - shift / 2)
            up[i] = more if more > 0.0 else 0.0
            down[i] = less if less > 0.0 else 0.0
        return max(up)

    def learn(self, value: float) -> None:
        """Let the baseline follow a reading that is no rise."""
        self.seen += 1
        self.scatter.add(value)
        self.mean += (value - self.mean) / min(self.seen, REACH)
        if self.is_known():
            away = min((value - self.mean) ** 2, 9 * max(self.wander, 1e-12) if self.wander else math.inf)
            self.wander += (away - self.wander) / min(self.seen, WANDER_REACH)

    def settle(self) -> None:
        """Begin the sums anew."""
        self.up, self.down = [0.0] * len(SHIFTS), [0.0] * len(SHIFTS)

    def note(self, t: int, value: float, most: int) -> None:
        """Remember the reading itself."""
        if value != self.value or not self.last:
            self.still = t
        self.last, self.value = t, value
        self.recent.append(float(f"{value:.5g}"))
        if len(self.recent) > most:
            del self.recent[0]

    def fault(self, unit: str, resolution: float | None, dead_us: int) -> str | None:
        """Return what says that the sensor no longer measures; None for nothing."""
        least = max(LEAST_NOISE.get(unit, 0.0), resolution or 0.0)
        if least > 0 and self.mean < -NEGATIVE_SIGMA * least:
            return "has drifted below zero, as a poisoned cell does"
        if self.value != 0 or self.last - self.still < dead_us:
            return None
        usual = math.sqrt(self.scatter.one)
        return "stands at zero, where it used to move" if usual > DEAD_SHARE * max(least, 1e-9) else None


def needed(false_alarms_per_day: float, period_s: float) -> float:
    """Return the height of a sum (nats) that chance reaches so seldom."""
    return math.log(2 * len(SHIFTS) * 86_400 / period_s / false_alarms_per_day)
