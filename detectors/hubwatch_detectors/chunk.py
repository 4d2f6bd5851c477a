"""A chunk: what one sensor said in one frame, in the order of time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import repeat
from operator import itemgetter
from typing import NamedTuple

from hubwatch_core.wire import Event, Frame, Sensor, Series, quality_of
from hubwatch_core.words import Quality


class Reading(NamedTuple):
    """One value of one channel at `t` (µs)."""

    t: int
    channel: str
    value: float | None
    quality: Quality


class Good(NamedTuple):
    """A reading that may be believed: there is a finite value, and its quality is good."""

    t: int
    channel: str
    value: float


@dataclass(frozen=True, slots=True)
class Chunk:
    """Readings and events of one sensor, each sorted by time; `sensor` is its entry in the inventory."""

    hub: str
    agent: str
    sensor: Sensor
    readings: tuple[Reading, ...] = ()
    events: tuple[Event, ...] = ()

    @classmethod
    def of(
        cls, hub: str, agent: str, sensor: Sensor, readings: Sequence[Reading] = (), events: Sequence[Event] = ()
    ) -> Chunk:
        """Make a chunk of readings and events in any order."""
        return cls(hub, agent, sensor, tuple(sorted(readings, key=_T_CHANNEL)), tuple(sorted(events, key=_event_key)))

    def good(self) -> Iterator[Good]:
        """Yield the readings that may be believed."""
        for t, channel, value, quality in self.readings:
            if value is not None and quality is Quality.GOOD and math.isfinite(value):
                yield Good(t, channel, value)

    def moments(self) -> Iterator[Good | Event]:
        """Yield good readings and events by time; at the same time readings come first."""
        if not self.events:
            yield from self.good()
        else:
            both: tuple[Iterable[Good | Event], ...] = (self.good(), self.events)
            yield from merge(*both, key=_moment)


_T_CHANNEL = itemgetter(0, 1)


def _event_key(event: Event) -> tuple[int, str]:
    return event.t, event.type


def _moment(item: Good | Event) -> int:
    return item.t


def cut(frame: Frame) -> dict[str, tuple[list[Reading], list[Event]]]:
    """Sort what a frame carries by sensor."""
    parts: dict[str, tuple[list[Reading], list[Event]]] = {}
    for series in frame.series:
        parts.setdefault(series.sensor, ([], []))[0].extend(_readings(series))
    for event in frame.events:
        parts.setdefault(event.sensor, ([], []))[1].append(event)
    return parts


def _readings(series: Series) -> Iterator[Reading]:
    marks = map(quality_of, series.q) if series.q else repeat((Quality.GOOD, None))
    for dt, value, (quality, _) in zip(series.dt, series.x, marks, strict=False):
        yield Reading(series.t0 + dt, series.channel, value, quality)
