"""Messages are read out of the stream as paho would read them, however it is cut."""

from __future__ import annotations

import ast
import re
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

import hubwatch_core.mqtt
from hubwatch_core.message import Message
from hubwatch_core.mqtt.reader import MAX_CONTROL_BYTES, MAX_PROPERTIES_BYTES
from support.mqtt_wire import Wire, length, packed, publish

PINGRESP, PUBACK_OF_7, PUBREL_OF_7 = b"\xd0\x00", b"\x40\x02\x00\x07", b"\x62\x02\x00\x07"


@pytest.fixture
def wire() -> Iterator[Wire]:
    with closing(Wire()) as wire:
        yield wire


def seen(messages: list[Message]) -> list[tuple[str, bytes, int, bool, int]]:
    return [(each.topic, each.payload, each.qos, each.retain, each.mid) for each in messages]


@st.composite
def messages(draw: st.DrawFn) -> Message:
    qos = draw(st.sampled_from([0, 1]))
    mid = draw(st.integers(1, 0xFFFF)) if qos else 0
    topic = draw(st.text(st.characters(exclude_characters="\0#+", exclude_categories=["Cs"]), min_size=1, max_size=40))
    return Message(topic, draw(st.binary(max_size=300)), qos, draw(st.booleans()), mid, 0)


@given(st.lists(st.tuples(messages(), st.booleans()), max_size=8), st.booleans(), st.data())
def test_messages_come_out_as_they_went_in_however_the_stream_is_cut(
    sent: list[tuple[Message, bool]], five: bool, data: st.DataObject
) -> None:
    few, many = b"\x00", packed(ContentType="text", UserProperty=[("k", "v" * 200)], MessageExpiryInterval=7)
    stream = b""
    for message, rich in sent:
        stream += publish(message, (many if rich else few) if five else None, duplicate=rich) + PINGRESP
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    with closing(Wire(MQTTProtocolVersion.MQTTv5 if five else MQTTProtocolVersion.MQTTv311)) as wire:
        for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            assert begin == end or wire.come(stream[begin:end]) == MQTTErrorCode.MQTT_ERR_SUCCESS
        assert seen(wire.got) == seen([message for message, _ in sent])
        assert not wire.ends


def test_message_longer_than_one_read_is_put_together(wire: Wire) -> None:
    message = Message("t", bytes(range(256)) * 4000, 1, False, 7, 0)
    stream = publish(message)
    for at in range(0, len(stream), 50_000):
        wire.come(stream[at : at + 50_000])
    assert seen(wire.got) == seen([message])


def test_all_that_has_come_is_read_at_one_turn_of_the_loop(wire: Wire) -> None:
    sent = [Message("t", b"x", 1, False, mid, 0) for mid in range(1, 200)]
    wire.come(b"".join(publish(each) for each in sent))
    assert seen(wire.got) == seen(sent)


def test_what_is_no_message_goes_to_paho_in_its_place(wire: Wire) -> None:
    confirmed: list[int] = []
    wire.paho.on_publish = lambda _client, _userdata, mid, _code, _properties: confirmed.append(mid)
    info = wire.paho.publish("t", b"x", 1)
    wire.paho._ping_t = 1.0
    puback = b"\x40\x02" + info.mid.to_bytes(2, "big")
    wire.come(publish(Message("t", b"a", 0, False, 0, 0)) + puback + PINGRESP)
    assert (len(wire.got), confirmed, wire.paho._ping_t) == (1, [info.mid], 0)


def test_without_manual_acknowledgement_a_message_is_acknowledged_at_once() -> None:
    for manual_ack, expected in ((False, PUBACK_OF_7), (True, b"")):
        with closing(Wire(manual_ack=manual_ack)) as wire:
            wire.come(publish(Message("t", b"x", 1, False, 7, 0)))
            wire.paho.loop_write()
            assert wire.said() == expected


def test_message_of_qos_2_which_nobody_asked_for_is_delivered_all_the_same(wire: Wire) -> None:
    wire.come(publish(Message("t", b"x", 2, False, 7, 0)))
    assert wire.got == []
    wire.come(PUBREL_OF_7)
    assert seen(wire.got) == [("t", b"x", 2, False, 7)]


@pytest.mark.parametrize("begun", [b"", publish(Message("t", b"x" * 50, 1, False, 7, 0))[:20]])
def test_the_end_of_the_stream_is_told_once_and_what_came_before_is_kept(wire: Wire, begun: bytes) -> None:
    wire.broker.sendall(publish(Message("t", b"x", 1, False, 7, 0)) + begun)
    wire.broker.shutdown(socket.SHUT_WR)
    wire.paho.loop_read()
    wire.paho.loop_read()
    wire.paho.loop_read()
    assert (len(wire.got), len(wire.ends)) == (1, 1)


@pytest.mark.parametrize(
    ("nonsense", "fault"),
    [
        (b"\x32\xff\xff\xff\xff\x01", "a length has more than four bytes"),
        (b"\x32\x04\x00\x09ab", "a message ends within its topic"),
        (b"\x32\x06\x00\x01t\x00\x00\x00", "a message of QoS 1 has no packet identifier"),
        (b"\x34\x08\x00\x02\xff\xfe\x00\x07\x00x\x62\x02\x00\x07", "packet of type 6 cannot be read: UnicodeDecode"),
        (b"\x90" + length(MAX_CONTROL_BYTES + 1), "packet of type 9 has 16385 bytes, more than 16384"),
        (b"\x34" + length(MAX_CONTROL_BYTES + 1), "packet of type 3 has 16385 bytes, more than 16384"),
        (b"\x90\x00", "packet of type 9 cannot be read"),
    ],
    ids=["length", "topic", "identifier", "utf-8 of QoS 2", "long answer", "long message of QoS 2", "empty SUBACK"],
)
def test_bytes_that_are_no_mqtt_end_the_connection_with_a_reason(wire: Wire, nonsense: bytes, fault: str) -> None:
    wire.come(publish(Message("t", b"x", 1, False, 7, 0)) + nonsense)
    assert (len(wire.got), len(wire.ends)) == (1, 1)
    assert wire.reader.fault is not None
    assert fault in wire.reader.fault


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\x00\x02\xff\xfe\x00\x07\x00", "the topic is no UTF-8"),
        (b"\x00\x00\x00\x07\x00", "the topic is empty"),
        (b"\x00\x03a/+\x00\x07\x00", "wildcard"),
        (b"\x00\x01t\x00\x07\x80\x80", "its properties do not end"),
        (b"\x00\x01t\x00\x07\x80\x80\x80\x80\x01", "its properties do not end"),
        (b"\x00\x01t\x00\x07\x05\x01", "its properties have 5 bytes"),
        (b"\x00\x01t\x00\x07\x02\x01", "its properties have 2 bytes"),
        (b"\x00\x01t\x00\x07\x01\x01", "its last property does not end"),
        (b"\x00\x01t\x00\x07\x03\x26\x00\x09", "its last property does not end"),
        (b"\x00\x01t\x00\x07\x02\x21\x00", "it has a property 0x21"),
        (b"\x00\x01t\x00\x07\x02\x0b\x80", "its subscription identifiers cannot be read"),
        (b"\x00\x01t\x00\x07" + length(2002) + b"\x0b\x01" * 1001, "its subscription identifiers cannot be read"),
        (
            b"\x00\x01t\x00\x07" + length(MAX_PROPERTIES_BYTES + 1) + b"\x01\x01" * MAX_PROPERTIES_BYTES,
            "its properties have 65537 bytes",
        ),
    ],
    ids=str,
)
def test_message_that_cannot_be_used_costs_itself_alone(wire: Wire, body: bytes, reason: str) -> None:
    wire.come(b"\x32" + length(len(body)) + body + publish(Message("t", b"next", 1, False, 8, 0)))
    assert seen(wire.got) == [("t", b"next", 1, False, 8)]
    assert len(wire.dropped) == 1
    assert reason in wire.dropped[0][1]
    wire.paho.loop_write()
    assert wire.said() == PUBACK_OF_7  # otherwise it came again at each connection
    assert not wire.ends


@pytest.mark.parametrize("version", [MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311])
@pytest.mark.parametrize("size", [1001, 70_000, 3_000_000])
@pytest.mark.parametrize("qos", [0, 1])
def test_message_that_is_too_long_is_read_past_in_bounded_memory(
    version: MQTTProtocolVersion, size: int, qos: int
) -> None:
    properties = b"\x00" if version == MQTTProtocolVersion.MQTTv5 else None
    giant = publish(Message("giant/\x1b[2J", b"x" * size, qos, True, 7 if qos else 0, 0), properties)
    with closing(Wire(version, max_message_bytes=1000)) as wire:
        most = 0
        for at in range(0, len(giant), 50_000):
            wire.come(giant[at : at + 50_000])
            most = max(most, len(wire.reader._came))
        wire.come(publish(Message("t", b"next", 1, False, 8, 0), properties))
        assert seen(wire.got) == [("t", b"next", 1, False, 8)]
        ((topic, reason),) = wire.dropped
        assert topic == "giant/ [2J"
        assert reason.endswith("bytes are more than 1000")
        assert most < 70_000
        wire.paho.loop_write()
        assert wire.said() == (PUBACK_OF_7 if qos else b"")
        assert not wire.ends


def test_a_connection_that_has_not_come_about_is_no_fault(wire: Wire) -> None:
    wire.paho._sock_close()
    assert wire.paho.loop_read() == MQTTErrorCode.MQTT_ERR_NO_CONN


def _private_names_used() -> set[str]:
    """Return the private attributes that our MQTT package uses of other objects than its own."""
    used: set[str] = set()
    for file in Path(hubwatch_core.mqtt.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and re.match("_[a-z]", node.attr):
                owner = ast.unparse(node.value)
                if owner.endswith(("paho", "_paho")) or owner == "client":
                    used.add(node.attr)
    return used


def test_private_names_of_paho_are_there_and_all_in_the_decision_record() -> None:
    record = (Path(__file__).parents[2] / "docs/decisions/0040-messages-are-read-past-paho.md").read_text(
        encoding="utf-8"
    )
    listed = set(re.findall(r"^\| `(_\w+)` \|", record, re.MULTILINE))
    assert _private_names_used() == listed
    paho = Client(CallbackAPIVersion.VERSION2)
    assert [name for name in sorted(listed) if not hasattr(paho, name)] == []


@pytest.mark.parametrize(
    ("properties", "subscriptions"),
    [
        (b"\x00", ()),
        (b"\x02\x0b\x07", (7,)),
        (b"\x0b\x0b\x07\x02\x00\x00\x00\x09\x0b\x80\x80\x01", (7, 16384)),
        (packed(ContentType="text", ResponseTopic="r", CorrelationData=b"\x0b\x01", PayloadFormatIndicator=1), ()),
        (b"\x0d\x26\x00\x01k\x00\x02\x0b\x09\x23\x00\x01\x0b\x05", (5,)),
    ],
    ids=["none", "one", "two around another", "strings", "behind a user's"],
)
@pytest.mark.parametrize("qos", [0, 1])
def test_identifiers_of_subscriptions_are_read(
    wire: Wire, properties: bytes, subscriptions: tuple[int, ...], qos: int
) -> None:
    wire.come(publish(Message("t", b"x", qos, False, 7 if qos else 0, 0), properties))
    assert [(each.payload, each.subscriptions) for each in wire.got] == [(b"x", subscriptions)]
