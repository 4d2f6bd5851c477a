"""Whatever packets a broker sends: no error escapes, memory is bounded, what is whole is delivered.

Packets are built from the protocol's own fields (MQTT 5, chapters 2 and 3), then lengths, flags and bytes are changed.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import pytest
from hypothesis import strategies as st
from paho.mqtt.enums import MQTTProtocolVersion

from hubwatch_core.message import Message
from hubwatch_core.mqtt.reader import MAX_CONTROL_BYTES, RECEIVE_BYTES
from support.doubling import assert_linear
from support.fuzzing import fuzzed
from support.mqtt_wire import Wire, length, publish

MAX_MESSAGE_BYTES = 600
FIVE, OLDER = MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311
LAST = Message("last", b"word", 1, False, 999, 0)

numbers = st.integers(0, 0xFFFF).map(lambda value: value.to_bytes(2, "big"))
variable = st.integers(0, 268_435_455).map(length)


def string(text: bytes) -> bytes:
    return len(text).to_bytes(2, "big") + text


strings = st.one_of(
    st.text(max_size=30).map(lambda text: string(text.encode(errors="replace"))),
    st.binary(max_size=30).map(string),
)
kinds_of_property = st.one_of(
    st.tuples(st.just(b"\x01"), st.binary(min_size=1, max_size=1)),
    st.tuples(st.sampled_from([b"\x02", b"\x11", b"\x27"]), st.binary(min_size=4, max_size=4)),
    st.tuples(st.sampled_from([b"\x23", b"\x13", b"\x21", b"\x22"]), numbers),
    st.tuples(st.sampled_from([b"\x03", b"\x08", b"\x09", b"\x12", b"\x1f", b"\x1c"]), strings),
    st.tuples(st.just(b"\x26"), strings, strings),
    st.tuples(st.just(b"\x0b"), variable),
    st.tuples(st.binary(min_size=1, max_size=1), st.binary(max_size=5)),
)
some_properties = st.lists(kinds_of_property.map(b"".join), max_size=6).map(b"".join)


@st.composite
def properties(draw: st.DrawFn) -> bytes:
    content = draw(some_properties)
    wrong = draw(st.one_of(st.just(0), st.just(0), st.integers(-3, 300)))
    return length(max(0, len(content) + wrong)) + content


@dataclass(frozen=True)
class Packet:
    """A packet as its parts, of which one may be wrong."""

    first: int
    body: bytes
    extra_length: int = 0
    overlong: bool = False

    def __bytes__(self) -> bytes:
        said = length(max(0, len(self.body) + self.extra_length))
        if self.overlong:
            said = bytes(byte | 0x80 for byte in said) + b"\x80\x80\x80\x80\x01"
        return bytes([self.first]) + said + self.body

    @property
    def framed(self) -> bool:
        """Whether it says itself where it ends, so that what follows can be read."""
        return not self.extra_length and not self.overlong


@st.composite
def publications(draw: st.DrawFn, five: bool) -> Packet:
    qos = draw(st.sampled_from([0, 1, 1, 2, 3]))
    flags = draw(st.sampled_from([0, 1, 8, 9])) | qos << 1
    topic = draw(st.one_of(st.just(string(b"a/b")), strings))
    body = topic + (draw(numbers) if qos else b"") + (draw(properties()) if five else b"")
    payload = draw(st.one_of(st.binary(max_size=60), st.integers(0, 2000).map(bytes)))
    return Packet(0x30 | flags, body + payload)


@st.composite
def answers(draw: st.DrawFn, five: bool) -> Packet:
    kind = draw(st.sampled_from([*range(16)]))
    flags = draw(st.sampled_from([0, 2, 15]))
    body = draw(st.one_of(st.just(b""), numbers, st.tuples(numbers, st.binary(max_size=4)).map(b"".join)))
    tail = draw(properties()) if five and draw(st.booleans()) else b""
    return Packet(kind << 4 | flags, body + tail + draw(st.binary(max_size=8)))


@st.composite
def packets(draw: st.DrawFn, five: bool) -> Packet:
    packet = draw(st.one_of(publications(five), publications(five), answers(five)))
    mutation = draw(st.sampled_from(["none", "none", "none", "length", "overlong", "cut", "byte", "flags"]))
    body = packet.body
    if mutation == "length":
        return Packet(packet.first, body, draw(st.one_of(st.integers(-5, 5), st.sampled_from([300, 20_000, 1 << 27]))))
    if mutation == "overlong":
        return Packet(packet.first, body, overlong=True)
    if mutation == "cut":
        return Packet(packet.first, body[: draw(st.integers(0, len(body)))])
    if mutation == "byte" and body:
        at = draw(st.integers(0, len(body) - 1))
        return Packet(packet.first, body[:at] + draw(st.binary(min_size=1, max_size=1)) + body[at + 1 :])
    if mutation == "flags":
        return Packet(draw(st.integers(0, 255)), body)
    return packet


streams = st.booleans().flatmap(lambda five: st.tuples(st.just(five), st.lists(packets(five), max_size=6)))


LONG = ((True, [Packet(0x32, string(b"a") + b"\x00\x07\x00" + bytes(200_000), extra_length=1 << 27)]), None)


@fuzzed(streams, st.data(), examples=[LONG])
def test_any_packets_leave_a_reader_that_is_right(
    stream: tuple[bool, list[Packet]], data: st.DataObject | None
) -> None:
    five, sent = stream
    raw = b"".join(map(bytes, sent)) + publish(LAST, b"\x00" if five else None)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=4))) if data is not None else []
    with closing(Wire(FIVE if five else OLDER, max_message_bytes=MAX_MESSAGE_BYTES)) as wire:
        for begin, end in zip([0, *cuts], [*cuts, len(raw)], strict=True):
            if not wire.ends:
                wire.come(raw[begin:end])
            assert len(wire.reader._came) <= max(MAX_MESSAGE_BYTES, MAX_CONTROL_BYTES, 0xFFFF) + RECEIVE_BYTES
        for message in wire.got:
            assert message.qos == 2 or (message.topic and not set("+#\0") & set(message.topic))
            assert len(message.payload) <= max(MAX_MESSAGE_BYTES, MAX_CONTROL_BYTES)
        assert wire.ends or not all(each.framed for each in sent) or wire.got[-1].payload == LAST.payload
        assert all(topic.isprintable() for topic, _ in wire.dropped)


def _with_properties(properties: bytes) -> bytes:
    body = string(b"t") + b"\x00\x07" + length(len(properties)) + properties
    return b"\x32" + length(len(body)) + body


def _read(data: bytes) -> None:
    with closing(Wire()) as wire:
        wire.come(data)
        assert not wire.ends


@pytest.mark.parametrize(
    ("make", "size"),
    [
        (lambda size: publish(Message("t", b"x", 0, False, 0, 0)) * size, 4_000),
        (lambda size: b"\x30\x03\x00\x00\x00" * size, 4_000),
        (lambda size: b"\xd0\x00" * size, 2_000),
        (lambda size: publish(Message("t", b"x", 2, False, 7, 0)) * size, 500),
        (lambda size: _with_properties(b"\x26\x00\x00\x00\x00" * size) * 8, 6_000),
        (lambda size: _with_properties(b"\x0b\x01" * (size // 8)) * 16, 3_500),
    ],
    ids=["messages", "unusable messages", "pings", "QoS 2", "user properties", "identifiers"],
)
def test_twice_the_bytes_cost_no_more_than_twice_the_time(make: Callable[[int], bytes], size: int) -> None:
    assert_linear(make, _read, 2 * size)


def test_one_packet_of_any_size_costs_time_for_its_bytes() -> None:
    assert_linear(lambda size: publish(Message("t", bytes(size), 1, False, 7, 0)), _read, 8 << 20)
