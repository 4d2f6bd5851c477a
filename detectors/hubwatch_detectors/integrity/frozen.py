"""A measured value that has stopped moving although the device still answers.

A value that repeats is nothing unusual for a slow or coarse channel, so each is judged by its own history. Only a
channel whose steps from value to value are well above its resolution is judged at all: such a value moves by noise
with every sample. For it, r further samples equal to a value happen with probability p^r, where p is the larger of
two shares of the history: samples equal to the one before (slow devices, double reads) and samples equal to the value
in question (a value that is simply common). When p^r falls below `chance`, the value is called frozen.

A neutron channel that says 0, 0, 0, 1 moves by single counts, which is its resolution, and is not judged that way.

Slow channels and states rest by nature: a temperature for an hour, a door for a weekend. They are judged by how long
they have rested before. With the longest rest of some days known (of a week for states, which have weekends), one that
lasts several times as long is called frozen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from statistics import median
from typing import ClassVar, NamedTuple

import msgspec
from pydantic import Field

from hubwatch_core.clock import SECOND_US
from hubwatch_core.time_limits import DAY_US
from hubwatch_core.wire import Channel, Clear, Detection
from hubwatch_core.words import ChannelKind, Priority
from hubwatch_detectors.chunk import Steps
from hubwatch_detectors.contract import DetectorConfig, Finding, Origin, Scope, Site, Spec
from hubwatch_detectors.methods.by_channel import ChannelDetector
from hubwatch_detectors.rates import Rate, samples

MOST_RUNS = 128
"""Runs of equal values that make up a channel's history."""
MOST_CHANNELS = 256
HOUR_US = 3600 * SECOND_US
LONGEST_RUN = 64
"""A longer run counts as this long, so that one night of rest does not make a channel's history."""
LEAST_VALUES = 8
"""A channel with fewer different values in its history switches rather than measures."""
LEAST_MOVES = 20
"""Changes of value that make rests a habit."""
WEATHER = frozenset({"m/s", "km/h", "mm/h"})
STATE_REST_US = DAY_US
"""A state is not judged before it has rested through every hour of the day. Our choice."""
MOST_CHANCE = 1e-6
"""That a budget may set. With it no working channel was called frozen in a simulated life of 270 sensor-days."""
GAP_PERIODS = 10.0
"""After a longer pause nothing is known of whether the value rested."""


class FrozenConfig(DetectorConfig):
    """When a repeated value counts as frozen."""

    renamed: ClassVar[Mapping[str, str]] = {
        "least_s": "min_s",
        "least_history": "min_history",
        "least_steps": "min_steps",
    }

    chance: float = Field(1e-12, gt=0, lt=0.01, description="Probability of the run, below which a value is frozen.")
    min_s: float = Field(2.0, ge=0, description="Seconds a value must have stood still at the least.")
    min_history: int = Field(40, ge=10, le=1000, description="Samples of history before a channel is judged.")
    rest_factor: float = Field(
        4.0, gt=1, description="A slow gauge is frozen when it rests this many times as long as ever before."
    )
    state_factor: float = Field(1.5, gt=1, description="The same for a state, which rests by night and weekend.")
    rest_days: float = Field(2.0, gt=0, description="Days of history before the rests of a gauge are judged.")
    state_days: float = Field(8.0, gt=0, description="Days of history before the rests of a state are judged.")
    min_steps: float = Field(
        2.0, ge=1, description="Typical step between values, in resolutions, below which a channel is not judged."
    )


class Track(msgspec.Struct):
    """The history of one channel: runs of equal values as (value, samples), and the run that goes on."""

    runs: list[tuple[float, int]] = []
    value: float | None = None
    since: int = 0
    last: int = 0
    length: int = 0
    alarm: str | None = None
    first: int = 0
    """When its history began (µs)."""
    moves: int = 0
    longest: int = 0
    """The longest rest so far (µs)."""


class RunLimits(NamedTuple):
    """What decides about a run: the logarithm of the chance of a repeat, None where it is not judged by that, and how
    long it may rest (µs).
    """

    log_share: float | None
    rest_us: float


class FrozenMemory(msgspec.Struct):
    """The channels of one sensor."""

    channels: dict[str, Track] = {}


class Frozen(ChannelDetector[FrozenMemory, Track]):
    """The gauges of one sensor."""

    entry = Track
    kinds = frozenset({ChannelKind.GAUGE, ChannelKind.STATE})
    max_channels = MOST_CHANNELS

    def __init__(self, config: FrozenConfig, origin: Origin, _site: Site) -> None:
        self.config, self.origin = config, origin
        self.memory = FrozenMemory()
        self._log_chance = math.log(config.chance)
        # No share of a history is below that of three repeats in the longest one, so no shorter run is improbable.
        self._shortest = 1 + self._log_chance / math.log(3 / (MOST_RUNS * LONGEST_RUN + 3))
        self._habit_us = min(config.rest_days, config.state_days) * DAY_US
        self._limits: dict[str, RunLimits] = {}
        """Of the runs that go on: a history stands still while a value does."""

    def rewind(self) -> None:
        """Keep each channel's history."""
        self._limits = {}
        self.memory.channels = {
            name: Track(runs=track.runs, first=track.first, moves=track.moves, longest=track.longest)
            for name, track in self.memory.channels.items()
        }

    def restore(self, state: bytes) -> None:
        """Take up a saved state."""
        super().restore(state)
        self._limits = {}

    @property
    def entries(self) -> dict[str, Track]:
        """Return what is remembered, by channel."""
        return self.memory.channels

    def follow(
        self, channel: Channel, entry: Track, times: list[int], values: list[float], steps: Steps
    ) -> list[Finding]:
        """Follow one channel; a run that cannot be called frozen yet is taken as a whole."""
        pause = math.inf if channel.period_us is None else GAP_PERIODS * channel.period_us
        steady = steps.go_on_from(entry.last, times[0], pause)
        if steady and self._rests_on(entry, channel, times, values):
            entry.last, entry.length = times[-1], entry.length + len(times)
            return []
        entry.first = entry.first or times[0]
        if steady and entry.alarm is None and entry.value is not None:
            return self._follow_steadily(channel, entry, times, values)
        found: list[Finding] = []
        for t, value in zip(times, values, strict=True):
            last = entry.last
            if t <= last:
                continue
            entry.last = t
            if last and t - last > pause:
                found += self._interrupt(entry, channel, t, value, last)
            elif value != entry.value:
                if news := self._move(entry, channel, t, value):
                    found += news
            else:
                entry.length += 1
                if entry.alarm is None and (entry.length > self._shortest or t - entry.first >= self._habit_us):
                    found += self._judge(entry, channel)
        return found

    def _follow_steadily(self, channel: Channel, track: Track, times: list[int], values: list[float]) -> list[Finding]:
        """Do the same where every time counts, nothing is frozen so far, and no pause lies between."""
        found: list[Finding] = []
        runs, limits, name = track.runs, self._limits, channel.name
        value, length, since, longest, moves = track.value, track.length, track.since, track.longest, 0
        shortest, habit_from = self._shortest, track.first + self._habit_us
        for t, x in zip(times, values, strict=True):
            if x != value:
                if track.alarm is not None:
                    found += self._move(track, channel, t, x)
                    value, length, since = x, 1, t
                    continue
                moves += 1
                longest = max(longest, t - since)
                runs.append((value, length if length < LONGEST_RUN else LONGEST_RUN))  # type: ignore[arg-type]
                value, length, since = x, 1, t
                if limits:
                    limits.pop(name, None)
                continue
            length += 1
            if (length > shortest or t >= habit_from) and track.alarm is None:
                del runs[:-MOST_RUNS]
                track.moves, moves = track.moves + moves, 0
                track.value, track.length, track.since, track.longest, track.last = value, length, since, longest, t
                found += self._judge(track, channel)
        del runs[:-MOST_RUNS]
        track.moves += moves
        track.value, track.length, track.since, track.longest, track.last = value, length, since, longest, times[-1]
        return found

    def _rests_on(self, track: Track, channel: Channel, times: list[int], values: list[float]) -> bool:
        """Return whether all values are those of the run that goes on, and none of them decides anything."""
        if values[0] != track.value or values.count(values[0]) != len(values):
            return False
        decides = track.length + len(times) > self._shortest or times[-1] - track.first >= self._habit_us
        if track.alarm is None and decides:
            limits = self._limits_of(track, channel)
            if limits.log_share is not None or times[-1] - track.since > limits.rest_us:
                return False
        return True

    def _judge(self, track: Track, channel: Channel) -> list[Finding]:
        """Judge a run after one more sample."""
        limits, stood = self._limits_of(track, channel), track.last - track.since
        if (
            limits.log_share is not None
            and (track.length - 1) * limits.log_share < self._log_chance
            and stood / SECOND_US >= self.config.min_s
        ):
            return [self._detection(track, channel)]
        return [self._rest(track, channel)] if stood > limits.rest_us else []

    def _limits_of(self, track: Track, channel: Channel) -> RunLimits:
        """Return from where on the run that goes on is frozen; worked out once a run."""
        limits = self._limits.get(channel.name)
        if limits is None:
            value = track.value or 0.0
            share = None
            if channel.kind is ChannelKind.GAUGE and not _at_rest(value, channel):
                share = repeat_share(track.runs, value) if self._moves(track.runs, channel.resolution) else None
            log_share = None if share is None else math.log(share)
            limits = self._limits[channel.name] = RunLimits(log_share, self._longest_rest(track, channel))
        return limits

    def _longest_rest(self, track: Track, channel: Channel) -> float:
        """Return how long the run may rest (µs); endless where that is not known."""
        gauge = channel.kind is ChannelKind.GAUGE
        days = self.config.rest_days if gauge else self.config.state_days
        factor = self.config.rest_factor if gauge else self.config.state_factor
        if track.moves < LEAST_MOVES or track.since - track.first < days * DAY_US:
            return math.inf
        if gauge and _at_rest(track.value or 0.0, channel):
            return math.inf
        return max(factor * track.longest, 0 if gauge else STATE_REST_US)

    def _move(self, track: Track, channel: Channel, t: int, value: float) -> list[Finding]:
        """Begin a new run. What was called frozen does not become part of the history."""
        found: list[Finding] = [Clear(track.alarm, t, t)] if track.alarm is not None else []
        if track.value is not None and track.alarm is None:
            track.moves += 1
            track.longest = max(track.longest, t - track.since)
            runs = track.runs
            runs.append((track.value, track.length if track.length < LONGEST_RUN else LONGEST_RUN))
            if len(runs) > MOST_RUNS:
                del runs[0]
        self._begin(track, channel, t, value)
        return found

    def _interrupt(self, track: Track, channel: Channel, t: int, value: float, last: int) -> list[Finding]:
        """Begin a new run after a pause, of which nothing is learned."""
        found: list[Finding] = []
        if track.alarm is not None and value != track.value:
            found, track.alarm = [Clear(track.alarm, last, t)], None
        if track.alarm is None:
            self._begin(track, channel, t, value)
        return found

    def _begin(self, track: Track, channel: Channel, t: int, value: float) -> None:
        track.value, track.since, track.length, track.alarm = value, t, 1, None
        if self._limits:
            self._limits.pop(channel.name, None)

    def _moves(self, runs: list[tuple[float, int]], resolution: float | None) -> bool:
        """Return whether a history is long and lively enough to expect movement."""
        samples, values = sum(length for _, length in runs), {value for value, _ in runs}
        if samples < self.config.min_history or len(values) < LEAST_VALUES:
            return False
        steps = [abs(after - before) for (before, _), (after, _) in pairwise(runs)]
        finest = resolution or min((step for step in steps if step > 0), default=math.inf)
        return median(steps) >= self.config.min_steps * finest

    def _detection(self, track: Track, channel: Channel) -> Detection:
        share = repeat_share(track.runs, track.value or 0.0)
        log10_chance = (track.length - 1) * math.log10(share)
        detection = self.origin.detection(
            "integrity.value_frozen",
            subject=channel.name,
            start=track.since,
            detected=track.last,
            score=-log10_chance,
            priority=Priority.MEDIUM,
            why=f"{channel.name} has said {track.value:g} {channel.unit} for {track.length} samples; "
            f"by its own history that has a probability of 1e{log10_chance:.0f}",
            evidence={"value": track.value, "samples": track.length, "repeat_share": round(share, 4)},
        )
        track.alarm = detection.id
        return detection

    def _rest(self, track: Track, channel: Channel) -> Detection:
        rest_h, longest_h = (track.last - track.since) / HOUR_US, track.longest / HOUR_US
        detection = self.origin.detection(
            "integrity.value_frozen",
            subject=channel.name,
            start=track.since,
            detected=track.last,
            score=rest_h / longest_h if longest_h else 0.0,
            priority=Priority.MEDIUM,
            why=f"{channel.name} has said {track.value:g} {channel.unit} for {rest_h:.1f} h; in "
            f"{(track.since - track.first) / DAY_US:.0f} days it never rested longer than {longest_h:.1f} h",
            evidence={"value": track.value, "rest_h": round(rest_h, 2), "longest_h": round(longest_h, 2)},
        )
        track.alarm = detection.id
        return detection


def repeat_share(runs: list[tuple[float, int]], value: float) -> float:
    """Return the probability that a sample equals the one before, from history; cautious while it is short.

    Three more repeats than were seen are assumed (the rule of three: none in n leaves up to 3/n at 95 %).
    """
    samples = sum(length for _, length in runs)
    repeats = samples - len(runs)
    equal = sum(length for each, length in runs if each == value)
    return (max(repeats, equal) + 3) / (samples + 3)


def _at_rest(value: float, channel: Channel) -> bool:
    """Return whether a quantity may well stand still here: calm air, no rain, no load, saturated air, a full battery.

    Counts are the exception: a counting channel that lives and then counts nothing is dead. Wind and rain that fall
    away come to rest on their smallest step as well as on nothing.
    """
    unit = channel.unit
    if unit in WEATHER and abs(value) <= (channel.resolution or 0.0):
        return True
    return (value == 0 and not unit.startswith("count")) or (unit == "%" and value == 100)


SPEC = Spec(
    name="frozen",
    version=2,
    scope=Scope.SENSOR,
    types=("integrity.value_frozen",),
    config=FrozenConfig,
    make=Frozen,
    rates=(
        Rate(
            "chance",
            ("integrity.value_frozen",),
            None,
            "run of equal samples",
            samples,
            loosest=MOST_CHANCE,
            is_bound=True,
        ),
    ),
    source="runs of equal values by the channel's own history; rule of three",
    warm_up="min_history samples; slow channels rest_days, states state_days",
    patience_s=5,
)
