"""What is encoded decodes to itself; what is not ours is Poison and never anything else."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hubwatch_core import wire
from hubwatch_core.errors import Poison
from hubwatch_core.words import ChannelKind, SensorKind
from support import wire_cases

ids = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,62}", fullmatch=True)
ulids = st.from_regex(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", fullmatch=True)
times = st.integers(wire.EARLIEST_US, wire.LATEST_US)
finite = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=32)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | finite | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)
trees = st.dictionaries(texts, plain, max_size=4)
codes = st.sampled_from([0, 1, 2])
bad_marks = st.sampled_from([1, 2]) | st.tuples(st.sampled_from([1, 2]), texts)
marks = codes | st.tuples(codes, texts)


@st.composite
def series(draw: st.DrawFn) -> wire.Series:
    """Draw a series whose times lie within the time line and whose nulls have a quality."""
    x = draw(st.lists(st.none() | finite, max_size=5))
    t0 = draw(times)
    offsets = st.integers(max(wire.EARLIEST_US - t0, -(2**52)), min(wire.LATEST_US - t0, 2**52))
    n = len(x)
    q: list[Any] = [draw(marks if each is not None else bad_marks) for each in x]
    if None not in x and draw(st.booleans()):
        q = []
    device = draw(st.just([]) | st.lists(st.none() | st.integers(-(2**52), 2**52), min_size=n, max_size=n))
    return wire.Series(draw(ids), draw(ids), t0, draw(st.lists(offsets, min_size=n, max_size=n)), x, q, device)


events = st.builds(
    wire.Event, sensor=ids, t=times, type=ids, subject=st.none() | texts, attrs=trees, device=st.none() | times
)
frames = st.builds(
    wire.Frame,
    v=st.just(1),
    hub=ids,
    agent=ids,
    epoch=ulids,
    seq=st.integers(1, 2**62),
    sent=times,
    late=st.booleans(),
    series=st.lists(series(), max_size=3),
    events=st.lists(events, max_size=3),
)
channels = st.lists(
    st.builds(
        wire.Channel,
        name=ids,
        unit=texts,
        kind=st.sampled_from(ChannelKind),
        period_us=st.none() | st.integers(1, 2**52),
        resolution=st.none() | finite,
    ),
    max_size=3,
    unique_by=lambda channel: channel.name,
)
sensors = st.builds(
    wire.Sensor,
    sensor=ids,
    kind=st.sampled_from(SensorKind),
    zone=ids,
    profile=texts,
    max_age_s=st.none() | st.floats(0, 1e9, exclude_min=True),
    channels=channels,
)
births = st.builds(
    wire.Birth,
    v=st.just(1),
    hub=ids,
    agent=ids,
    epoch=ulids,
    sent=times,
    software=texts,
    config=texts,
    inventory=st.lists(sensors, max_size=3, unique_by=lambda sensor: sensor.sensor),
)
detections = st.builds(
    wire.Detection,
    id=ulids,
    type=ids,
    hub=ids,
    sensor=ids,
    subject=st.none() | texts,
    start=times,
    end=st.none() | times,
    detected=times,
    score=finite,
    priority=st.integers(1, 4),
    detector=ids,
    version=st.integers(1, 2**31 - 1),
    late=st.booleans(),
    why=texts,
    evidence=trees,
)


@given(frames)
def test_every_frame_survives_the_wire(frame: wire.Frame) -> None:
    assert wire.decode_frame(wire.encode(frame)) == frame


@given(births)
def test_every_birth_survives_the_wire(birth: wire.Birth) -> None:
    assert wire.decode_birth(wire.encode(birth)) == birth


@given(detections)
def test_every_detection_survives_the_wire(detection: wire.Detection) -> None:
    assert wire.decode_detection(wire.encode(detection)) == detection


@given(frames)
def test_encoded_frame_is_one_line_that_any_json_reader_reads(frame: wire.Frame) -> None:
    encoded = wire.encode(frame)
    assert b"\n" not in encoded
    assert json.loads(encoded)["seq"] == frame.seq


@given(frames, st.dictionaries(st.text(string.ascii_uppercase, min_size=1), plain, max_size=3))
def test_unknown_keys_change_nothing(frame: wire.Frame, unknown: dict[str, Any]) -> None:
    tree = json.loads(wire.encode(frame)) | unknown
    assert wire.decode_frame(json.dumps(tree).encode()) == frame


def _poison_or_decoded(kind: str, payload: bytes) -> None:
    """Decode; whatever else than Poison comes out fails the test, and a decoded message can be stored and sent on."""
    try:
        message = wire_cases.DECODERS[kind](payload)
    except Poison:
        return
    encoded = wire.encode(message)
    assert wire_cases.DECODERS[kind](encoded) == message
    json.loads(encoded)


@given(st.sampled_from(sorted(wire_cases.DECODERS)), st.binary(max_size=400))
def test_random_bytes_are_poison(kind: str, payload: bytes) -> None:
    _poison_or_decoded(kind, payload)


@given(st.sampled_from(sorted(wire_cases.DECODERS)), plain)
def test_any_json_is_poison_or_a_message(kind: str, tree: object) -> None:
    _poison_or_decoded(kind, json.dumps(tree).encode())


GOLDEN = wire_cases.payloads("golden") + wire_cases.payloads("tolerated")
PIECES = [b"null", b"1e999", b"-1", b'"', b"\\u0000", b"\\ud800", b"\0", b"\xff", b"[[[[", b"{", b"}", b"1" * 30]


@given(st.data(), st.sampled_from(GOLDEN))
def test_golden_message_with_a_piece_changed_is_poison_or_a_message(data: st.DataObject, path: Path) -> None:
    payload = path.read_bytes()
    start = data.draw(st.integers(0, len(payload)))
    end = data.draw(st.integers(start, min(start + 20, len(payload))))
    changed = payload[:start] + data.draw(st.sampled_from(PIECES) | st.binary(max_size=8)) + payload[end:]
    _poison_or_decoded(path.name.partition("-")[0], changed)


LEAVES: list[Any] = [None, True, -1, 0, 2**63, 1.5, "", "x", [], {}, [None], "\0"]


@given(st.data(), st.sampled_from(GOLDEN))
def test_golden_message_with_a_value_of_another_type_is_poison_or_a_message(data: st.DataObject, path: Path) -> None:
    tree = json.loads(path.read_bytes())
    node, key = tree, data.draw(st.sampled_from(sorted(tree)))
    while isinstance(node[key], dict | list) and node[key] and data.draw(st.booleans()):
        node = node[key]
        key = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
    node[key] = data.draw(st.sampled_from(LEAVES))
    _poison_or_decoded(path.name.partition("-")[0], json.dumps(tree).encode())


@given(st.integers(1, 20_000), st.sampled_from(["[", '{"a":']), st.booleans())
def test_nesting_of_any_depth_is_poison_or_a_message(depth: int, opener: str, known: bool) -> None:
    closer = "]" if opener == "[" else "}"
    nest = opener * depth + '"\\u0000"' + closer * depth
    event = '{"sensor":"s","t":1795284000100000,"type":"x","attrs":{"a":' + nest + "}}"
    more = f'"events":[{event}]' if known else f'"later":{nest}'
    head = '{"v":1,"hub":"h","agent":"a","epoch":"01JD3ZKQ5V8W2M4N6P7R9S0T1X","seq":1,"sent":1795284000123456,'
    _poison_or_decoded("frame", f"{head}{more}}}".encode())
