from __future__ import annotations

import pytest
from paho.mqtt import _packet
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from hubwatch_core.mqtt_properties import LeanProperties, use_lean_properties


@pytest.fixture(autouse=True)
def lean() -> None:
    use_lean_properties()


def packet(properties: Properties) -> bytes:
    packed: bytes = properties.pack()  # type: ignore[no-untyped-call]
    return b"\x00\x03a/b\x00\x07" + packed + b"payload"


def made(**values: object) -> Properties:
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(properties, name, value)
    return properties


@pytest.mark.parametrize(
    "values",
    [{}, {"MessageExpiryInterval": 7}, {"ContentType": "text", "TopicAlias": 3, "UserProperty": [("a", "1")]}],
)
def test_a_message_is_read_as_before_with_and_without_properties(values: dict[str, object]) -> None:
    found = _packet.decode_publish(0x32, packet(made(**values)), MQTTProtocolVersion.MQTTv5)
    assert (found.topic, found.mid, found.payload) == (b"a/b", 7, b"payload")
    assert isinstance(found.properties, LeanProperties), "paho decodes with another class now"
    for name, value in values.items():
        assert getattr(found.properties, name) == value


def test_properties_of_one_message_are_not_those_of_the_next() -> None:
    first = _packet.decode_publish(0x32, packet(made(ContentType="text")), MQTTProtocolVersion.MQTTv5)
    second = _packet.decode_publish(0x32, packet(made()), MQTTProtocolVersion.MQTTv5)
    assert vars(first.properties)["ContentType"] == "text"
    assert not hasattr(second.properties, "ContentType")
