"""Reads all that has come on an MQTT connection in one go, and messages without paho's help.

paho asks the socket three times for a message, one message at a turn of the loop, and passes it through eight layers:
60 µs each. Messages of QoS 0 and 1, all that subscribers get here, are taken out of the stream directly; every other
packet goes to paho whole. Ref: MQTT 5, 2.1 (fixed header), 3.3 (PUBLISH); 3.1.1 differs in having no properties.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from paho.mqtt.client import Client as PahoClient
from paho.mqtt.client import MQTTMessage
from paho.mqtt.enums import MQTTErrorCode, MQTTProtocolVersion

from hubwatch_core.clock import now_us

RECEIVE_BYTES = 1 << 18
"""Most that is taken from the socket at a turn of the loop."""

_PUBLISH, _KIND, _QOS, _QOS_1, _RETAIN = 0x30, 0xF0, 0x06, 0x02, 0x01
_MOST_LENGTH_BYTES = 4
"""Bytes a length may have (2.1.4, 1.5.5)."""


@dataclass(frozen=True, slots=True)
class Message:
    """A received message; `received` is when it was taken (µs UTC), `mid` names it for the acknowledgement."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    mid: int
    received: int


class Malformed(Exception):
    """These bytes are no MQTT: the connection ends."""


class Reader:
    """Stands between a paho client and its socket, and delivers messages."""

    def __init__(self, paho: PahoClient, deliver: Callable[[Message], None]) -> None:
        self._paho, self._deliver = paho, deliver
        self._paho_reads, self._receive = paho.loop_read, paho._sock_recv
        self._came = bytearray()
        """Received and not read: the beginning of a packet."""
        self._for_paho = b""
        self._ended = False
        paho.loop_read = self.read  # type: ignore[method-assign]
        paho._sock_recv = self._give  # type: ignore[method-assign]
        paho.on_message = lambda _client, _userdata, message: deliver(_converted(message))

    def read(self, max_packets: int = 1) -> MQTTErrorCode:
        """Take what the socket has and deal with every whole packet; stands in for paho's `loop_read`."""
        try:
            data = self._receive(RECEIVE_BYTES)
        except BlockingIOError:
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        except OSError:
            data = b""
        self._ended = not data
        self._came += data
        self._paho._last_bytes_received = monotonic()
        if self._ended:
            return self._paho_reads()  # which finds the end, and says so to all concerned
        return self._packets()

    def _packets(self) -> MQTTErrorCode:
        came, at, received = self._came, 0, now_us()
        code = MQTTErrorCode.MQTT_ERR_SUCCESS
        try:
            while (bounds := _bounds(came, at)) is not None and not code:
                body, end = bounds
                if came[at] & _KIND == _PUBLISH and came[at] & _QOS <= _QOS_1:
                    self._take(_message(came, at, body, end, self._paho._protocol, received))
                else:
                    code = self._hand(bytes(came[at:end]))
                at = end
        except (Malformed, UnicodeDecodeError):  # a topic that is no UTF-8 is malformed as well (1.5.4)
            code = self._paho._loop_rc_handle(MQTTErrorCode.MQTT_ERR_PROTOCOL)
            at = len(came)
        finally:
            del came[:at]
        return code

    def _take(self, message: Message) -> None:
        self._deliver(message)
        if message.qos and not self._paho._manual_ack:
            self._paho._send_puback(message.mid)

    def _hand(self, packet: bytes) -> MQTTErrorCode:
        self._for_paho = packet
        return self._paho_reads()

    def _give(self, bufsize: int) -> bytes:
        """Give paho the next bytes of the packet that is its to read; stands in for its `_sock_recv`."""
        data, self._for_paho = self._for_paho[:bufsize], self._for_paho[bufsize:]
        if not data and not self._ended:
            raise BlockingIOError
        return data


def _bounds(data: bytearray, at: int) -> tuple[int, int] | None:
    """Give where the packet that begins at `at` has its body and where it ends; None while it is not whole."""
    read = _length(data, at + 1, len(data))
    if read is None or read[1] + read[0] > len(data):
        return None
    length, body = read
    return body, body + length


def _length(data: bytearray, at: int, end: int) -> tuple[int, int] | None:
    """Read a variable byte integer (1.5.5); gives it and where it ends, None when `end` comes first."""
    value = 0
    for i in range(_MOST_LENGTH_BYTES):
        if at + i >= end:
            return None
        byte = data[at + i]
        value |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            return value, at + i + 1
    raise Malformed


def _message(data: bytearray, start: int, at: int, end: int, version: int, received: int) -> Message:
    flags = data[start]
    qos = (flags & _QOS) >> 1
    begin = at + 2
    at = begin + int.from_bytes(data[at:begin], "big")
    topic = data[begin:at]
    mid = int.from_bytes(data[at : at + 2], "big") if qos else 0
    at += 2 if qos else 0
    if version == MQTTProtocolVersion.MQTTv5:
        properties = _length(data, at, end)
        if properties is None:
            raise Malformed
        at = properties[1] + properties[0]
    if at > end:
        raise Malformed
    return Message(topic.decode(), bytes(data[at:end]), qos, bool(flags & _RETAIN), mid, received)


def _converted(message: MQTTMessage) -> Message:
    return Message(message.topic, bytes(message.payload), message.qos, message.retain, message.mid, now_us())
