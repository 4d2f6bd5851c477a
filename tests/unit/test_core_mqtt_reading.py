"""Messages are read out of the stream as paho would read them, however it is cut."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import Client, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from hubwatch_core.mqtt_reading import Message, Reader

PINGRESP, PUBACK_OF_7, PUBREL_OF_7 = b"\xd0\x00", b"\x40\x02\x00\x07", b"\x62\x02\x00\x07"


class Wire:
    """A paho client on one end of a socket pair, and the other end."""

    def __init__(self, version: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv5, manual_ack: bool = True) -> None:
        self.broker, ours = socket.socketpair()
        ours.setblocking(False)
        self.broker.setblocking(False)
        self.paho = Client(CallbackAPIVersion.VERSION2, protocol=version, manual_ack=manual_ack)
        self.paho._sock = ours
        self.got: list[Message] = []
        self.ends: list[ReasonCode] = []
        self.paho.on_disconnect = self._ended
        Reader(self.paho, self.got.append)

    def _ended(self, _c: Client, _u: object, _f: DisconnectFlags, code: ReasonCode, _p: Properties | None) -> None:
        self.ends.append(code)

    def come(self, data: bytes) -> MQTTErrorCode:
        self.broker.sendall(data)
        return self.paho.loop_read()

    def said(self) -> bytes:
        """What we have written."""
        try:
            return self.broker.recv(1000)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        self.broker.close()
        self.paho._sock_close()


@pytest.fixture
def wire() -> Iterator[Wire]:
    with closing(Wire()) as wire:
        yield wire


def length(value: int) -> bytes:
    """A variable byte integer, MQTT 5, 1.5.5."""
    packed = bytearray()
    while True:
        value, byte = divmod(value, 128)
        packed.append(byte | (0x80 if value else 0))
        if not value:
            return bytes(packed)


def publish(message: Message, properties: bytes | None = b"\x00", duplicate: bool = False) -> bytes:
    flags = 0x30 | duplicate << 3 | message.qos << 1 | message.retain
    topic = message.topic.encode()
    body = len(topic).to_bytes(2, "big") + topic
    body += message.mid.to_bytes(2, "big") if message.qos else b""
    body += (properties or b"") + message.payload
    return bytes([flags]) + length(len(body)) + body


def packed(**values: object) -> bytes:
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(properties, name, value)
    data: bytes = properties.pack()  # type: ignore[no-untyped-call]
    return data


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
    "nonsense",
    [
        b"\x32\xff\xff\xff\xff\x01",  # a length of five bytes
        b"\x32\x04\x00\x09ab",  # a topic that is longer than its message
        b"\x32\x07\x00\x01t\x00\x07\x80\x80",  # properties that do not end
        b"\x32\x07\x00\x02\xff\xfe\x00\x07\x00",  # a topic that is no UTF-8
        b"\x34\x07\x00\x02\xff\xfe\x00\x07\x00\x62\x02\x00\x07",  # the same in a message that paho reads
    ],
    ids=["length", "topic", "properties", "utf-8", "utf-8 of QoS 2"],
)
def test_bytes_that_are_no_mqtt_end_the_connection_and_are_not_delivered(wire: Wire, nonsense: bytes) -> None:
    wire.come(publish(Message("t", b"x", 1, False, 7, 0)) + nonsense)
    assert (len(wire.got), len(wire.ends)) == (1, 1)


def test_a_connection_that_has_not_come_about_is_no_fault(wire: Wire) -> None:
    wire.paho._sock_close()
    assert wire.paho.loop_read() == MQTTErrorCode.MQTT_ERR_NO_CONN


def test_paho_still_has_what_this_relies_on() -> None:
    assert {"_last_bytes_received", "_manual_ack", "_protocol"} <= vars(Client(CallbackAPIVersion.VERSION2)).keys()
