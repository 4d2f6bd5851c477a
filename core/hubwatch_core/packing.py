"""Frames of version 1 as columns of version 2, and back; the content stays the same."""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any, cast

from hubwatch_core.name_lists import SeriesName, text_of
from hubwatch_core.packed_frame import NO_DEVICE, PackedFrame, bytes_of
from hubwatch_core.wire import EARLIEST_US, Frame, QualityMark, Series, quality_of

_MOST = 2**16 - 1


def packed(frame: Frame, *, short: bool = True) -> PackedFrame:
    """Return a frame of version 1 as columns, `short` where it will be sent. Raises ValueError when a series has more
    than 65 535 readings.
    """
    series = frame.series
    names = [(each.sensor, each.channel) for each in series]
    if len(set(names)) < len(names):
        series = _apart(series)
        names = [(each.sensor, each.channel) for each in series]
    groups = _groups(series)
    if any(len(first.dt) > _MOST for first, _ in groups):
        raise ValueError(f"a series has more than {_MOST} readings")
    t0 = groups[0][0].t0 if groups else EARLIEST_US
    dt: list[int] = []
    for each, _ in groups:
        shift = each.t0 - t0
        dt += [shift + offset for offset in each.dt] if shift else each.dt
    marks = _Marks(series) if any(each.q for each in series) else _ALL_GOOD
    device = _packed_device(series) if any(each.device for each in series) else b""
    return PackedFrame(
        2, frame.hub, frame.agent, frame.epoch, frame.seq, frame.sent, frame.late,
        text_of(tuple(names)),
        bytes_of(array("H", [count for _, count in groups])),
        bytes_of(array("H", [len(first.dt) for first, _ in groups])),
        t0,
        _packed_offsets(dt, short),
        _packed_values(list(chain.from_iterable([each.x for each in series])), short),
        marks.q, marks.reasons, marks.r,
        device,
        frame.events,
    )  # fmt: skip


def _groups(series: Sequence[Series]) -> list[tuple[Series, int]]:
    """Return the first of those that stand together and were read at the same moments, and how many they are."""
    groups: list[tuple[Series, int]] = []
    for each in series:
        if groups and (first := groups[-1][0]).t0 == each.t0 and first.dt == each.dt and groups[-1][1] < _MOST:
            groups[-1] = (first, groups[-1][1] + 1)
        else:
            groups.append((each, 1))
    return groups


def unpacked(frame: PackedFrame) -> Frame:
    """Return a checked frame in the shape of version 1."""
    return Frame(
        v=1, hub=frame.hub, agent=frame.agent, epoch=frame.epoch, seq=frame.seq, sent=frame.sent, late=frame.late,
        series=list(_series_of(frame)), events=frame.events,
    )  # fmt: skip


def _series_of(frame: PackedFrame) -> Iterator[Series]:
    values = [None if math.isnan(x) else x for x in frame.values]
    marks, device, null = _marks_of(frame), frame.device_offsets, frame.no_device
    names, offsets = iter(frame.series_names), frame.offsets.tolist()
    row = moment = 0
    for count, length in frame.groups:
        dt = offsets[moment : moment + length]
        moment += length
        first = dt[0] if dt else 0
        for _ in range(count):
            sensor, channel = next(names)
            rows = slice(row, row + length)
            row += length
            own = [None if off == null else off + at - first for off, at in zip(device[rows], dt, strict=False)]
            q = marks[rows]
            yield Series(
                sensor, channel, frame.t0 + first, [at - first for at in dt], values[rows],
                q if any(mark != 0 for mark in q) else [],
                own if any(off is not None for off in own) else [],
            )  # fmt: skip


def _marks_of(frame: PackedFrame) -> list[QualityMark]:
    codes: list[Any] = list(frame.q) or [0] * frame.readings
    places = frame.reason_places
    if not places:
        return codes
    return [(code, frame.reasons[at - 1]) if at else code for code, at in zip(codes, places, strict=True)]


def _apart(series: Sequence[Series]) -> list[Series]:
    """Return series of one channel each: what stands in several is put behind one another."""
    by_name: dict[SeriesName, list[Series]] = {}
    for each in series:
        by_name.setdefault((each.sensor, each.channel), []).append(each)
    return [same[0] if len(same) == 1 else _together(same) for same in by_name.values()]


def _together(parts: Sequence[Series]) -> Series:
    t0 = parts[0].t0
    dt, x, q, device = list[int](), list[float | None](), list[QualityMark](), list[int | None]()
    for each in parts:
        shift = each.t0 - t0
        dt += [offset + shift for offset in each.dt]
        x += each.x
        q += each.q or [0] * len(each.x)
        device += [None if own is None else own + shift for own in each.device or [None] * len(each.x)]
    return Series(parts[0].sensor, parts[0].channel, t0, dt, x, q, device)


class _Marks:
    """Quality and reasons of series, as they are written."""

    def __init__(self, series: Sequence[Series]) -> None:
        places: dict[str | None, int] = {None: 0}
        split = [quality_of(mark) for each in series for mark in each.q or [0] * len(each.x)]
        codes = bytes([code for code, _ in split])
        reasons = array("H", [places.setdefault(reason, len(places)) for _, reason in split])
        self.q = codes if any(codes) else b""
        self.r = bytes_of(reasons) if any(reasons) else b""
        self.reasons = [reason for reason in places if reason is not None]


_ALL_GOOD = _Marks(())


def _packed_values(values: list[float | None], short: bool) -> bytes:
    """Return values, where it is to be short in 32 bits if none loses by it."""
    known = cast("list[float]", values)
    with suppress(TypeError, OverflowError):  # there are nulls, or values too large for 32 bits
        if math.isfinite(sum(known)):
            narrow = struct.pack(f"<{len(known)}f", *known) if short else b""
            is_exact = short and [*struct.unpack(f"<{len(known)}f", narrow)] == known
            return narrow if is_exact else bytes_of(array("d", known))
    wide = array("d", [math.nan if x is None or not math.isfinite(x) else x for x in values])
    small = array("f", wide)
    return bytes_of(small if array("d", small).tobytes() == wide.tobytes() else wide)


def _packed_device(series: Sequence[Series]) -> bytes:
    offsets = [
        None if own is None else own - dt
        for each in series
        for own, dt in zip(each.device or [None] * len(each.dt), each.dt, strict=True)
    ]
    widest = max((abs(each) for each in offsets if each is not None), default=0)
    null = NO_DEVICE[4 if widest < 2**31 else 8]
    return bytes_of(array("i" if widest < 2**31 else "q", [null if each is None else each for each in offsets]))


def _packed_offsets(numbers: list[int], short: bool) -> bytes:
    """Return offsets, where it is to be short in 32 bits if they have room there."""
    with suppress(OverflowError):
        return bytes_of(array("i" if short else "q", numbers))
    return bytes_of(array("q", numbers))
