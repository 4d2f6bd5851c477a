"""Version 2 of the wire format: its golden bytes, and a twin of each poison of version 1."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hubwatch_core import packed_frame, wire
from hubwatch_core.errors import Poison
from hubwatch_core.name_lists import MOST_SERIES, NameLists
from hubwatch_core.packed_frame import NO_DEVICE, PackedFrame, decode_packed, encode_packed, is_packed, resent
from hubwatch_core.packing import packed, unpacked
from support import wire_cases
from support.packed_cases import EPOCH, GOLDEN, SENT, changed, fields, i32, i64, of_version_1, u16

Tree = dict[str, Any]


def _without(key: str) -> bytes:
    return msgspec.msgpack.encode({name: value for name, value in fields().items() if name != key})


def _event(**changes: object) -> bytes:
    return changed(events=[{"sensor": "door-3", "t": SENT, "type": "door.opened", "attrs": {}} | changes])


def _attrs(attrs: object) -> bytes:
    return _event(attrs=attrs)


def _nested(levels: int, leaf: object = 1) -> object:
    for _ in range(levels):
        leaf = [leaf]
    return leaf


def _with_raw(key: str, raw: bytes) -> bytes:
    """Return the frame with one more field, as raw bytes of MessagePack."""
    whole = msgspec.msgpack.encode(fields())
    return bytes([whole[0] + 1]) + whole[1:] + msgspec.msgpack.encode(key) + raw


def _raw_text(raw: bytes) -> bytes:
    return b"\xd9" + bytes([len(raw)]) + raw


TOO_OLD, TOO_NEW = wire.EARLIEST_US - SENT - 1, wire.LATEST_US - SENT + 1

TWINS: dict[str, tuple[bytes, str]] = {
    "agent-begins-with-hyphen": (changed(agent="-gate"), "`$.agent`"),
    "agent-not-ascii": (changed(agent="gäte"), "`$.agent`"),
    "array": (b"\xde\x00\x01\x91", "got `array`"),
    "attrs-deeper-than-16": (_attrs({"a": _nested(16)}), "nested deeper than 16"),
    "attrs-of-20000-levels": (_attrs({}).replace(b"\x80", b"\x81\xa1a" + b"\x91" * 20_000 + b"\xc0"), "recursion"),
    "attrs-of-400-levels-around-a-nul": (_attrs({"a": _nested(400, "\0")}), "nested deeper than 16"),
    "device-times-fewer-than-values": (changed(device=i32(1, 2, 3)), "device has 12 bytes"),
    "empty": (b"\x80", "missing required field `v`"),
    "epoch-lower-case": (changed(epoch=EPOCH.lower()), "`$.epoch`"),
    "epoch-over-128-bits": (changed(epoch="8" + EPOCH[1:]), "`$.epoch`"),
    "epoch-with-letter-i": (changed(epoch="0I" + EPOCH[2:]), "`$.epoch`"),
    "epoch-with-newline-at-end": (changed(epoch=EPOCH + "\n"), "`$.epoch`"),
    "event-attrs-infinite": (_attrs({"a": math.inf}), "not finite"),
    "event-attrs-integer-of-5000-digits": (_attrs({"a": msgspec.msgpack.Ext(1, b"9" * 5000)}), "what JSON has not"),
    "event-attrs-null": (_event(attrs=None), "Expected `object`, got `None` - at `$.events[0].attrs`"),
    "event-subject-too-long": (_event(subject="x" * 201), "length <= 200"),
    "event-time-missing": (changed(events=[{"sensor": "a", "type": "b"}]), "missing required field `t`"),
    "event-time-negative": (_event(t=-1), "`$.events[0].t`"),
    "event-type-with-space": (_event(type="door opened"), "`$.events[0].type`"),
    "first-time-before-2010": (changed(dt=i64(TOO_OLD, 0)), "outside 2010–2100"),
    "hub-empty": (changed(hub=""), "`$.hub`"),
    "hub-of-64-characters": (changed(hub="x" * 64), "length <= 63 - at `$.hub`"),
    "hub-upper-case": (changed(hub="Harbour"), "`$.hub`"),
    "hub-with-newline-at-end": (changed(hub="harbour\n"), "`$.hub`"),
    "hub-with-slash": (changed(hub="a/b"), "`$.hub`"),
    "hub-with-wildcard": (changed(hub="+"), "`$.hub`"),
    "key-missing": (_without("seq"), "missing required field `seq`"),
    "last-time-after-2100": (changed(dt=i64(0, TOO_NEW)), "outside 2010–2100"),
    "late-as-number": (changed(late=1), "Expected `bool`, got `int` - at `$.late`"),
    "lone-high-surrogate": (_with_raw("reasons", b"\x91" + _raw_text(b"\xed\xa0\x80")), "UTF-8"),
    "lone-low-surrogate": (_with_raw("reasons", b"\x91" + _raw_text(b"\xed\xb0\x80")), "UTF-8"),
    "nul-in-attrs-deep-inside": (_attrs({"a": [{"b": "x\0"}]}), "NUL"),
    "nul-in-attrs-key": (_attrs({"a\0": 1}), "NUL"),
    "nul-in-quality-reason": (changed(reasons=["a\0"]), "NUL"),
    "nul-in-subject": (_event(subject="\0"), "NUL"),
    "nul-unescaped": (_attrs({"a": "\0"}), "NUL"),
    "not-utf-8-in-subject": (_event(subject="xyz").replace(b"xyz", b"\xff\xfex"), "UTF-8"),
    "offset-as-float": (changed(dt=[0.5, 1.5]), "Expected `bytes`, got `array` - at `$.dt`"),
    "offset-over-the-limit": (changed(dt=i64(0, 2**62)), "outside 2010–2100"),
    "qualities-fewer-than-values": (changed(q=b"\0\0\0"), "q has 3 bytes"),
    "quality-3": (changed(q=b"\0\0\0\3"), "Invalid quality 3"),
    "quality-as-bool": (changed(q=True), "Expected `bytes`, got `bool` - at `$.q`"),
    "quality-reason-too-long": (changed(reasons=["x" * 201]), "length <= 200"),
    "quality-without-reason": (changed(r=u16(0, 0, 0, 1)), "r names reason 1 of 0"),
    "sent-1970": (changed(sent=0), "`$.sent`"),
    "sent-beyond-64-bits": (changed(sent=b"\xff" * 9), "`$.sent`"),
    "sent-in-milliseconds": (changed(sent=SENT // 1000), "`$.sent`"),
    "sent-in-nanoseconds": (changed(sent=SENT * 1000), "`$.sent`"),
    "sequence-as-bool": (changed(seq=True), "Expected `int`, got `bool` - at `$.seq`"),
    "sequence-as-float": (changed(seq=1.5), "Expected `int`, got `float` - at `$.seq`"),
    "sequence-as-text": (changed(seq="1"), "Expected `int`, got `str` - at `$.seq`"),
    "sequence-negative": (changed(seq=-1), ">= 1 - at `$.seq`"),
    "sequence-over-the-limit": (changed(seq=2**62 + 1), "`$.seq`"),
    "sequence-zero": (changed(seq=0), ">= 1 - at `$.seq`"),
    "series-as-object": (changed(series={}), "Expected `bytes`, got `object` - at `$.series`"),
    "series-null": (changed(series=None), "Expected `bytes`, got `None` - at `$.series`"),
    "truncated": (encode_packed(GOLDEN["all-good"])[:-1], "truncated"),
    "two-objects": (encode_packed(GOLDEN["all-good"]) * 2, "trailing characters"),
    "unknown-key-of-20000-levels": (_with_raw("later", b"\x91" * 20_000 + b"\xc0"), "recursion"),
    "utf-8-of-a-surrogate": (_event(subject="xyz").replace(b"xyz", b"\xed\xa0\x80"), "UTF-8"),
    "value-as-bool": (changed(x=True), "Expected `bytes`, got `bool` - at `$.x`"),
    "value-as-text": (changed(x="1"), "Expected `bytes`, got `str` - at `$.x`"),
    "value-infinite": (changed(x=struct.pack("<4d", 1, 2, 3, math.inf)), "rpm-2/gamma.2: x[1] is not a finite number"),
    "value-infinity-word": (changed(x=struct.pack("<4f", 1, -math.inf, 3, 4)), "x[1] is not a finite number"),
    "value-nan": (changed(x=struct.pack("<4f", 1, 2, math.nan, 4)), "gamma.2: x[0] is null but its quality is good"),
    "value-null-of-good-quality": (
        changed(x=struct.pack("<4d", 1, math.nan, math.nan, 4), q=b"\0\0\1\0"),
        "series[0] rpm-2/gamma.1: x[1] is null but its quality is good",
    ),
    "value-null-of-good-quality-with-reason": (
        changed(x=struct.pack("<4d", math.nan, 2, 3, 4), r=u16(1, 0, 0, 0), reasons=["why"]),
        "x[0] is null but its quality is good",
    ),
    "value-null-without-quality": (changed(x=struct.pack("<4d", math.nan, 2, 3, 4)), "x[0] is null"),
    "values-fewer-than-times": (changed(x=struct.pack("<3d", 1, 2, 3)), "x has 24 bytes, which are not those of 4"),
    "values-without-times": (changed(dt=b""), "dt has 0 bytes, which are not those of 2 numbers"),
    "version-2": (changed(v=3), "Invalid enum value 3 - at `$.v`"),
    "version-as-text": (changed(v="2"), "`$.v`"),
    "version-missing": (_without("v"), "missing required field `v`"),
}
"""By the name of the frame in `tests/cases/wire/poison/`."""

OF_TEXT_ONLY = {
    "byte-order-mark", "not-json", "null", "utf-16",  # what does not begin as MessagePack is read as JSON
    "lone-surrogate-in-key", "not-utf-8-in-unknown-key",  # what nobody reads is stepped over by its length
}  # fmt: skip

OWN: dict[str, tuple[bytes, str]] = {
    "length-of-4-gigabytes": (_without("x") + b"\xa1x\xc6\xff\xff\xff\xff", "trailing"),
    "column-of-4-gigabytes": (_with_raw("later", b"\xc6\xff\xff\xff\xff"), "truncated"),
    "list-of-4-billion": (_with_raw("reasons", b"\xdd\xff\xff\xff\xff"), "truncated"),
    "map-of-4-billion": (b"\xdf\xff\xff\xff\xff", "truncated"),
    "groups-of-half-a-number": (changed(series=b"\2\0\1"), "series has 3 bytes, no whole number of 16 bits"),
    "moments-of-half-a-number": (changed(moments=b"\2"), "moments has 1 bytes, no whole number of 16 bits"),
    "groups-without-moments": (changed(moments=b""), "1 groups have series but 0 have moments"),
    "more-series-than-names": (changed(series=u16(3)), "3 series but 2 names"),
    "group-without-series": (changed(series=u16(2, 0), moments=u16(2, 0)), "a group has no series"),
    "readings-that-are-claimed": (
        changed(series=u16(*[65_535] * 1000), moments=u16(*[65_535] * 1000)), "65535000 series but 2 names"
    ),
    "moments-that-are-claimed": (changed(moments=u16(65_535)), "dt has 8 bytes, which are not those of 65535"),
    "name-twice": (changed(names="rpm-2 gamma.1 gamma.1"), "names: rpm-2/gamma.1 is there twice"),
    "name-twice-in-two-lines": (changed(names="rpm-2 a\nrpm-2 a"), "names: rpm-2/a is there twice"),
    "name-upper-case": (changed(names="rpm-2 Gamma b"), "channel rpm-2/Gamma is no valid name"),
    "sensor-upper-case": (changed(names="RPM a b"), "sensor RPM is no valid name"),
    "sensor-without-channel": (changed(names="rpm-2\nrpm-3 a b"), "sensor rpm-2 has no channel"),
    "name-empty": (changed(names="rpm-2  "), "is no valid name"),
    "name-with-line-break-at-end": (changed(names="rpm-2 a b\n"), "sensor  is no valid name"),
    "names-more-than-can-be": (
        changed(names="s" + " c" * 9000, series=u16(9000), moments=u16(0), dt=b"", x=b""), "names 9000 series"
    ),
    "marks-without-readings": (
        changed(names="", series=b"", moments=b"", dt=b"", x=b"", q=b"\1"),
        "q has 1 bytes, which are not those of 0",
    ),
    "device-beyond-all-clocks": (changed(device=i64(0, 0, 0, 2**62)), "beyond all clocks"),
    "attrs-of-bytes": (_attrs({"a": b"x"}), "what JSON has not"),
    "attrs-of-a-moment": (_attrs({"a": [msgspec.msgpack.Ext(-1, b"\0" * 4)]}), "what JSON has not"),
    "attrs-with-a-number-as-name": (_attrs({"a": {1: 2}}), "what JSON has not"),
    "late-missing": (_without("late"), "missing required field `late`"),
}  # fmt: skip


@pytest.mark.parametrize("name", [*TWINS, *OWN])
def test_poison_is_refused_with_a_reason_that_says_what_and_where(name: str) -> None:
    payload, reason = (TWINS | OWN)[name]
    with pytest.raises(Poison) as caught:
        packed_frame.decode(payload)
    assert reason in caught.value.reason
    assert len(caught.value.reason) < 330
    assert caught.value.reason.isprintable()


def test_every_poison_of_version_1_has_its_twin() -> None:
    frames = {path.stem.removeprefix("frame-") for path in wire_cases.payloads("poison") if "frame-" in path.name}
    assert frames == TWINS.keys() | OF_TEXT_ONLY


def test_frame_from_which_the_poison_is_made_is_good() -> None:
    assert decode_packed(changed()).readings == 4


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_frame_is_the_same_bytes_and_the_same_frame(name: str) -> None:
    payload = (wire_cases.FOLDER / "golden-2" / f"frame-{name}.msgpack").read_bytes()
    assert encode_packed(GOLDEN[name]) == payload
    assert decode_packed(payload) == GOLDEN[name]
    assert is_packed(payload)


def test_every_golden_file_is_checked() -> None:
    files = {path.stem.removeprefix("frame-") for path in (wire_cases.FOLDER / "golden-2").iterdir()}
    assert files == GOLDEN.keys()


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_frame_cut_short_anywhere_is_poison(name: str) -> None:
    whole = encode_packed(GOLDEN[name])
    for length in range(len(whole)):
        with pytest.raises(Poison):
            packed_frame.decode(whole[:length])


@pytest.mark.parametrize("path", [path for path in wire_cases.payloads("golden") if "frame-" in path.name])
def test_golden_frame_of_version_1_has_the_same_content_in_version_2(path: Path) -> None:
    frame = wire.decode_frame(path.read_bytes())
    assert of_version_1(unpacked(decode_packed(encode_packed(packed(frame))))) == of_version_1(frame)


@pytest.mark.parametrize("payload", [b"{", b" {", b"", b"\xef\xbb\xbf{", b"\xff\xfe{\0"])
def test_what_may_be_json_is_not_taken_for_messagepack(payload: bytes) -> None:
    assert not is_packed(payload)


def test_unknown_fields_change_nothing() -> None:
    later = changed(later=[{"a": b"\0"}], x2=1)
    assert decode_packed(later) == decode_packed(changed())


def test_frame_of_exactly_the_largest_size_is_taken_and_one_byte_more_is_poison() -> None:
    rest = wire.MAX_FRAME_BYTES - len(changed(fill=b"\0" * 70_000)) + 70_000
    assert decode_packed(changed(fill=b"\0" * rest)).readings == 4
    with pytest.raises(Poison, match="frame of 262145 bytes is over the limit of 262144"):
        decode_packed(changed(fill=b"\0" * (rest + 1)))


@pytest.mark.parametrize("name", GOLDEN)
def test_frame_sent_again_as_backlog_says_so_and_nothing_else(name: str) -> None:
    once = resent(encode_packed(GOLDEN[name]), SENT + 7)
    assert decode_packed(once) == msgspec.structs.replace(GOLDEN[name], sent=SENT + 7, late=True)
    assert decode_packed(resent(once, SENT + 9)).sent == SENT + 9


@pytest.mark.parametrize(
    ("values", "width"), [([400.25, -0.0], 4), ([0.1, 1.0], 8), ([1e300, 1.0], 8), ([2.0**24 + 1, 1.0], 8)]
)
def test_values_lose_nothing(values: list[float], width: int) -> None:
    series = wire.Series("s", "c", SENT, [0, 1], list(values))
    frame = packed(wire.Frame(1, "h", "a", EPOCH, 1, SENT, series=[series]))
    assert len(frame.x) == 2 * width
    assert [math.copysign(1, x) * x for x in decode_packed(encode_packed(frame)).values] == [
        math.copysign(1, x) * x for x in values
    ]


def test_not_a_number_and_infinity_become_null_as_in_version_1() -> None:
    series = wire.Series("s", "c", SENT, [0, 1], [math.inf, math.nan], [1, 2])
    frame = wire.Frame(1, "h", "a", EPOCH, 1, SENT, series=[series])
    assert unpacked(decode_packed(encode_packed(packed(frame)))) == wire.decode_frame(wire.encode(frame))


def test_series_of_one_channel_are_put_behind_one_another() -> None:
    first = wire.Series("s", "c", SENT, [0], [1.0], device=[5])
    second = wire.Series("s", "c", SENT + 10, [0], [None], q=[(2, "gone")])
    frame = unpacked(packed(wire.Frame(1, "h", "a", EPOCH, 1, SENT, series=[first, second])))
    assert frame.series == [wire.Series("s", "c", SENT, [0, 10], [1.0, None], [0, (2, "gone")], [5, None])]


def test_channels_that_are_read_at_the_same_moments_share_them() -> None:
    series = [wire.Series("s", f"c{i}", SENT, [0, 200_000], [1.0, 2.0]) for i in range(10)]
    frame = packed(wire.Frame(1, "h", "a", EPOCH, 1, SENT, series=series))
    assert (len(frame.dt), frame.series, frame.moments) == (8, u16(10), u16(2))


@pytest.mark.parametrize(("offset", "width"), [(5, 4), (2**40, 8)])
def test_device_time_that_is_missing_is_missing(offset: int, width: int) -> None:
    series = wire.Series("s", "c", SENT, [0, 100], [1.0, 2.0], device=[None, 100 + offset])
    frame = packed(wire.Frame(1, "h", "a", EPOCH, 1, SENT, series=[series]))
    assert (frame.no_device, list(frame.device_offsets)) == (NO_DEVICE[width], [NO_DEVICE[width], offset])
    assert unpacked(frame).series == [series]


def test_series_longer_than_its_number_says_is_refused_where_it_is_made() -> None:
    long = wire.Series("s", "c", SENT, [0] * 65_536, [1.0] * 65_536)
    with pytest.raises(ValueError, match="more than 65535 readings"):
        packed(wire.Frame(1, "h", "a", EPOCH, 1, SENT, series=[long]))


def test_lists_of_names_are_remembered_up_to_a_budget() -> None:
    lists = NameLists(most=10)
    for i in range(100):
        assert lists.of(f"s{i} a b c") == ((f"s{i}", "a"), (f"s{i}", "b"), (f"s{i}", "c"))
        assert len(lists) <= 10
    assert lists.of("s99 a b c") is lists.of("s99 a b c")


def test_a_frame_of_version_1_never_has_more_series_than_one_of_version_2_may() -> None:
    shortest = wire.encode(wire.Frame(1, "h", "a", EPOCH, 1, SENT, series=[wire.Series("s", "c", SENT, [], [])] * 2))
    one = wire.encode(wire.Frame(1, "h", "a", EPOCH, 1, SENT, series=[wire.Series("s", "c", SENT, [], [])]))
    assert wire.MAX_FRAME_BYTES // (len(shortest) - len(one)) < MOST_SERIES


def test_either_version_is_read_and_written_in_its_own() -> None:
    frame = wire.Frame(1, "h", "a", EPOCH, 1, SENT)
    both: list[tuple[wire.Frame | PackedFrame, Callable[[bytes], bool]]] = [
        (frame, lambda payload: payload.startswith(b"{")), (packed(frame), is_packed)
    ]  # fmt: skip
    for each, is_right in both:
        payload = packed_frame.encode(each)
        assert is_right(payload)
        assert packed_frame.decode(payload) == each
