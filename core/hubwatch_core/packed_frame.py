"""Wire format, version 2: a frame as columns in MessagePack, with the same content as version 1.

Series that were read at the same moments stand together as a group: `series` says how many series each group has,
`moments` how many moments. `dt` holds the moments of one group after the other (µs from `t0`), `x` the values of one
series after the other, in the order of `names` (`name_lists.py`). Numbers are little-endian:

| field | numbers | of |
|---|---|---|
| `series`, `moments` | 16 bits | each group |
| `dt` | 32 bits, or 64 where that is too little | each moment of each group |
| `x` | 32 bits, or 64 where one would lose by it; NaN is null | each reading |
| `q` | 8 bits: 0, 1 or 2; left out when all are 0 | each reading |
| `r` | 16 bits: place in `reasons`, from 1, or 0; left out when there is none | each reading |
| `device` | 32 or 64 bits: µs from the reading's time, lowest is null; left out when there is none | each reading |

`late` always stands, and `sent` has always 64 bits: an agent changes both in place (`resent`).
"""

from __future__ import annotations

import math
import sys
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from operator import mul
from typing import Any, Literal

import msgspec

from hubwatch_core.errors import Poison
from hubwatch_core.name_lists import NameLists, SeriesNames, count_in
from hubwatch_core.plain_text import one_line
from hubwatch_core.wire import (
    EARLIEST_US,
    LATEST_US,
    MAX_FRAME_BYTES,
    MAX_LEVELS,
    MAX_REASON,
    Event,
    Frame,
    Id,
    Reason,
    Seq,
    Time,
    Ulid,
    decode_frame,
)
from hubwatch_core.wire import encode as encode_version_1

NO_DEVICE = {4: -(2**31), 8: -(2**63)}
"""Stands for a missing device time, by the bytes of a number."""
MOST_DEVICE_US = 2**53
"""How far a device's time may be from that of the reading, which is as far as version 1 takes."""
NUL = "a text holds a NUL character"
_SWAP = sys.byteorder == "big"
_SENT, _LATE, _TRUE = b"\xa4sent\xcf", b"\xa4late", b"\xc3"


class PackedFrame(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message of an agent, its readings in columns; `(hub, agent, epoch, seq)` names it for ever."""

    v: Literal[2]
    hub: Id
    agent: Id
    epoch: Ulid
    seq: Seq
    sent: Time
    late: bool
    names: str = ""
    series: bytes = b""
    moments: bytes = b""
    t0: Time = EARLIEST_US
    dt: bytes = b""
    x: bytes = b""
    q: bytes = b""
    reasons: list[Reason] = []
    r: bytes = b""
    device: bytes = b""
    events: list[Event] = []

    @property
    def readings(self) -> int:
        """Return the number of readings."""
        return sum(map(mul, words(self.series), words(self.moments)))

    @property
    def series_names(self) -> SeriesNames:
        """Return sensor and channel of each series."""
        return _lists.of(self.names)

    @property
    def spans(self) -> list[tuple[str, int, int]]:
        """Return what was read from when to when (µs): names, first, last."""
        offsets = self.offsets
        return [("a reading", self.t0 + min(offsets), self.t0 + max(offsets))] if offsets else []

    @property
    def groups(self) -> Iterator[tuple[int, int]]:
        """Return how many series and how many moments each group has."""
        return zip(words(self.series), words(self.moments), strict=True)

    @property
    def offsets(self) -> array[int]:
        """Return the moments of the groups, as µs from `t0`."""
        return _integers(self.dt, sum(words(self.moments)))

    @property
    def values(self) -> array[float]:
        """Return the values, NaN for null."""
        return numbers_in(self.x, "f" if len(self.x) == 4 * self.readings else "d")

    @property
    def device_offsets(self) -> array[int]:
        """Return µs from each reading's time to the device's own, `no_device` for null; empty when there is none."""
        return _integers(self.device, self.readings)

    @property
    def no_device(self) -> int:
        """Return what stands for null in `device_offsets`."""
        return NO_DEVICE[self.device_offsets.itemsize]

    @property
    def reason_places(self) -> array[int]:
        """Return the place in `reasons` of each reading's, from 1, 0 for none; empty when there is none."""
        return words(self.r)


AnyFrame = Frame | PackedFrame

_lists = NameLists()
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(PackedFrame)


def is_packed(payload: bytes) -> bool:
    """Return whether a payload is a map of MessagePack, of which none begins as JSON does."""
    first = payload[0] if payload else 0
    return 0x80 <= first <= 0x8F or 0xDE <= first <= 0xDF


def decode(payload: bytes) -> AnyFrame:
    """Decode and check a frame of either version; raises Poison with the reason."""
    return decode_packed(payload) if is_packed(payload) else decode_frame(payload)


def encode(frame: AnyFrame) -> bytes:
    """Encode a frame in its own version. Does not check it: decoding does."""
    return encode_packed(frame) if isinstance(frame, PackedFrame) else encode_version_1(frame)


def encode_packed(frame: PackedFrame) -> bytes:
    """Encode a frame. Does not check it: decoding does."""
    return _encoder.encode(frame)


def decode_packed(payload: bytes) -> PackedFrame:
    """Decode and check a frame; raises Poison with the reason."""
    if len(payload) > MAX_FRAME_BYTES:
        raise Poison(f"frame of {len(payload)} bytes is over the limit of {MAX_FRAME_BYTES}")
    try:
        frame = _decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Poison(one_line(str(error)[:MAX_REASON])) from None
    _check_readings(frame)
    _check_events(frame.events)
    return frame


def resent(payload: bytes, now: int) -> bytes:
    """Return an encoded frame again as backlog: flagged late, sent now. Every reading in it stays as it is.

    `sent` is the first of its name in a frame: it stands before everything that comes from a device.
    """
    start = payload.index(_SENT) + len(_SENT)
    flag = payload.index(_LATE, start + 8) + len(_LATE)
    return b"".join((payload[:start], now.to_bytes(8, "big"), payload[start + 8 : flag], _TRUE, payload[flag + 1 :]))


# -- checks ----------------------------------------------------------------------------------------------------------


def _check_readings(frame: PackedFrame) -> None:
    """Raise Poison where columns do not add up, or hold what no reading may."""
    readings = _checked_count(frame)
    names = _lists.of(frame.names)
    _check_length("x", frame.x, readings, (4, 8))
    if frame.q or frame.r or frame.reasons:
        _check_marks(frame, readings)
    if frame.device:
        _check_length("device", frame.device, readings, (4, 8))
        null = frame.no_device
        if any(off != null and abs(off) > MOST_DEVICE_US for off in frame.device_offsets):
            raise Poison("a device time is beyond all clocks")
    offsets = frame.offsets
    if offsets and not EARLIEST_US <= frame.t0 + min(offsets) <= frame.t0 + max(offsets) <= LATEST_US:
        raise Poison("a time is outside 2010–2100")
    values = numbers_in(frame.x, "f" if len(frame.x) == 4 * readings else "d")
    if not math.isfinite(sum(values)):
        _check_values(frame, values, names)


def _checked_count(frame: PackedFrame) -> int:
    """Return the number of readings when groups, names and moments add up."""
    for name, data in (("series", frame.series), ("moments", frame.moments)):
        if len(data) % 2:
            raise Poison(f"{name} has {len(data)} bytes, no whole number of 16 bits")
    series, moments = words(frame.series), words(frame.moments)
    if len(series) != len(moments):
        raise Poison(f"{len(series)} groups have series but {len(moments)} have moments")
    if series and not min(series):
        raise Poison("a group has no series")
    if sum(series) != count_in(frame.names):
        raise Poison(f"{sum(series)} series but {count_in(frame.names)} names")
    _check_length("dt", frame.dt, sum(moments), (4, 8))
    return sum(map(mul, series, moments))


def _check_marks(frame: PackedFrame, readings: int) -> None:
    if frame.q:
        _check_length("q", frame.q, readings, (1,))
        if max(frame.q) > 2:
            raise Poison(f"Invalid quality {max(frame.q)}")
    if frame.r:
        _check_length("r", frame.r, readings, (2,))
        if max(words(frame.r)) > len(frame.reasons):
            raise Poison(f"r names reason {max(words(frame.r))} of {len(frame.reasons)}")
    if any("\0" in reason for reason in frame.reasons):
        raise Poison(NUL)


def _check_length(name: str, data: bytes, count: int, widths: tuple[int, ...]) -> None:
    if len(data) not in [count * width for width in widths]:
        raise Poison(f"{name} has {len(data)} bytes, which are not those of {count} numbers")


def _check_values(frame: PackedFrame, values: Sequence[float], names: SeriesNames) -> None:
    q = frame.q or bytes(len(values))
    for row, x in enumerate(values):
        if math.isinf(x) or (math.isnan(x) and q[row] == 0):
            what = "is not a finite number" if math.isinf(x) else "is null but its quality is good"
            series, at = _place(frame, row)
            raise Poison(f"series[{series}] {'/'.join(names[series])}: x[{at}] {what}")


def _place(frame: PackedFrame, row: int) -> tuple[int, int]:
    """Return in which series a reading is, and where there."""
    lengths = [length for count, length in frame.groups for _ in range(count)]
    ends = list(accumulate(lengths))
    series = bisect_right(ends, row)
    return series, row - ends[series] + lengths[series]


def _check_events(events: Sequence[Event]) -> None:
    for i, event in enumerate(events):
        if (fault := _fault_of(event.attrs, MAX_LEVELS)) is not None:
            raise Poison(f"events[{i}].attrs {fault}")
        if "\0" in (event.subject or ""):
            raise Poison(NUL)


def _fault_of(value: object, levels: int) -> str | None:
    """Return what is wrong with a tree that came in MessagePack: it is to be what JSON can say, and no deeper."""
    if isinstance(value, dict | list):
        return f"is nested deeper than {MAX_LEVELS} levels" if levels == 0 else _fault_inside(value, levels - 1)
    if isinstance(value, str):
        return f"is refused: {NUL}" if "\0" in value else None
    if isinstance(value, float):
        return None if math.isfinite(value) else "holds a number that is not finite"
    return None if value is None or isinstance(value, int) else "holds what JSON has not"


def _fault_inside(tree: dict[object, object] | list[object], levels: int) -> str | None:
    inner: Iterable[object] = tree
    if isinstance(tree, dict):
        if not all(isinstance(key, str) for key in tree):
            return "holds what JSON has not"
        inner = [*tree, *tree.values()]
    return next((fault for each in inner if (fault := _fault_of(each, levels)) is not None), None)


# -- numbers ---------------------------------------------------------------------------------------------------------


def numbers_in(data: bytes, code: str) -> array[Any]:
    """Return little-endian numbers, `code` being that of `array`."""
    numbers = array(code, data)
    if _SWAP:
        numbers.byteswap()
    return numbers


def bytes_of(numbers: array[Any]) -> bytes:
    """Return numbers as they are written; changes them where the machine's order is another."""
    if _SWAP:
        numbers.byteswap()
    return numbers.tobytes()


def words(data: bytes) -> array[int]:
    """Return numbers of 16 bits."""
    return numbers_in(data, "H")


def _integers(data: bytes, count: int) -> array[int]:
    return numbers_in(data, "i" if len(data) == 4 * count else "q")
