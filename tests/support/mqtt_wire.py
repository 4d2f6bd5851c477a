"""A paho client with our reader on a pair of sockets, and the packets of a broker."""

from __future__ import annotations

import socket

from paho.mqtt.client import Client, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MessageType, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from hubwatch_core.message import Message
from hubwatch_core.mqtt.reader import MAX_MESSAGE_BYTES, PacketReader

SENT_BYTES = 1 << 16
"""As much as a pair of sockets takes at once."""


class Wire:
    """A paho client on one end of a socket pair, and the other end."""

    def __init__(
        self,
        version: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv5,
        manual_ack: bool = True,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
    ) -> None:
        self.broker, ours = socket.socketpair()
        ours.setblocking(False)
        self.broker.setblocking(False)
        self.paho = Client(CallbackAPIVersion.VERSION2, protocol=version, manual_ack=manual_ack)
        self.paho._sock = ours
        self.got: list[Message] = []
        self.ends: list[ReasonCode] = []
        self.paho.on_disconnect = self._ended
        self.dropped: list[tuple[str, str]] = []
        self.reader = PacketReader(
            self.paho,
            self.got.append,
            self._drop,
            self._acknowledge,
            five=version == MQTTProtocolVersion.MQTTv5,
            manual_ack=manual_ack,
            max_message_bytes=max_message_bytes,
        )

    def _ended(self, _c: Client, _u: object, _f: DisconnectFlags, code: ReasonCode, _p: Properties | None) -> None:
        self.ends.append(code)

    def _drop(self, topic: str, reason: str) -> None:
        self.dropped.append((topic, reason))

    def _acknowledge(self, mid: int) -> None:
        self.paho._packet_queue(MessageType.PUBACK, b"\x40\x02" + mid.to_bytes(2, "big"), 0, 1)

    def come(self, data: bytes) -> MQTTErrorCode:
        code = MQTTErrorCode.MQTT_ERR_SUCCESS
        for at in range(0, len(data), SENT_BYTES):
            try:
                self.broker.sendall(data[at : at + SENT_BYTES])
            except OSError:  # we have closed the connection
                return code
            code = self.paho.loop_read()
        return code

    def said(self) -> bytes:
        """What we have written."""
        try:
            return self.broker.recv(1000)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        self.broker.close()
        self.paho._sock_close()


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
