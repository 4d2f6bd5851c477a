"""What an area monitor counts when nothing is there, learned so slowly that a rise is seen before it is learned.

Counts are learned in blocks, and a block only when it is as old as the quarantine (or as all that was learned before
it, while that is less), so that a ramp of a few per cent an hour alarms before it becomes background; blocks in an
alarm are never learned. The expectation of a block is rate × (1 + rain + hour of day):

- **rain** washes radon progeny to the ground, up to about 20 % more (Sim 2023, RPD 199:710). The effect follows the
  rain of the last hour with the decay of 214Pb and 214Bi, and its strength is learned; until it is, and as it differs
  from rain to rain, it adds to the uncertainty.
- **hour of day** is taken into account once the 24 hourly means differ by more than counting statistics explain, and
  shrunk towards nothing as far as they do not (empirical Bayes).
- what still wanders from hour to hour beyond counting statistics is `wander`; it makes long windows less certain.
"""

from __future__ import annotations

import math

import msgspec

DAY_US, HOUR_US = 86_400_000_000, 3_600_000_000
REACH_S = 2 * 86_400.0
"""How far back the rate looks: two days. Our choice: longer than a night of radon."""
MAX_WAITING = 64
"""Blocks that may wait to be learned."""
RAIN_GAIN, RAIN_DOUBT = 0.01, 0.01
"""Rise for each mm/h of lasting rain before anything is learned, and its uncertainty: 10 mm/h then give 10 ± 10 %, with
which the 20 % of Sim 2023 in heavy rain agree. Our choice."""
RAIN_VARIES = 0.3
"""Share by which the effect of equal rain differs from one rain to the next; our choice."""
FORGET_HOURS = 168.0
"""Hours over which wander and the hours of the day are averaged: a week, so that weekdays are in it."""
DEAD_SIGMA = 6.0
"""A block that far below its expectation is a dead or saturated detector's and is not learned."""


class CountBlock(msgspec.Struct, array_like=True):
    """Counts of some minutes, with what a rate of one would have given and how many samples they are of."""

    t: int
    counted: float = 0.0
    exposure: float = 0.0
    samples: int = 0
    rain: float = 0.0


class AreaBackground(msgspec.Struct):
    """The background of one monitor; the rate is counts a sample."""

    counted: float = 0.0
    exposure: float = 0.0
    samples: float = 0.0
    waiting: list[CountBlock] = []
    waiting_counted: float = 0.0
    waiting_exposure: float = 0.0
    block: CountBlock | None = None
    dispersion: float = 1.0
    """Variance over mean; 1 for counts."""
    rain_gain: float = RAIN_GAIN
    rain_variance: float = RAIN_DOUBT**2
    hours: list[float] = msgspec.field(default_factory=lambda: [0.0] * 24)
    """Mean residual of each hour of the day, as a share of the rate."""
    hour_weight: list[float] = msgspec.field(default_factory=lambda: [0.0] * 24)
    """Counts behind each of them."""
    shape: list[float] = []
    """What of the hours is believed; empty for nothing."""
    hour: CountBlock | None = None
    """The hour that is being summed up for `wander`."""
    wander: float = 0.0
    """Variance from hour to hour beyond counting, as a share of the rate squared."""
    excess: float = 0.0
    hours_seen: float = 0.0
    factor: float = 1.0
    doubt: float = 0.0
    """Variance of `factor`."""

    @property
    def rate(self) -> float:
        """Counts a sample; 0 when nothing is learned."""
        exposure = self.exposure
        return (self.counted + 0.5 * self.dispersion) / exposure if exposure else 0.0  # `known` by `exposure`

    @property
    def known(self) -> float:
        """Counts learned, and half a one more: Jeffreys' prior, so that after no counts at all some may come."""
        return self.counted + 0.5 * self.dispersion

    def waits(self) -> tuple[float, float]:
        """Return counts that wait to be learned, and the exposure they were counted in."""
        if self.block is None:
            return self.waiting_counted, self.waiting_exposure
        return self.waiting_counted + self.block.counted, self.waiting_exposure + self.block.exposure

    def begin(self, t: int, rain: float) -> None:
        """Begin a block at `t` (µs) under so much rain (mm/h, lasting)."""
        self.block = CountBlock(t, rain=rain)
        self.factor = max(0.5, 1 + self.rain_gain * rain + self.of_hour(t))
        self.doubt = rain * rain * (self.rain_variance + (RAIN_VARIES * self.rain_gain) ** 2)

    def add(self, counted: float) -> None:
        """Take a sample into the present block."""
        if self.block is not None:
            self.block.counted += counted
            self.block.exposure += self.factor
            self.block.samples += 1

    def close(self, quarantine: float, reach: float) -> None:
        """Put the present block among those that wait; learn what has waited for `quarantine` samples.

        The rate looks back over `reach` samples.
        """
        if self.block is not None and self.block.samples:
            self.waiting.append(self.block)
        self.block = None
        waits = sum(each.samples for each in self.waiting)
        while self.waiting:
            later = waits - self.waiting[0].samples
            if later < min(quarantine, self.samples) and len(self.waiting) <= MAX_WAITING:
                break
            self._learn(self.waiting.pop(0), reach)
            waits = later
        self._sum_up()

    def forget(self, samples: int) -> None:
        """Take back the newest samples: they are of something else than background."""
        self.block = None
        while self.waiting and samples > 0:
            samples -= self.waiting.pop().samples
        self._sum_up()

    def rewind(self) -> None:
        """Keep what was learned, and forget what waits."""
        self.waiting, self.block, self.hour = [], None, None
        self._sum_up()

    def of_hour(self, t: int) -> float:
        """Return by what share the hour of the day differs, between the middles of hours."""
        if not self.shape:
            return 0.0
        place = (t % DAY_US) / HOUR_US - 0.5
        first = math.floor(place)
        share = place - first
        return self.shape[first % 24] * (1 - share) + self.shape[(first + 1) % 24] * share

    def _sum_up(self) -> None:
        self.waiting_counted = sum((each.counted for each in self.waiting), 0.0)
        self.waiting_exposure = sum((each.exposure for each in self.waiting), 0.0)

    def _learn(self, block: CountBlock, reach: float) -> None:
        rate = self.rate
        if rate > 0:
            expected = rate * block.exposure
            if block.counted < expected * (1 - DEAD_SIGMA * math.sqrt(self._noise(expected))):
                return
            self._learn_rain(block, expected)
            self._sum_hour(block)
        self.counted += block.counted
        self.exposure += block.exposure
        self.samples += block.samples
        if self.samples > reach:
            keep = reach / self.samples
            self.counted, self.exposure, self.samples = self.counted * keep, self.exposure * keep, reach

    def _noise(self, expected: float) -> float:
        """Return the relative variance of a count with this expectation."""
        return self.dispersion * (1 / expected + 1 / self.known)

    def _learn_rain(self, block: CountBlock, expected: float) -> None:
        """Take one step of a Kalman filter for the effect of rain."""
        if block.rain <= 0 or expected <= 0:
            return
        residual = block.counted / expected - 1
        noise = self._noise(expected) + (RAIN_VARIES * self.rain_gain * block.rain) ** 2
        gain = self.rain_variance * block.rain / (block.rain**2 * self.rain_variance + noise)
        self.rain_gain = min(max(self.rain_gain + gain * residual, 0.0), 0.1)
        self.rain_variance *= 1 - gain * block.rain

    def _sum_hour(self, block: CountBlock) -> None:
        hour = self.hour
        if hour is not None and hour.t // HOUR_US != block.t // HOUR_US:
            self._learn_hour(hour)
            hour = None
        if hour is None:
            hour = self.hour = CountBlock(block.t)
        hour.counted += block.counted
        hour.exposure += block.exposure
        hour.samples += block.samples

    def _learn_hour(self, hour: CountBlock) -> None:
        """Judge a whole hour against the rate: how far off was it, and how far does counting explain?"""
        expected = self.rate * hour.exposure
        if expected <= 0:
            return
        residual = hour.counted / expected - 1
        noise = self._noise(expected)
        keep = 1 - 1 / FORGET_HOURS if self.hours_seen >= FORGET_HOURS else 1 - 1 / (self.hours_seen + 1)
        self.hours_seen = min(self.hours_seen + 1, FORGET_HOURS)
        self.excess = self.excess * keep + (residual**2 - noise) * (1 - keep)
        self.wander = max(0.0, self.excess - 2 * noise * math.sqrt(2 / self.hours_seen))
        place = (hour.t // HOUR_US) % 24
        residual += self.of_hour(hour.t)
        weight = min(self.hour_weight[place] + expected, 7 * expected)
        self.hours[place] += (residual - self.hours[place]) * expected / weight
        self.hour_weight[place] = weight
        if place == 0:
            self.shape = believed_hours(self.hours, [each / self.dispersion for each in self.hour_weight])


def believed_hours(hours: list[float], weights: list[float]) -> list[float]:
    """Return the hourly residuals as far as counting statistics do not explain them; empty when they explain all."""
    if min(weights) <= 0:
        return []
    middle = sum(hours) / len(hours)
    noise = sum(1 / weight for weight in weights) / len(weights)
    spread = sum((each - middle) ** 2 for each in hours) / (len(hours) - 1)
    beyond = spread - noise * (1 + 2 * math.sqrt(2 / (len(hours) - 1)))
    if beyond <= 0:
        return []
    return [(each - middle) * beyond / (beyond + 1 / weight) for each, weight in zip(hours, weights, strict=True)]
