"""Readings of many frames as numpy columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hubwatch_core.packed_frame import AnyFrame, PackedFrame
from hubwatch_core.packing import packed
from hubwatch_store.series.channel_tables import ChannelKey, ChannelTables, Meanings

NO_TIME = int(np.iinfo(np.int64).min)
"""Stands for a missing device time."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Readings, one a row: times in µs UTC, value NaN for null, `reason` an index into `reasons`, device NO_TIME."""

    time: NDArray[np.int64]
    channel: NDArray[np.int32]
    value: NDArray[np.float64]
    quality: NDArray[np.int16]
    reason: NDArray[np.int32]
    device: NDArray[np.int64]
    reasons: tuple[str | None, ...]

    def __len__(self) -> int:
        """Return the number of readings."""
        return len(self.time)

    def take(self, rows: NDArray[np.intp]) -> Columns:
        """Return the columns of just these rows."""
        return replace(
            self,
            time=self.time[rows],
            channel=self.channel[rows],
            value=self.value[rows],
            quality=self.quality[rows],
            reason=self.reason[rows],
            device=self.device[rows],
        )

    def newest(self) -> Columns:
        """Return the newest reading of each channel, by channel; of equal times the one that came last."""
        order = np.lexsort((self.time, self.channel))
        channels = self.channel[order]
        last_of_channel = np.append(channels[1:] != channels[:-1], True) if len(order) else np.empty(0, bool)
        return self.take(order[last_of_channel])


def columns_of(
    frames: Iterable[AnyFrame], channels: Mapping[ChannelKey, Meanings], tables: ChannelTables | None = None
) -> Columns:
    """Lay out the readings of `frames`, each under what its channel meant when its frame was made.

    What `tables` know needs no look at the names. Raises KeyError when a channel has no id.
    """
    tables = ChannelTables() if tables is None else tables
    whole = [each if isinstance(each, PackedFrame) else packed(each, short=False) for each in frames]
    ids = [np.empty(0, np.int32), *(tables.ids(each, channels) for each in whole)]
    layout = _Layout(whole)
    time = layout.times()
    quality, reason, reasons = _qualities(layout)
    return Columns(
        time,
        np.repeat(np.concatenate(ids), layout.lengths),
        _numbers([each.x for each in whole], layout.readings, "<f4", "<f8").astype(np.float64),
        quality,
        reason,
        _device_times(layout, time),
        reasons,
    )


def joined(parts: Sequence[Columns]) -> Columns:
    """Put columns behind one another."""
    reasons: dict[str | None, int] = {}
    indices = []
    for part in parts:
        table = np.array([reasons.setdefault(text, len(reasons)) for text in part.reasons], np.int32)
        indices.append(table[part.reason])
    return Columns(
        np.concatenate([part.time for part in parts]),
        np.concatenate([part.channel for part in parts]),
        np.concatenate([part.value for part in parts]),
        np.concatenate([part.quality for part in parts]),
        np.concatenate(indices),
        np.concatenate([part.device for part in parts]),
        tuple(reasons),
    )


class _Layout:
    """Where the readings of frames lie: frames hold groups, groups series and moments, series one reading a moment."""

    def __init__(self, frames: Sequence[PackedFrame]) -> None:
        self._frames = frames
        self._series = np.frombuffer(b"".join([each.series for each in frames]), "<u2").astype(np.int64)
        self._moments = np.frombuffer(b"".join([each.moments for each in frames]), "<u2").astype(np.int64)
        self.lengths = np.repeat(self._moments, self._series)
        """Readings of each series."""
        ends = np.cumsum(np.array([len(each.series) // 2 for each in frames], np.int64))
        self._moments_of_frames = _sums(self._moments, ends)
        self.readings = _sums(self._series * self._moments, ends)
        """Readings of each frame."""
        self.rows = np.cumsum(self.readings) - self.readings
        """First row of each frame."""

    def times(self) -> NDArray[np.int64]:
        """Return the time of each reading (µs)."""
        offsets = _numbers([each.dt for each in self._frames], self._moments_of_frames, "<i4", "<i8")
        starts = np.array([each.t0 for each in self._frames], np.int64)
        moments: NDArray[np.int64] = np.repeat(starts, self._moments_of_frames) + offsets.astype(np.int64)
        if bool((self._series == 1).all()):
            return moments
        firsts = np.repeat(np.cumsum(self._moments) - self._moments, self._series)
        rows = np.cumsum(self.lengths) - self.lengths
        places: NDArray[np.int64] = np.arange(self.lengths.sum()) + np.repeat(firsts - rows, self.lengths)
        return np.take(moments, places)

    def having(self, what: str) -> Iterator[tuple[PackedFrame, slice]]:
        """Return the frames that have a certain column, with their rows."""
        for i, frame in enumerate(self._frames):
            if getattr(frame, what):
                yield frame, slice(self.rows[i], self.rows[i] + self.readings[i])


def _sums(values: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the sums of stretches that end there."""
    return np.diff(np.concatenate([[0], np.cumsum(values)])[ends], prepend=0)


def _numbers(parts: Sequence[bytes], counts: NDArray[np.int64], narrow: str, wide: str) -> NDArray[Any]:
    """Return numbers that stand in 32 or in 64 bits, as each part's length says, behind one another."""
    sizes = np.array([len(part) for part in parts], np.int64)
    for kind, width in ((narrow, 4), (wide, 8)):
        if bool((sizes == width * counts).all()):
            return np.frombuffer(b"".join(parts), kind)
    is_narrow = sizes == 4 * counts
    return np.concatenate([np.frombuffer(part, narrow if is_narrow[i] else wide) for i, part in enumerate(parts)])


def _qualities(layout: _Layout) -> tuple[NDArray[np.int16], NDArray[np.int32], tuple[str | None, ...]]:
    total = int(layout.readings.sum())
    quality, reason = np.zeros(total, np.int16), np.zeros(total, np.int32)
    reasons: dict[str | None, int] = {None: 0}
    for frame, rows in layout.having("q"):
        quality[rows] = np.frombuffer(frame.q, np.uint8)
    for frame, rows in layout.having("r"):
        places = [0, *(reasons.setdefault(text, len(reasons)) for text in frame.reasons)]
        reason[rows] = np.array(places, np.int32)[np.frombuffer(frame.r, "<u2")]
    return quality, reason, tuple(reasons)


def _device_times(layout: _Layout, time: NDArray[np.int64]) -> NDArray[np.int64]:
    device = np.full(len(time), NO_TIME, np.int64)
    for frame, rows in layout.having("device"):
        offsets = np.frombuffer(frame.device, "<i4" if frame.device_offsets.itemsize == 4 else "<i8")
        device[rows] = np.where(offsets == frame.no_device, NO_TIME, time[rows] + offsets)
    return device
