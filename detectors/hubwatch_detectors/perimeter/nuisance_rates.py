"""How often a section alarms for nothing, by weather; learned for each section, from a prior that the site gives.

Alarms and the time in which they came are counted apart for wind and rain, so that a fence in a storm is known for what
it is. Each rate is that of a Poisson count with a gamma prior of one day's weight.
"""

from __future__ import annotations

import math

import msgspec

from hubwatch_core.clock import SECOND_US

MINUTE_US, HOUR_US = 60 * SECOND_US, 3600 * SECOND_US
DAY_S = 86_400.0
WIND_M_S = (6.0, 9.0, 12.0)
"""Borders of calm, breeze, wind and storm; our choice. Nuisance of fences grows with the square of the wind and more
than that."""
WIND_TIMES = (1.0, 1.5, 4.0, 12.0)
"""How many times the calm rate is expected before anything is learned; our choice. In the reference simulation a fence
alarms 20 times as often in the worst 0.1 % of wind as on average (506 to 25.8 a km and day)."""
RAIN_MM_H, RAIN_TIMES = 1.0, 2.0
CLASSES = 2 * len(WIND_TIMES)
PRIOR_PER_DAY = 1.0
"""Nuisance alarms of a section in a calm day before anything is learned; fences of the reference simulation have 1.3,
other layers 0.7 and 1.25."""
PRIOR_S = DAY_S
EXPOSURE = {"sheltered": 0.5, "ordinary": 1.0, "exposed": 2.0}
"""Times the rate at a place of that exposure; our choice."""
GAUGES = frozenset({"wind_speed", "rain_rate"})
STEP_US = MINUTE_US
"""Readings of a section count as life once a minute."""
MAX_STEP_S = 300.0
"""A longer pause of a section's readings does not count as time in which it could have alarmed."""
REACH_S = 60 * DAY_S
"""Time looked back over: a season."""


class Weather(msgspec.Struct):
    """Wind and rain of the present minute and the one before, the strongest that any gauge of the hub says."""

    minute: int = 0
    wind: float = 0.0
    rain: float = 0.0
    wind_before: float = 0.0
    rain_before: float = 0.0

    def take(self, t: int, channel: str, value: float) -> None:
        """Take what a gauge says; `t` in µs."""
        minute = t // MINUTE_US
        if channel not in GAUGES or minute < self.minute:
            return
        if minute > self.minute:
            self.wind_before, self.rain_before = self.wind, self.rain
            self.minute, self.wind, self.rain = minute, 0.0, 0.0
        if channel == "wind_speed":
            self.wind = max(self.wind, value)
        else:
            self.rain = max(self.rain, value)

    def kind(self) -> int:
        """Return the class of the weather."""
        wind, rain = max(self.wind, self.wind_before), max(self.rain, self.rain_before)
        return sum(wind >= border for border in WIND_M_S) + (len(WIND_TIMES) if rain >= RAIN_MM_H else 0)


class NuisanceTally(msgspec.Struct):
    """Alarms of one section, and the seconds it could have alarmed in, by weather."""

    alarms: list[float] = msgspec.field(default_factory=lambda: [0.0] * CLASSES)
    seconds: list[float] = msgspec.field(default_factory=lambda: [0.0] * CLASSES)
    last: int = 0
    quiet: list[float] = msgspec.field(default_factory=lambda: [0.0] * CLASSES)
    """Seconds since the last alarm."""
    watched: bool = False
    """Whether its readings show that it is alive; one that speaks only of alarms may be dead when it is quiet."""

    def pass_time(self, t: int, weather: int, *, alive: bool) -> None:
        """Count the time since the last call; `alive` when a reading shows that the section works."""
        passed = (t - self.last) / SECOND_US if self.last else 0.0
        if passed <= 0 and self.last:
            return
        self.last = t
        self.watched = self.watched or alive
        if alive:
            passed = min(passed, MAX_STEP_S)
        self.seconds[weather] += passed
        self.quiet[weather] += passed
        total = sum(self.seconds)
        if total > REACH_S:
            keep = REACH_S / total
            self.seconds = [each * keep for each in self.seconds]
            self.alarms = [each * keep for each in self.alarms]

    def alarmed(self, weather: int) -> None:
        """Count an alarm."""
        self.alarms[weather] += 1
        self.quiet = [0.0] * CLASSES

    def take_back(self, weather: int) -> None:
        """An alarm was an intruder's: it says nothing of nuisance."""
        self.alarms[weather] = max(0.0, self.alarms[weather] - 1)

    def rate(self, weather: int, exposure: str) -> float:
        """Return the expected nuisance alarms a second."""
        return (self.alarms[weather] + _prior(weather, exposure)) / (self.seconds[weather] + PRIOR_S)

    def chance_of_quiet(self) -> float:
        """Return the probability of no alarm for so long, by the section's own history before.

        With a = 1/2 + alarms in T seconds of some weather the next t seconds hold none with (T/(T + t))^a.
        """
        log = 0.0
        for alarms, seconds, quiet in zip(self.alarms, self.seconds, self.quiet, strict=True):
            before = seconds - quiet
            if before > 0 and quiet > 0:
                log += (alarms + 0.5) * math.log(before / seconds)
        return math.exp(log)


def _prior(weather: int, exposure: str) -> float:
    """Return the alarms that the prior adds."""
    wind, rain = weather % len(WIND_TIMES), weather >= len(WIND_TIMES)
    per_day = PRIOR_PER_DAY * WIND_TIMES[wind] * (RAIN_TIMES if rain else 1.0) * EXPOSURE[exposure]
    return per_day * PRIOR_S / DAY_S
