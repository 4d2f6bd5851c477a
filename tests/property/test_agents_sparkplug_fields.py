"""Sparkplug messages built from the fields of their own format: each becomes frames or is refused with a reason."""

from __future__ import annotations

import struct

from hypothesis import strategies as st

from hubwatch_agents.config.load import check as check_configuration
from hubwatch_agents.drivers.drops import DropCounters
from hubwatch_agents.drivers.sparkplug.node import Node, NodeUpdate
from hubwatch_agents.drivers.sparkplug.payload import MalformedPayload, decode
from hubwatch_agents.drivers.sparkplug.sensor import MetricSensor
from hubwatch_agents.profiles.sparkplug_schema import SparkplugProfile
from support.agents_rig import settings_of
from support.frame_checks import check_frames
from support.fuzzing import fuzzed

T = 1_795_284_000_000_000


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def tagged(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


whole = st.one_of(st.integers(0, 3), st.integers(0, 2**64 - 1), st.just(T // 1000))
texts = st.sampled_from(["Temperature", "Humidity", "Open", "bdSeq", "", "T/a", "\0", "Quality"]).map(str.encode)
words = texts | st.binary(max_size=8)


def number_fields(*numbers: int) -> st.SearchStrategy[bytes]:
    return st.tuples(st.sampled_from(numbers), whole).map(lambda pair: varint(pair[0] << 3) + varint(pair[1]))


def byte_fields(*numbers: int, of: st.SearchStrategy[bytes] = words) -> st.SearchStrategy[bytes]:
    return st.tuples(st.sampled_from(numbers), of).map(lambda pair: tagged(*pair))


floats = st.floats(width=32).map(lambda value: b"\x65" + struct.pack("<f", value)) | st.floats().map(
    lambda value: b"\x69" + struct.pack("<d", value)
)
wrong = st.binary(max_size=4) | st.integers(1, 30).map(lambda number: varint(number << 3 | 2) + b"\x7f")
properties = st.lists(byte_fields(1) | byte_fields(2, of=number_fields(1, 2, 3, 4)), max_size=6).map(b"".join)
heads = byte_fields(1, of=texts) | number_fields(2, 3, 4, 5, 7) | byte_fields(9, of=properties)
values = floats | number_fields(10, 11, 14) | byte_fields(15, 16, 17)
plain_metrics = st.lists(heads | values, max_size=6).map(b"".join)
metrics = st.recursive(
    plain_metrics,
    lambda inner: st.tuples(plain_metrics, st.lists(byte_fields(2, of=inner), max_size=3)).map(
        lambda pair: pair[0] + tagged(18, b"".join(pair[1]))
    ),
    max_leaves=8,
)
payloads = st.lists(byte_fields(2, of=metrics) | number_fields(1, 3) | wrong, max_size=6).map(b"".join)
kinds = st.sampled_from(["NBIRTH", "NDEATH", "NDATA", "DBIRTH", "DDEATH", "DDATA"])

PARAMETERS = {"group": "g", "node": "n", "device": "d", "door": "Open"}
METRICS = [{"sensor": "s", "profile": "generic.sparkplug-environment", "parameters": PARAMETERS}]
(METRIC_DEVICE,) = check_configuration(
    settings_of({"name": "b", "transport": "sparkplug", "host": "h"}, METRICS), "test"
).devices


@fuzzed(st.lists(st.tuples(kinds, payloads, st.booleans()), max_size=8))
def test_sparkplug_messages_of_any_fields_become_frames_or_are_refused(messages: list[tuple[str, bytes, bool]]) -> None:
    assert isinstance(METRIC_DEVICE.profile, SparkplugProfile)
    node = Node([MetricSensor(METRIC_DEVICE, METRIC_DEVICE.profile)], 1000, DropCounters())
    for i, (kind, data, retained) in enumerate(messages):
        t = T + i * 1_000_000
        try:
            payload = decode(data)
        except MalformedPayload as error:
            node.unreadable(t, str(error))
            continue
        check_frames(node.on_message(NodeUpdate(kind, "d" if kind[0] == "D" else None, payload, t, retained)))
        check_frames(node.tick(t))
    check_frames(list(node.tick(T + 1000_000_000)))
