"""Frames, topics and texts built from their own fields, with one of them changed: refused with a reason, or right.

Work grows no faster than the input, whatever kind of input it is.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
import pytest
from hypothesis import strategies as st

from hubwatch_core import topics, wire
from hubwatch_core.errors import Poison
from hubwatch_core.ids import is_id
from hubwatch_core.plain_text import escaped, one_line
from support.doubling import assert_linear
from support.fuzzing import fuzzed

Given = TypeVar("Given")
Result = TypeVar("Result")
EPOCH = "01JAN0000000000000000000ZZ"
T0 = 1_800_000_000_000_000


def series(count: int, **more: object) -> dict[str, Any]:
    return {"sensor": "a", "channel": "b", "t0": T0, "dt": [*range(count)], "x": [1.5] * count} | more


def frame(**more: object) -> dict[str, Any]:
    return {"v": 1, "hub": "harbour", "agent": "gate-7", "epoch": EPOCH, "seq": 1, "sent": T0} | more


odd_numbers = st.sampled_from(
    [0, -1, 1, 2**31, 2**53, 2**63, -(2**63), 2**64, 10**30, 0.5, 1e308, -1e308, 1e-320, math.inf, -math.inf, math.nan]
)
odd = st.one_of(
    st.none(),
    st.booleans(),
    odd_numbers,
    st.text(max_size=70),
    st.sampled_from(["", "good", "\0", "\x1b[2J", "..", "a/b", EPOCH, "é" * 64]),
    st.lists(odd_numbers, max_size=4),
    st.just({}),
    st.dictionaries(st.text(max_size=4), odd_numbers, max_size=2),
    st.integers(1, 40).map(lambda depth: json.loads("[" * depth + "]" * depth)),
)


@st.composite
def whole_frames(draw: st.DrawFn) -> dict[str, Any]:
    count = draw(st.integers(0, 4))
    marks = draw(st.sampled_from([None, [1] * count, [[2, "cut cable"]] * count]))
    more = {} if marks is None else {"q": marks}
    device = {} if draw(st.booleans()) else {"device": [None] * count}
    event = {"sensor": "a", "t": T0, "type": "door.forced", "attrs": {"reader": "north", "tries": [1, 2]}}
    return frame(
        series=[series(count, **more, **device) for _ in range(draw(st.integers(0, 2)))],
        events=[event] * draw(st.integers(0, 2)),
    )


def places(tree: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of each value in a tree."""
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [path for key, value in inner for path in [(*here, key), *places(value, (*here, key))]]


def changed(tree: Any, path: tuple[Any, ...], change: Callable[[Any], Any]) -> Any:
    copy = json.loads(json.dumps(tree))
    place = copy
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = change(place[path[-1]])
    return copy


@st.composite
def payloads(draw: st.DrawFn) -> bytes:
    tree = draw(whole_frames())
    for _ in range(draw(st.integers(0, 2))):
        path = draw(st.sampled_from(places(tree)))
        value = draw(odd)
        tree = changed(tree, path, lambda _, value=value: value)  # type: ignore[misc]
    text = json.dumps(tree).encode()
    at = draw(st.integers(0, len(text)))
    match draw(st.sampled_from(["whole", "whole", "whole", "cut", "byte", "twice"])):
        case "cut":
            return text[:at]
        case "byte":
            return text[:at] + draw(st.binary(min_size=1, max_size=2)) + text[at + 1 :]
        case "twice":
            return text.replace(b"{", b'{"v": 1, ', 1)
    return text


def refused_or(decode: Callable[[Given], Result], given: Given) -> Result | None:
    """Decode; None when it is refused, as it is allowed to be: with one printable line."""
    try:
        return decode(given)
    except Poison as error:
        reason = error.reason
    assert reason.isprintable()
    assert len(reason) <= 600
    return None


@fuzzed(payloads(), share=0.25)
def test_frame_of_changed_fields_is_refused_with_one_printable_line_or_is_right(payload: bytes) -> None:
    decoded = refused_or(wire.decode_frame, payload)
    if decoded is None:
        return
    assert is_id(decoded.hub)
    assert is_id(decoded.agent)
    for each in decoded.series:
        assert is_id(each.sensor)
        assert len(each.x) == len(each.dt)
        assert all(x is None or math.isfinite(x) for x in each.x)
        assert all(wire.EARLIEST_US <= each.t0 + dt <= wire.LATEST_US for dt in each.dt)
    assert "\0" not in json.dumps(msgspec.to_builtins(decoded), ensure_ascii=False)
    assert wire.decode_frame(wire.encode(decoded)) == decoded


levels = st.one_of(
    st.sampled_from(["hubwatch", "1", "2", "rollcall", "frame", "birth", "state", "", "+", "#", "$share", "gate-7"]),
    st.from_regex(r"[a-z0-9][a-z0-9._-]{0,63}", fullmatch=True),
    st.text(max_size=5),
)


@fuzzed(st.lists(levels, max_size=7).map("/".join), share=0.25)
def test_topic_of_any_levels_is_ours_or_refused_with_one_printable_line(topic: str) -> None:
    parsed = refused_or(topics.parse, topic)
    if parsed is not None:
        assert str(parsed) == topic
        assert is_id(parsed.hub)
        assert is_id(parsed.agent)


pieces = st.sampled_from(
    ["\x1b[2J", "\r\n", "\u202e", "\u2028", "\ud800", "\0", "\x9b", "\t", "é", "a", " ", "\U0001f600"]
)


@fuzzed(st.lists(st.one_of(pieces, st.text(max_size=3)), max_size=10).map("".join), share=0.25)
def test_text_of_any_pieces_is_shown_as_printable(text: str) -> None:
    assert one_line(text).isprintable()
    assert all(line.isprintable() for line in escaped(text).split("\n"))


def _decode(payload: bytes) -> None:
    for _ in range(20):
        try:
            wire.decode_frame(payload)
        except Poison:
            continue


def _encoded(**more: object) -> bytes:
    return json.dumps(frame(**more), separators=(",", ":")).encode()


def _attrs(attrs: object) -> bytes:
    return _encoded(events=[{"sensor": "a", "t": T0, "type": "b", "attrs": attrs}])


KINDS: dict[str, tuple[Callable[[int], bytes], int]] = {
    "values": (lambda size: _encoded(series=[series(size)]), 1500),
    "series": (lambda size: _encoded(series=[series(1)] * size), 150),
    "marks": (lambda size: _encoded(series=[series(size, q=[[1, "why"]] * size)]), 600),
    "device times": (lambda size: _encoded(series=[series(size, device=[1] * size)]), 1500),
    "nulls": (lambda size: _encoded(series=[series(size, x=[None] * size, q=[1] * size)]), 1500),
    "events": (lambda size: _encoded(events=[{"sensor": "a", "t": T0, "type": "b", "attrs": {"c": 1}}] * size), 200),
    "attributes": (lambda size: _attrs({f"k{i}": i for i in range(size)}), 800),
    "one attribute again and again": (
        lambda size: _attrs({}).replace(b"{}", b"{" + b'"k":1,' * size + b'"k":1}'),
        15_000,
    ),
    "lists": (lambda size: _attrs({"a": [[]] * size}), 2_000),
    "depth": (lambda size: _attrs({"a": 0}).replace(b":0}", b":" + b"[" * size + b"]" * size + b"}"), 60_000),
    "text": (lambda size: _attrs({"a": "x" * size}), 120_000),
    "escapes": (lambda size: _attrs({"a": "é\n" * size}), 12_000),
    "NULs": (lambda size: _attrs({"a": ["x"] * size + ["\0"]}), 3_000),
    "digits": (lambda size: _attrs({"a": 0}).replace(b":0}", b":" + b"9" * size + b"}"), 120_000),
    "decimals": (lambda size: _attrs({"a": 0}).replace(b":0}", b":0." + b"9" * size + b"}"), 120_000),
    "white space": (lambda size: _encoded() + b" " * size, 120_000),
    "unknown fields": (lambda size: _encoded(**{f"u{i}": i for i in range(size)}), 4_500),
    "a name that is none": (lambda size: _encoded(series=[series(1, sensor="A" * size)]), 120_000),
    "bytes that are no text": (lambda size: b"\xc3\xa9" * size + b"\xff", 60_000),
}


@pytest.mark.parametrize("kind", KINDS)
def test_twice_the_frame_costs_no_more_than_twice_the_time(kind: str) -> None:
    make, size = KINDS[kind]
    assert len(make(2 * size)) <= wire.MAX_FRAME_BYTES
    assert_linear(make, _decode, 2 * size)
