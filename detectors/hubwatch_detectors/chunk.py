"""A chunk: what one sensor said in one frame, in the order of time."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import repeat
from operator import itemgetter
from typing import NamedTuple

from hubwatch_core.wire import Event, Frame, QualityMark, Sensor, Series, quality_of
from hubwatch_core.words import CLOCK_DOUBT, Quality


class Reading(NamedTuple):
    """One value of one channel at `t` (µs) that may be believed: there, finite, and at most of a doubtful time."""

    t: int
    channel: str
    value: float


@dataclass(frozen=True, slots=True)
class Chunk:
    """Good readings and events of one sensor, each sorted by time; `sensor` is its entry in the inventory."""

    hub: str
    agent: str
    sensor: Sensor
    readings: tuple[Reading, ...] = ()
    events: tuple[Event, ...] = ()

    @classmethod
    def of(
        cls, hub: str, agent: str, sensor: Sensor, readings: Iterable[Reading] = (), events: Iterable[Event] = ()
    ) -> Chunk:
        """Make a chunk of readings and events in any order."""
        return cls(hub, agent, sensor, tuple(sorted(readings, key=_T_CHANNEL)), tuple(sorted(events, key=_event_key)))

    def moments(self) -> Iterable[Reading | Event]:
        """Give readings and events by time; at the same time readings come first."""
        if not self.events:
            return self.readings
        return sorted([*self.readings, *self.events], key=_moment)

    def between(self, first: int, last: int) -> Chunk:
        """Give what lies in [first, last] (µs); the chunk itself when that is all of it."""
        times = [each[i].t for each in (self.readings, self.events) if each for i in (0, -1)]
        if all(first <= t <= last for t in times):
            return self
        return Chunk(
            self.hub,
            self.agent,
            self.sensor,
            tuple(each for each in self.readings if first <= each.t <= last),
            tuple(each for each in self.events if first <= each.t <= last),
        )

    def __len__(self) -> int:
        """Count readings and events."""
        return len(self.readings) + len(self.events)


_T_CHANNEL = itemgetter(0, 1)


def _event_key(event: Event) -> tuple[int, str]:
    return event.t, event.type


def _moment(item: Reading | Event) -> int:
    return item.t


def cut(frame: Frame) -> dict[str, tuple[list[Reading], list[Event]]]:
    """Sort what a frame carries by sensor, leaving out what may not be believed."""
    parts: dict[str, tuple[list[Reading], list[Event]]] = {}
    for series in frame.series:
        parts.setdefault(series.sensor, ([], []))[0].extend(_believed(series))
    for event in frame.events:
        parts.setdefault(event.sensor, ([], []))[1].append(event)
    return parts


def _is_believed(mark: QualityMark) -> bool:
    """A gateway whose clock nobody keeps in step must not make detection blind."""
    quality, reason = quality_of(mark)
    return quality is Quality.GOOD or (quality is Quality.UNCERTAIN and (reason or "").startswith(CLOCK_DOUBT))


def _believed(series: Series) -> list[Reading]:
    t0, channel = series.t0, series.channel
    good = (_is_believed(mark) for mark in series.q) if series.q else repeat(True)
    return [
        Reading(t0 + dt, channel, x)
        for dt, x, is_good in zip(series.dt, series.x, good, strict=False)
        if is_good and x is not None and math.isfinite(x)
    ]
