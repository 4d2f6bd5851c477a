"""Readings of many frames as numpy columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from hubwatch_core.wire import Frame, Series, quality_of

ChannelKey = tuple[str, str, str, str]
"""hub, agent, sensor, channel"""

Meanings = tuple[tuple[int, int | None], ...]
"""What a name means: from which moment (µs, by the clock of who says it) on which id, the newest first."""

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


def meaning_at(meanings: Meanings, sent: int) -> int | None:
    """Return the id that a name means in a frame sent at `sent` (µs); None when there is none."""
    for since, found in meanings:
        if sent >= since:
            return found
    return None


def columns_of(frames: Iterable[Frame], channels: Mapping[ChannelKey, Meanings]) -> Columns:
    """Lay out the readings of `frames`, each under what its channel meant when its frame was made.

    Raises KeyError when a channel has no id.
    """
    series: list[Series] = []
    ids: list[int] = []
    offsets: list[int] = []
    values: list[float | None] = []
    for frame in frames:
        hub, agent, sent = frame.hub, frame.agent, frame.sent
        series += frame.series
        for each in frame.series:
            key = (hub, agent, each.sensor, each.channel)
            channel = meaning_at(channels[key], sent)
            if channel is None:
                raise KeyError(key)
            ids.append(channel)
            offsets += each.dt
            values += each.x
    counts = [len(each.x) for each in series]
    starts = np.repeat(np.array([each.t0 for each in series], np.int64), counts)
    quality, reason, reasons = _qualities(series, counts)
    return Columns(
        starts + np.array(offsets, np.int64),
        np.repeat(np.array(ids, np.int32), counts),
        np.array(values, np.float64),  # None becomes NaN, which the wire format never carries itself
        quality,
        reason,
        _device_times(series, counts),
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


def _qualities(
    series: Sequence[Series], counts: Sequence[int]
) -> tuple[NDArray[np.int16], NDArray[np.int32], tuple[str | None, ...]]:
    total = sum(counts)
    quality, reason = np.zeros(total, np.int16), np.zeros(total, np.int32)
    reasons: dict[str | None, int] = {None: 0}
    for row, each in zip(accumulate(counts, initial=0), series, strict=False):
        for i, mark in enumerate(each.q):
            if mark != 0:
                code, text = quality_of(mark)
                quality[row + i] = code
                reason[row + i] = reasons.setdefault(text, len(reasons))
    return quality, reason, tuple(reasons)


def _device_times(series: Sequence[Series], counts: Sequence[int]) -> NDArray[np.int64]:
    device = np.full(sum(counts), NO_TIME, np.int64)
    for row, each in zip(accumulate(counts, initial=0), series, strict=False):
        for i, offset in enumerate(each.device):
            if offset is not None:
                device[row + i] = each.t0 + offset
    return device
