"""What the perimeter detector remembers of sections, and of intruders on their way. Times are µs."""

from __future__ import annotations

import msgspec

from hubwatch_core.wire import Clear
from hubwatch_detectors.perimeter.nuisance_rates import NuisanceTally, Weather

MAX_RECENT = 64
"""Alarms of one section that are remembered for pairing; see `thinned`."""


class Active(msgspec.Struct):
    """A detection that goes on: its id and when it was last confirmed (µs)."""

    id: str
    last: int


class FenceSectionMemory(msgspec.Struct):
    """What is remembered of one section; times in µs."""

    recent: list[int] = []
    weather: int = 0
    """Class of the weather at its last alarm."""
    intrusion: Active | None = None
    again: list[int] = []
    """When it began to alarm, within `nuisance_window_s`."""
    nuisance: Active | None = None
    masked: Active | None = None
    hour: int = 0
    tally: NuisanceTally = msgspec.field(default_factory=NuisanceTally)


class IntruderTrack(msgspec.Struct):
    """One intruder: the detection, what he set off, and when last."""

    id: str
    last: int
    sensors: list[str]
    score: float
    peak: float


class Doubtful(msgspec.Struct, array_like=True):
    """A walk that chance makes too often in this weather."""

    from_: str
    to: str
    first: int
    second: int


class PerimeterMemory(msgspec.Struct):
    """What one hub's perimeter remembers."""

    sections: dict[str, FenceSectionMemory] = {}
    tracks: list[IntruderTrack] = []
    doubtful: list[Doubtful] = []
    weather: Weather = msgspec.field(default_factory=Weather)


def over(active: Active, hold_us: int) -> Clear:
    """Return the end of a detection that was not confirmed for so long."""
    return Clear(active.id, active.last, active.last + hold_us)


def end_of(track: IntruderTrack, detected: int) -> Clear:
    """Return the end of a crossing, with its highest score."""
    return Clear(track.id, track.last, detected, score=round(track.peak, 3) if track.peak > track.score else None)


def thinned(times: list[int]) -> list[int]:
    """Leave out of too many alarms one that stands close between others. So what is kept reaches back as far as an
    intruder may come from, however fast a section chatters, and whether by wind or by somebody who shakes it.
    """
    if len(times) <= MAX_RECENT:
        return times
    crowded = min(range(1, len(times) - 1), key=lambda i: times[i + 1] - times[i - 1])
    return times[:crowded] + times[crowded + 1 :]
