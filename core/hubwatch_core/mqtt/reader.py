"""Reads all that has come on an MQTT connection in one go, and messages without paho's help.

paho asks the socket three times for a message, one message at a turn of the loop, and passes it through eight layers:
60 µs each. Messages of QoS 0 and 1, all that subscribers get here, are taken out of the stream directly; every other
packet goes to paho whole. Ref: MQTT 5, 2.1 (fixed header), 3.3 (PUBLISH); 3.1.1 differs in having no properties.

Work and memory are bounded whatever a broker sends. A message that cannot be used costs itself alone: it is read past,
so that a retained one that is too long does not end each connection anew. Bytes that are no MQTT end the connection.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from time import monotonic

from paho.mqtt.client import Client as PahoClient
from paho.mqtt.client import MQTTMessage
from paho.mqtt.enums import MQTTErrorCode

from hubwatch_core.clock import now_us
from hubwatch_core.message import PROOF_PROPERTY, Message
from hubwatch_core.plain_text import one_line

RECEIVE_BYTES = 1 << 18
"""Most that is taken from the socket at a turn of the loop."""
MAX_MESSAGE_BYTES = 4 << 20
"""Longest packet with a message that is kept: sixteen of the largest frames."""
MAX_CONTROL_BYTES = 16 << 10
"""Longest packet of another kind: a SUBACK for 16 000 filters. paho's time for properties grows with their square."""
MAX_PROPERTIES_BYTES = 64 << 10
MAX_SUBSCRIPTIONS = 1000
"""Most subscription identifiers of one message."""

_PUBLISH, _KIND, _QOS, _QOS_1, _RETAIN, _DUP = 0x30, 0xF0, 0x06, 0x02, 0x01, 0x08
_CONNACK = 2
_MOST_LENGTH_BYTES = 4
"""Bytes a length may have (2.1.4, 1.5.5)."""
_SUBSCRIPTION = 0x0B
_USER = 0x26
_PROOF = len(PROOF_PROPERTY).to_bytes(2, "big") + PROOF_PROPERTY.encode()
_FIXED = {0x01: 1, 0x02: 4, 0x23: 2}
"""Bytes of the properties of a message that have a fixed size: payload format, expiry, topic alias (2.2.2.2)."""
_STRINGS = {0x03: 1, 0x08: 1, 0x09: 1, 0x26: 2}
"""Strings with their length in front in each other one: content type, response topic, correlation data, user's."""


class MalformedPacket(Exception):
    """These bytes are no MQTT: the connection ends."""


class UnusableMessage(Exception):
    """A whole message that cannot be used: it is read past."""


class PacketReader:
    """Stands between a paho client and its socket, and delivers messages."""

    def __init__(
        self,
        paho: PahoClient,
        deliver: Callable[[Message], None],
        drop: Callable[[str, str], None],
        acknowledge: Callable[[int], None],
        *,
        five: bool,
        manual_ack: bool,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
    ) -> None:
        """Read for `paho`.

        `drop` gets topic and reason of each message that is read past, `acknowledge` the identifier of a message of QoS
        1 that is dealt with: at once without `manual_ack`. `five` says that MQTT 5 is spoken.
        """
        self._paho, self._deliver, self._drop, self._acknowledge = paho, deliver, drop, acknowledge
        self._five, self._manual_ack, self._max_message_bytes = five, manual_ack, max_message_bytes
        self._paho_reads, self._receive = paho.loop_read, paho._sock_recv
        self._came = bytearray()
        """Received and not read: the beginning of a packet."""
        self._to_skip = 0
        """Bytes that are still to come of a message that is too long."""
        self._for_paho = b""
        self._ended = False
        self.fault: str | None = None
        """Why the reader has ended the connection."""
        self.heard_at = monotonic()
        """When something last came."""
        self.alert: str | None = None
        """What the broker said when it ended TLS."""
        self.on_end: Callable[[], None] = lambda: None
        """Called when the connection is found to have ended."""
        paho.loop_read = self.read  # type: ignore[method-assign]
        paho._sock_recv = self._give  # type: ignore[method-assign]
        paho.on_message = lambda _client, _userdata, message: deliver(_converted(message))

    def read(self, max_packets: int = 1) -> MQTTErrorCode:
        """Take what the socket has and deal with every whole packet; stands in for paho's `loop_read`."""
        try:
            data = self._receive(RECEIVE_BYTES)
        except BlockingIOError:
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        except OSError as error:
            data = b""
            if isinstance(error, ssl.SSLError):
                self.alert = error.reason
        self._ended = not data
        skipped = min(self._to_skip, len(data))
        self._to_skip -= skipped
        self._came += data[skipped:] if skipped else data
        if self._ended:
            self._paho._last_bytes_received = monotonic()
            code = self._paho_reads()  # which finds the end, and says so to all concerned
            self.on_end()
            return code
        self.heard_at = self._paho._last_bytes_received = monotonic()
        return self._packets()

    def _packets(self) -> MQTTErrorCode:
        came, at, received = self._came, 0, now_us()
        code = MQTTErrorCode.MQTT_ERR_SUCCESS
        try:
            while not code and (bounds := self._bounds(at)) is not None:
                body, end = bounds
                if _is_message(came[at]):
                    if end <= len(came):
                        self._message(at, body, end, received)
                    else:
                        self._skip(at, body, end)
                else:
                    code = self._hand(bytes(came[at:end]))
                at = min(end, len(came))
        except MalformedPacket as error:
            self.fault = str(error)
            code = self._paho._loop_rc_handle(MQTTErrorCode.MQTT_ERR_PROTOCOL)
            at = len(came)
        finally:
            del came[:at]
        return code

    def _bounds(self, at: int) -> tuple[int, int] | None:
        """Return where the packet that begins at `at` has its body and where it ends.

        None while it is not whole, or, of a message that is too long, not so much of it that it can be read past.
        """
        came = self._came
        read = _length(came, at + 1, len(came))
        if read is None:
            return None
        length, body = read
        end = body + length
        if end <= len(came) and (length <= MAX_CONTROL_BYTES or _is_message(came[at])):
            return body, end
        if not _is_message(came[at]):
            if length > MAX_CONTROL_BYTES:
                raise MalformedPacket(
                    f"packet of type {came[at] >> 4} has {length} bytes, more than {MAX_CONTROL_BYTES}"
                )
            return None
        if length <= self._max_message_bytes:
            return None
        head = body + 2 + int.from_bytes(came[body : body + 2], "big") + 2
        return (body, end) if len(came) >= min(head, end) else None

    def _message(self, start: int, body: int, end: int, received: int) -> None:
        """Deliver a message, or read past it when it cannot be used."""
        came = self._came
        at, qos, topic, mid = _head(came, start, body, end)
        try:
            if end - body > self._max_message_bytes:
                raise UnusableMessage(f"{end - body} bytes are more than {self._max_message_bytes}")
            name = _topic(topic)
            at, subscriptions, proof = _properties(came, at, end) if self._five else (at, (), None)
        except UnusableMessage as error:
            self._read_past(topic, mid, str(error))
            return
        retain, again = bool(came[start] & _RETAIN), bool(came[start] & _DUP)
        self._deliver(Message(name, bytes(came[at:end]), qos, retain, mid, received, subscriptions, proof, again))
        if qos and not self._manual_ack:
            self._acknowledge(mid)

    def _skip(self, start: int, body: int, end: int) -> None:
        """Read past a message that is too long to wait for the whole of it."""
        _, _, topic, mid = _head(self._came, start, body, end)
        self._to_skip = end - len(self._came)
        self._read_past(topic, mid, f"{end - body} bytes are more than {self._max_message_bytes}")

    def _read_past(self, topic: bytearray, mid: int, reason: str) -> None:
        """Have it not delivered again: it would be as unusable then."""
        if mid:
            self._acknowledge(mid)
        self._drop(one_line(topic[:200].decode(errors="replace")), reason)

    def _hand(self, packet: bytes) -> MQTTErrorCode:
        self._for_paho, kind = packet, packet[0] >> 4
        try:
            code = self._paho_reads()
        except Exception as error:  # paho takes packets apart with asserts, indexes and struct
            raise MalformedPacket(f"packet of type {kind} cannot be read: {error!r:.200}") from error
        if code == MQTTErrorCode.MQTT_ERR_PROTOCOL and kind != _CONNACK:  # which has a reason of its own
            self.fault = f"packet of type {kind} cannot be read"
        return code

    def _give(self, bufsize: int) -> bytes:
        """Return paho the next bytes of the packet that is its to read; stands in for its `_sock_recv`."""
        data, self._for_paho = self._for_paho[:bufsize], self._for_paho[bufsize:]
        if not data and not self._ended:
            raise BlockingIOError
        return data


def _is_message(first: int) -> bool:
    """Whether a packet that begins with this byte is a message of QoS 0 or 1."""
    return first & _KIND == _PUBLISH and first & _QOS <= _QOS_1


def _length(data: bytearray, at: int, end: int) -> tuple[int, int] | None:
    """Read a variable byte integer (1.5.5); return it and where it ends, None when `end` comes first."""
    value = 0
    for i in range(_MOST_LENGTH_BYTES):
        if at + i >= end:
            return None
        byte = data[at + i]
        value |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            return value, at + i + 1
    raise MalformedPacket("a length has more than four bytes")


def _head(data: bytearray, start: int, body: int, end: int) -> tuple[int, int, bytearray, int]:
    """Return where the head of a message ends, its QoS, its topic and its packet identifier."""
    qos = (data[start] & _QOS) >> 1
    begin = body + 2
    at = begin + int.from_bytes(data[body:begin], "big")
    topic = data[begin:at]
    mid = int.from_bytes(data[at : at + 2], "big") if qos else 0
    at += 2 if qos else 0
    if at > end:
        raise MalformedPacket("a message ends within its topic")
    if qos and not mid:
        raise MalformedPacket("a message of QoS 1 has no packet identifier")
    return at, qos, topic, mid


def _topic(name: bytearray) -> str:
    try:
        topic = name.decode()
    except UnicodeDecodeError:
        raise UnusableMessage("the topic is no UTF-8") from None
    if not topic or "\0" in topic or "+" in topic or "#" in topic:  # 4.7.1, 4.7.3
        raise UnusableMessage("the topic is empty, or has a wildcard or NUL in it")
    return topic


def _properties(data: bytearray, at: int, end: int) -> tuple[int, tuple[int, ...], str | None]:
    """Return where the properties of a message end, and among them the subscription identifiers and the proof
    (3.3.2.3).
    """
    try:
        read = _length(data, at, end)
    except MalformedPacket:
        read = None
    if read is None:
        raise UnusableMessage("its properties do not end")
    length, at = read
    if not length:
        return at, (), None
    if length > min(end - at, MAX_PROPERTIES_BYTES):
        raise UnusableMessage(f"its properties have {length} bytes")
    if data[at] == _USER and data.startswith(_PROOF, at + 1):  # as all that is signed: nothing but its proof
        begin = at + 1 + len(_PROOF) + 2
        if begin + int.from_bytes(data[begin - 2 : begin], "big") == at + length:
            return at + length, (), data[begin : at + length].decode("ascii", "replace")
    found, proof = _walked(data, at, at + length)
    return at + length, tuple(found), proof


def _walked(data: bytearray, at: int, end: int) -> tuple[list[int], str | None]:
    found: list[int] = []
    proof: str | None = None
    while at < end:
        kind, at = data[at], at + 1
        if kind == _SUBSCRIPTION:
            try:
                identifier = _length(data, at, end)
            except MalformedPacket:
                identifier = None
            if identifier is None or len(found) == MAX_SUBSCRIPTIONS:
                raise UnusableMessage("its subscription identifiers cannot be read")
            found.append(identifier[0])
            at = identifier[1]
        elif kind in _FIXED:
            at += _FIXED[kind]
        elif kind in _STRINGS:
            begin = at
            for _ in range(_STRINGS[kind]):
                at += 2 + int.from_bytes(data[at : at + 2], "big")
            if kind == _USER and proof is None and data.startswith(_PROOF, begin):
                proof = data[begin + len(_PROOF) + 2 : min(at, end)].decode("ascii", "replace")
        else:
            raise UnusableMessage(f"it has a property {kind:#x}, which messages do not have")
    if at > end:
        raise UnusableMessage("its last property does not end")
    return found, proof


def _converted(message: MQTTMessage) -> Message:
    subscriptions = tuple(getattr(message.properties, "SubscriptionIdentifier", ()))
    pairs = dict(getattr(message.properties, "UserProperty", ()))
    return Message(
        message.topic, bytes(message.payload), message.qos, message.retain, message.mid, now_us(), subscriptions,
        pairs.get(PROOF_PROPERTY), message.dup,
    )  # fmt: skip
