"""A chunk: what one sensor said in one frame, in the order of time.

Readings stay in columns, as they stand on the wire. An object for each reading is made only for who asks for them.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Sequence
from itertools import chain, repeat
from operator import itemgetter, sub
from typing import NamedTuple

import msgspec

from hubwatch_core.packed_frame import AnyFrame, PackedFrame
from hubwatch_core.packing import unpacked
from hubwatch_core.wire import LATEST_US, Event, Frame, QualityMark, Sensor, Series, quality_of
from hubwatch_core.words import CLOCK_DOUBT, Quality


class ChunkReading(NamedTuple):
    """One value of one channel at `t` (µs) that may be believed: there, finite, and at most of a doubtful time."""

    t: int
    channel: str
    value: float


class Column(NamedTuple):
    """The readings of one channel that may be believed, sorted by time: value `x[i]` at `t[i]` (µs). Never empty."""

    channel: str
    t: list[int]
    x: list[float]


class Steps(NamedTuple):
    """The least and the most that passes from one time of a column to the next (µs); 1 and 0 for a single time."""

    least: int
    most: int

    def go_on_from(self, last: int, first: int, pause: float) -> bool:
        """Return whether the times, from `first` on, follow `last` and each other without a longer pause."""
        return self.least > 0 and self.most <= pause and 0 < last < first <= last + pause


_ONE_TIME = Steps(1, 0)


class Chunk:
    """Good readings and events of one sensor, each sorted by time; `sensor` is its entry in the inventory.

    `columns` holds the readings by channel, each channel once; `readings` is the same in rows. `first` and `last` are
    the earliest and the latest time (µs) of all.
    """

    __slots__ = ("_readings", "_steps", "agent", "columns", "events", "first", "hub", "last", "sensor")

    def __init__(
        self,
        hub: str,
        agent: str,
        sensor: Sensor,
        readings: Sequence[ChunkReading] = (),
        events: Sequence[Event] = (),
    ) -> None:
        """Make a chunk of readings and events that are sorted by time."""
        self._fill(hub, agent, sensor, _columns_of(readings), events, tuple(readings))

    @classmethod
    def of(
        cls, hub: str, agent: str, sensor: Sensor, readings: Iterable[ChunkReading] = (), events: Iterable[Event] = ()
    ) -> Chunk:
        """Make a chunk of readings and events in any order."""
        return cls(hub, agent, sensor, tuple(sorted(readings, key=_T_CHANNEL)), tuple(sorted(events, key=_event_key)))

    @classmethod
    def of_columns(
        cls, hub: str, agent: str, sensor: Sensor, columns: Sequence[Column], events: Sequence[Event] = ()
    ) -> Chunk:
        """Make a chunk of columns, each of another channel, and of events that are sorted by time."""
        chunk = cls.__new__(cls)
        chunk._fill(hub, agent, sensor, columns, events)
        return chunk

    def _fill(
        self,
        hub: str,
        agent: str,
        sensor: Sensor,
        columns: Sequence[Column],
        events: Sequence[Event],
        readings: tuple[ChunkReading, ...] | None = None,
    ) -> None:
        self.hub, self.agent, self.sensor = hub, agent, sensor
        self.columns, self.events, self._readings = columns, events, readings
        self._steps: list[tuple[list[int], Steps]] | None = None
        if columns and not events:
            t = columns[0].t
            self.first, self.last = t[0], t[-1]
            for _, other, _ in columns:
                if other is not t:
                    self.first, self.last = min(self.first, other[0]), max(self.last, other[-1])
        else:
            self.first = min([each.t[0] for each in columns] + [each.t for each in events[:1]], default=LATEST_US)
            self.last = max([each.t[-1] for each in columns] + [each.t for each in events[-1:]], default=0)

    @property
    def readings(self) -> tuple[ChunkReading, ...]:
        """Return the readings in rows, by time and channel."""
        if self._readings is None:
            rows = [ChunkReading(t, name, x) for name, times, values in self.columns for t, x in _pairs(times, values)]
            self._readings = tuple(rows if len(self.columns) == 1 else sorted(rows, key=_T_CHANNEL))
        return self._readings

    def steps(self, times: list[int]) -> Steps:
        """Return how a column's times follow one another; worked out once for columns that share them."""
        if len(times) == 1:
            return _ONE_TIME
        if self._steps is None:
            self._steps = []
        for known, steps in self._steps:
            if known is times:
                return steps
        passed = list(map(sub, times[1:], times))
        steps = Steps(min(passed), max(passed))
        self._steps.append((times, steps))
        return steps

    def newcomers(self, known: Container[str]) -> list[str]:
        """Return the channels that are not `known`, in the order in which they first speak here."""
        fresh = [(t[0], name) for name, t, _ in self.columns if name not in known]
        return [name for _, name in sorted(fresh)] if fresh else []

    @property
    def newest(self) -> int:
        """Return the time of the newest reading (µs); 0 when there is none."""
        return max([each.t[-1] for each in self.columns], default=0)

    def moments(self) -> Iterable[ChunkReading | Event]:
        """Return readings and events by time; at the same time readings come first."""
        if not self.events:
            return self.readings
        return sorted([*self.readings, *self.events], key=_moment)

    def between(self, first: int, last: int) -> Chunk:
        """Return what lies in [first, last] (µs); the chunk itself when that is all of it."""
        if first <= self.first and self.last <= last:
            return self
        return Chunk.of_columns(
            self.hub,
            self.agent,
            self.sensor,
            tuple(part for each in self.columns if (part := _stretch(each, first, last)).t),
            tuple(each for each in self.events if first <= each.t <= last),
        )

    def not_after(self, moment: int) -> Chunk:
        """Return it with later times set to `moment` (µs); the chunk itself when there are none."""
        if self.last <= moment:
            return self
        columns = tuple(each._replace(t=[min(t, moment) for t in each.t]) for each in self.columns)
        events = tuple(msgspec.structs.replace(each, t=min(each.t, moment)) for each in self.events)
        return Chunk.of_columns(self.hub, self.agent, self.sensor, columns, events)

    def __len__(self) -> int:
        """Count readings and events."""
        return sum([len(each.t) for each in self.columns]) + len(self.events)

    def __eq__(self, other: object) -> bool:
        """Tell whether another chunk says the same of the same sensor."""
        return isinstance(other, Chunk) and self._said() == other._said()

    __hash__ = None  # type: ignore[assignment]  # its columns are lists

    def _said(self) -> tuple[object, ...]:
        return self.hub, self.agent, self.sensor, sorted(self.columns), tuple(self.events)


def joined(chunks: Sequence[Chunk]) -> Chunk:
    """Join chunks of one sensor, each of which lies after the one before it."""
    if len(chunks) == 1:
        return chunks[0]
    first = chunks[0]
    columns = _joined_alike(chunks) or _joined_by_name(chunks)
    events = tuple([event for chunk in chunks for event in chunk.events])
    return Chunk.of_columns(first.hub, first.agent, first.sensor, columns, events)


def _joined_alike(chunks: Sequence[Chunk]) -> list[Column] | None:
    """Join the columns of chunks that have the same ones in the same order, read at the same times; None of others."""
    rows = [chunk.columns for chunk in chunks]
    names = [name for name, _, _ in rows[0]]
    if not names or {len(row) for row in rows} != {len(names)}:
        return None
    times = [row[0].t for row in rows]
    joined_times, columns = list(chain.from_iterable(times)), list[Column]()
    for i, name in enumerate(names):
        parts = [row[i] for row in rows]
        alike = [other == name and t is at for (other, t, _), at in zip(parts, times, strict=True)]
        if not all(alike):
            return None
        columns.append(Column(name, joined_times, list(chain.from_iterable([x for _, _, x in parts]))))
    return columns


def _joined_by_name(chunks: Sequence[Chunk]) -> list[Column]:
    columns: dict[str, Column] = {}
    for chunk in chunks:
        for name, t, x in chunk.columns:
            column = columns.get(name)
            if column is None:
                columns[name] = Column(name, list(t), list(x))
            else:
                column.t.extend(t)
                column.x.extend(x)
    return list(columns.values())


Said = tuple[list[Column], list[Event]]
"""What one sensor said in a frame: columns by channel, and events by time."""


def split(frame: AnyFrame) -> dict[str, Said]:
    """Sort what a frame carries by sensor, leaving out what may not be believed."""
    parts = _packed_parts(frame) if isinstance(frame, PackedFrame) else _parts(frame)
    for event in frame.events:
        parts.setdefault(event.sensor, ([], []))[1].append(event)
    for _, events in parts.values() if frame.events else ():
        events.sort(key=_event_key)
    return parts


def _parts(frame: Frame) -> dict[str, Said]:
    parts: dict[str, Said] = {}
    for series in frame.series:
        part = parts.get(series.sensor)
        if part is None:
            part = parts[series.sensor] = ([], [])
        column = _believed(series)
        if column.t:
            part[0].append(column)
    for columns, _ in parts.values():
        if len(columns) > 1 and len({each.channel for each in columns}) < len(columns):
            columns[:] = _merged(columns)
    return parts


def _packed_parts(frame: PackedFrame) -> dict[str, Said]:
    """Do the same with columns as they stand on the wire: series that were read at the same moments share them."""
    if frame.q:  # not all is good: each reading is looked at
        return _parts(unpacked(frame))
    parts: dict[str, Said] = {}
    t0, offsets, values, names = frame.t0, frame.offsets.tolist(), frame.values.tolist(), frame.series_names
    row = moment = series = 0
    for count, length in frame.groups:
        times = [t0 + each for each in offsets[moment : moment + length]]
        moment += length
        in_order = _is_in_order(times)
        for sensor, channel in names[series : series + count]:
            part = parts.get(sensor)
            if part is None:
                part = parts[sensor] = ([], [])
            if length:
                column = Column(channel, times, values[row : row + length])
                part[0].append(column if in_order else _sorted(column))
            row += length
        series += count
    return parts


_T_CHANNEL = itemgetter(0, 1)


def _columns_of(readings: Iterable[ChunkReading]) -> tuple[Column, ...]:
    columns: dict[str, Column] = {}
    for t, channel, value in readings:
        column = columns.get(channel)
        if column is None:
            column = columns[channel] = Column(channel, [], [])
        column.t.append(t)
        column.x.append(value)
    return tuple(columns.values())


def _pairs(times: list[int], values: list[float]) -> Iterable[tuple[int, float]]:
    return zip(times, values, strict=True)


def _event_key(event: Event) -> tuple[int, str]:
    return event.t, event.type


def _moment(item: ChunkReading | Event) -> int:
    return item.t


def _stretch(column: Column, first: int, last: int) -> Column:
    kept = [(t, x) for t, x in _pairs(column.t, column.x) if first <= t <= last]
    return Column(column.channel, [t for t, _ in kept], [x for _, x in kept])


def _merged(columns: Iterable[Column]) -> list[Column]:
    """Make one column of several series of one channel."""
    merged: dict[str, Column] = {}
    for each in columns:
        known = merged.get(each.channel)
        merged[each.channel] = (
            each if known is None else _sorted(Column(each.channel, known.t + each.t, known.x + each.x))
        )
    return list(merged.values())


def _sorted(column: Column) -> Column:
    order = sorted(range(len(column.t)), key=column.t.__getitem__)
    return Column(column.channel, [column.t[i] for i in order], [column.x[i] for i in order])


def is_believed(mark: QualityMark) -> bool:
    """Return whether a value counts. A gateway whose clock nobody keeps in step must not make detection blind."""
    quality, reason = quality_of(mark)
    return quality is Quality.GOOD or (quality is Quality.UNCERTAIN and (reason or "").startswith(CLOCK_DOUBT))


def _believed(series: Series) -> Column:
    t0, values, marks = series.t0, series.x, series.q
    if len(values) == 1 and not marks and values[0] is not None and math.isfinite(values[0]):
        return Column(series.channel, [t0 + series.dt[0]], values)  # type: ignore[arg-type]  # it is a number
    times = [t0 + dt for dt in series.dt]
    if not marks and _all_finite(values):
        column = Column(series.channel, times, values)  # type: ignore[arg-type]  # all are numbers
    else:
        good = map(is_believed, marks) if marks else repeat(True)
        kept = [
            (t, x)
            for t, x, is_good in zip(times, values, good, strict=False)
            if is_good and x is not None and math.isfinite(x)
        ]
        column = Column(series.channel, [t for t, _ in kept], [x for _, x in kept])
    return column if _is_in_order(column.t) else _sorted(column)


def _all_finite(values: list[float | None]) -> bool:
    """Tell at a glance that all are finite numbers; a False may be wrong, for a sum of such can overflow."""
    try:
        return math.isfinite(sum(values))  # type: ignore[arg-type]  # None is what the exception is for
    except TypeError:
        return False


def _is_in_order(times: list[int]) -> bool:
    return len(times) < 2 or times == sorted(times)
