"""Version 2 of the wire format says what version 1 says; what is changed is Poison or right; work is linear."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubwatch_core import packed_frame, wire
from hubwatch_core.errors import Poison
from hubwatch_core.packed_frame import decode_packed, encode_packed
from hubwatch_core.packing import packed, unpacked
from property.test_core_wire_fields import refused_or
from property.test_core_wire_round_trip import frames
from support.doubling import assert_linear
from support.fuzzing import fuzzed
from support.packed_cases import EPOCH, GOLDEN, SENT, changed, fields, i32, of_version_1, u16


def _has_doubles(frame: wire.Frame) -> bool:
    return len(set(frame.series_names)) < len(frame.series)


@given(frames.filter(lambda frame: not _has_doubles(frame)))
def test_every_frame_says_the_same_in_both_versions(frame: wire.Frame) -> None:
    again = decode_packed(encode_packed(packed(frame)))
    assert of_version_1(unpacked(again)) == of_version_1(frame)
    assert packed_frame.decode(wire.encode(frame)) == frame


def _poison_or_right(payload: bytes) -> None:
    """Decode; whatever else than Poison comes out fails the test, and a frame can be stored, sent on and printed."""
    frame = refused_or(decode_packed, payload)
    if frame is None:
        return
    assert decode_packed(encode_packed(frame)) == frame
    plain = unpacked(frame)
    assert plain.readings == frame.readings
    assert all(x is None or math.isfinite(x) for each in plain.series for x in each.x)
    assert all(wire.EARLIEST_US <= each.t0 + dt <= wire.LATEST_US for each in plain.series for dt in each.dt)
    assert b"\\u0000" not in wire.encode(plain)


WHOLE = [encode_packed(frame) for frame in GOLDEN.values()]


@given(st.binary(max_size=400))
def test_random_bytes_are_poison_or_right(payload: bytes) -> None:
    _poison_or_right(payload)
    _poison_or_right(b"\x8d" + payload)


@given(st.data(), st.sampled_from(WHOLE))
def test_golden_frame_with_a_piece_changed_is_poison_or_right(data: st.DataObject, payload: bytes) -> None:
    start = data.draw(st.integers(0, len(payload)))
    end = data.draw(st.integers(start, min(start + 20, len(payload))))
    _poison_or_right(payload[:start] + data.draw(st.binary(max_size=8)) + payload[end:])


columns = st.one_of(
    st.binary(max_size=40),
    st.lists(st.integers(0, 6), max_size=4).map(lambda numbers: u16(*numbers)),
    st.lists(st.integers(-(2**31), 2**31 - 1), max_size=6).map(lambda numbers: i32(*numbers)),
    st.lists(st.floats(width=32), max_size=6).map(lambda numbers: struct.pack(f"<{len(numbers)}f", *numbers)),
    st.lists(st.floats(), max_size=6).map(lambda numbers: struct.pack(f"<{len(numbers)}d", *numbers)),
)
odd = st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(), st.text(max_size=70), columns)
parts = st.one_of(columns, odd, st.lists(odd, max_size=3), st.dictionaries(st.text(max_size=4), odd, max_size=2))


names = st.sampled_from([*fields(), "q", "r", "reasons", "device", "events"])


@fuzzed(st.dictionaries(names, parts, max_size=3), share=0.25)
def test_frame_of_changed_columns_is_refused_with_one_printable_line_or_is_right(changes: dict[str, Any]) -> None:
    _poison_or_right(changed(**changes))


def _decode(payload: bytes) -> None:
    for _ in range(20):
        try:
            packed_frame.decode(payload)
        except Poison:
            continue


def _of(readings: int, **more: object) -> bytes:
    some: dict[str, object] = {"dt": bytes(4 * readings), "x": bytes(4 * readings)}
    return changed(**({"names": "s c", "series": u16(1), "moments": u16(readings)} | some | more))


def _names(size: int, **more: object) -> bytes:
    # Others each time: what is remembered costs nothing.
    names = "\n".join(f"s{i} c{size}" for i in range(size))
    return changed(names=names, series=u16(size), moments=u16(1), dt=bytes(4), x=bytes(4 * size), **more)


def _event(attrs: object) -> bytes:
    return changed(events=[{"sensor": "a", "t": SENT, "type": "b", "attrs": attrs}])


NULL = struct.pack("<f", math.nan)
KINDS: dict[str, tuple[Callable[[int], bytes], int]] = {
    "values": (_of, 15_000),
    "nulls": (lambda size: _of(size, x=struct.pack("<f", math.nan) * size, q=b"\1" * size), 13_000),
    "values that overflow together": (lambda size: _of(size, x=struct.pack("<d", 1e308) * size), 10_000),
    "a null of good quality at the end": (lambda size: _of(size, x=bytes(4 * size - 4) + NULL), 15_000),
    "marks": (lambda size: _of(size, q=b"\1" * size, r=u16(1) * size, reasons=["why"]), 10_000),
    "reasons": (lambda size: _of(1, reasons=["x"] * size), 50_000),
    "device times": (lambda size: _of(size, device=bytes(8 * size)), 7_000),
    "series": (_names, 3_000),
    "groups": (
        lambda size: changed(names="s" + " c" * size, series=u16(1) * size, moments=bytes(2 * size), dt=b"", x=b""),
        4_000,
    ),
    "one name again and again": (
        lambda size: changed(names="s" + " c" * size, series=u16(size), moments=u16(0), dt=b"", x=b""), 4_000
    ),
    "a name that is none": (lambda size: changed(names="A" * size + " c d"), 100_000),
    "events": (lambda size: changed(events=[{"sensor": "a", "t": SENT, "type": "b", "attrs": {"c": 1}}] * size), 2_000),
    "attributes": (lambda size: _event({f"k{i}": i for i in range(size)}), 8_000),
    "lists": (lambda size: _event({"a": [[]] * size}), 50_000),
    "depth": (lambda size: _event({"a": 0}).replace(b"\xa1a\x00", b"\xa1a" + b"\x91" * size + b"\x00"), 60_000),
    "text": (lambda size: _event({"a": "é" * size}), 60_000),
    "unknown fields": (lambda size: changed(**{f"u{i}": i for i in range(size)}), 10_000),
    "an unknown column": (lambda size: changed(later=bytes(size)), 120_000),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_twice_the_frame_costs_no_more_than_twice_the_time(kind: str) -> None:
    make, size = KINDS[kind]
    assert len(make(2 * size)) <= wire.MAX_FRAME_BYTES
    assert_linear(make, _decode, 2 * size)


def _series(size: int) -> wire.Frame:
    series = [wire.Series("s", "c", SENT + i, [0], [1.5], [1], [2]) for i in range(size)]
    return wire.Frame(1, "h", "a", EPOCH, 1, SENT, series=series)


def _readings(size: int) -> wire.Frame:
    series = wire.Series("s", "c", SENT, [*range(size)], [0.1] * size, [(2, "why")] * size, [5] * size)
    return wire.Frame(1, "h", "a", EPOCH, 1, SENT, series=[series])


@pytest.mark.parametrize("make", [_series, _readings])
def test_turning_twice_the_frame_into_columns_costs_no_more_than_twice_the_time(
    make: Callable[[int], wire.Frame],
) -> None:
    assert_linear(make, packed, 4000)


def test_what_a_small_frame_claims_takes_no_memory() -> None:
    claims = [
        changed(series=u16(*[65_535] * 10_000), moments=u16(*[65_535] * 10_000)),
        changed(names="s" + " c" * 8000, series=u16(8000), moments=u16(65_535)),
        msgspec.msgpack.encode(fields())[:-1] + b"\xc6\xff\xff\xff\xff",
    ]
    for payload in claims:
        with pytest.raises(Poison):
            decode_packed(payload)
