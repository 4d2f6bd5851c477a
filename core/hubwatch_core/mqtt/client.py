"""One connection's MQTT client: aiomqtt with what hubwatch needs put right through the paho client inside it.

aiomqtt is asyncio-mqtt under its present name; it and paho are known in this package only. What is put right:

- aiomqtt 2.5 acknowledges QoS 1 messages before our code has seen them: `manual_ack` leaves that to us;
- aiomqtt leaves the socket open, with a reader on the loop, when connecting times out, is refused or is cancelled;
- paho leaves the socket open when the TLS handshake fails;
- aiomqtt drops what the broker says in its CONNACK: whether it kept our session, how much it takes at once;
- aiomqtt's queue cannot be waited on without taking from it, and is slow to fill: `reader.py` fills ours;
- paho writes each acknowledgement to the socket alone;
- paho notices after twice the keepalive that nothing comes any more, and aiomqtt not at all before the CONNACK.

`tests/integration/test_core_mqtt_client.py` fails when upstream changes what this relies on.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import struct
import sys
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

import aiomqtt
from paho.mqtt.client import Client as PahoClient
from paho.mqtt.client import ConnectFlags
from paho.mqtt.enums import MessageType, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from hubwatch_core.message import Message
from hubwatch_core.mqtt.reader import MAX_MESSAGE_BYTES, RECEIVE_BYTES, PacketReader
from hubwatch_core.receive_budget import ReceiveBudget, take_within

_QUIET = logging.getLogger("hubwatch_core.mqtt.client")
_QUIET.setLevel(logging.CRITICAL)
"""Where aiomqtt and paho log. What matters comes to us as errors too; each loss is told once, by the session."""


_PUBACK = struct.Struct("!BBH")
"""Type, length of the rest, packet identifier; without more it means success (MQTT 5, 3.4.2.1)."""


MAX_WAITING_BYTES = 32 << 20
"""What may wait in an inbox that nobody has given a budget of its own: 16 000 frames of 2 KiB."""
READ_ROOM_BYTES = 2 * RECEIVE_BYTES
"""What one more read may complete: as much as it brings, and the frame (256 KiB at most) that had come in part."""


PROOFS = 3
"""A silent broker is asked for a sign of life so many times in a keepalive."""


class Inbox:
    """Messages that have come, on which one can wait without taking: a cancelled wait loses none."""

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()
        self.filled = asyncio.Event()

    def put(self, message: Message) -> None:
        """Add a message."""
        self._messages.append(message)
        self.filled.set()

    def take(self, most: int, max_bytes: int | None = None) -> list[Message]:
        """Take what is there within the limits, at least one message, without waiting."""
        taken = [self._messages.popleft() for _ in range(take_within(self._messages, most, max_bytes))]
        if not self._messages:
            self.filled.clear()
        return taken


class TlsSocket(ssl.SSLSocket):
    """A socket that is closed when its handshake fails."""

    def do_handshake(self, block: bool = False) -> None:
        """Shake hands; raises OSError, closed, when that fails."""
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


class MqttClient(aiomqtt.Client):
    """A client for one connection; call `let_go` at the end, whatever has happened.

    With a `budget` messages count from receipt until its owner releases them; without one, until they are taken.
    """

    ended = False
    """The broker ended the connection before it answered."""
    reached = False
    """Something at the other end took the connection (and the TLS handshake)."""
    session_present = False
    """The broker kept our session since last time."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        manual_ack: bool,
        connect_timeout_s: float,
        drop: Callable[[str, str], None],
        heard: Callable[[], None] = lambda: None,
        keepalive_s: int = 20,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        budget: ReceiveBudget | None = None,
        tls_context: ssl.SSLContext | None = None,
        **more: Any,
    ) -> None:
        if tls_context is not None:
            tls_context.sslsocket_class = TlsSocket
        super().__init__(
            host, port, timeout=connect_timeout_s, tls_context=tls_context, keepalive=keepalive_s, logger=_QUIET, **more
        )  # fmt: skip
        self.inbox = Inbox()
        self.budget = budget or ReceiveBudget(MAX_WAITING_BYTES)
        self._taker_releases = budget is not None
        self.budget.on_release = self._listen_if_room
        self.is_five = more.get("protocol") is aiomqtt.ProtocolVersion.V5
        """Speaks MQTT 5."""
        self._deaf = False
        """Nothing is read from the socket: enough waits."""
        self.max_packet_bytes: int | None = None
        """The largest packet the broker takes, where it says so."""
        self.identifies_subscriptions = False
        """The broker says with each message for which subscriptions it came."""
        self._connecting = True
        self._given_up = False
        self.paho.manual_ack_set(manual_ack)
        self.paho.connect_timeout = connect_timeout_s
        self.paho.on_connect = self._on_welcome
        self._manual_ack = manual_ack
        self._reader = PacketReader(
            self.paho,
            self._take_in,
            drop,
            lambda mid: self._send_acknowledgements([mid]),
            five=self.is_five,
            manual_ack=manual_ack,
            max_message_bytes=max_message_bytes,
        )
        self._reader.on_end = self._ended
        self._keepalive_s, self._heard, self._told_at = keepalive_s, heard, 0.0
        self._paho_misc, self.paho.loop_misc = self.paho.loop_misc, self._keep_alive  # type: ignore[method-assign]

    @property
    def paho(self) -> PahoClient:
        """The paho client inside."""
        return self._client

    @property
    def fault(self) -> str | None:
        """Why we have ended the connection, where what came was no MQTT."""
        return self._reader.fault

    @property
    def tls_alert(self) -> str | None:
        """What the broker said when it ended TLS, in OpenSSL's word for it."""
        return self._reader.alert

    @property
    def lost(self) -> asyncio.Future[None]:
        """Done when the connection is over, with the error when it was not we who ended it."""
        return self._disconnected

    def acknowledge(self, mids: Sequence[int]) -> None:
        """Acknowledge messages of QoS 1, in one write; does nothing where that was done as they came."""
        if self._manual_ack:
            self._send_acknowledgements(mids)

    def _send_acknowledgements(self, mids: Sequence[int]) -> None:
        packets = b"".join(_PUBACK.pack(MessageType.PUBACK, 2, mid) for mid in mids)
        self.paho._packet_queue(MessageType.PUBACK, packets, 0, 1)

    def let_go(self) -> None:
        """Free the socket, at once or, while a thread is still connecting, as soon as it has come back."""
        self._given_up = True
        if not self._connecting:
            self.paho._sock_close()
        if self.budget.on_release == self._listen_if_room:  # else it is the next connection's already
            self.budget.on_release = None
        self.budget.release(self.inbox.take(sys.maxsize))
        for future in (self.lost, self._connected):
            if future.done() and not future.cancelled():
                future.exception()  # now it counts as seen, otherwise asyncio complains when it is collected

    def take(self, most: int, max_bytes: int | None = None) -> list[Message]:
        """Take what has come within the limits, at least one message."""
        taken = self.inbox.take(most, max_bytes)
        if not self._taker_releases:
            self.budget.release(taken)
        return taken

    def _listen_if_room(self) -> None:
        if self._deaf and self.budget.held_bytes <= self.budget.max_bytes // 2:
            self._listen()

    def _take_in(self, message: Message) -> None:
        """Take a message in; read no more when another read might exceed the budget, which TCP tells the broker."""
        self.inbox.put(message)
        self.budget.hold(message)
        sock = self.paho.socket()
        if self.budget.room_bytes < READ_ROOM_BYTES and not self._deaf and sock is not None:
            self._deaf = True
            self._loop.remove_reader(sock.fileno())

    def _listen(self) -> None:
        self._deaf = False
        self._reader.heard_at = monotonic()  # what was not read says nothing about the broker
        sock = self.paho.socket()
        if sock is not None and not self.lost.done():
            self._loop.add_reader(sock.fileno(), self._read)
            self._read()  # what TLS has decrypted already makes no socket readable

    def _read(self) -> None:
        """Do what aiomqtt's own reader does, which is lost when it is taken off the loop."""
        try:
            self.paho.loop_read()
            while isinstance(sock := self.paho.socket(), ssl.SSLSocket) and sock.pending():
                self.paho.loop_read()
        except Exception as error:  # noqa: BLE001 - whatever it is, the link is over, and its user is told
            if not self.lost.done():
                self.lost.set_exception(error)

    def _keep_alive(self) -> MQTTErrorCode:
        """Send pings, each second where they are due; while we are deaf, that no answer is heard says nothing."""
        if self._deaf:
            self.paho._ping_t = 0.0
        elif self.paho.is_connected():
            silent_s = monotonic() - self._reader.heard_at
            if silent_s >= self._keepalive_s:
                return self.paho._loop_rc_handle(MQTTErrorCode.MQTT_ERR_KEEPALIVE)
            if silent_s >= self._keepalive_s / PROOFS and not self.paho._ping_t:
                self.paho._send_pingreq()
            if self._told_at != self._reader.heard_at:
                self._told_at = self._reader.heard_at
                self._heard()
        return self._paho_misc()

    def _ended(self) -> None:
        """Fail a connect that waits for its answer, which aiomqtt would wait for to the end of its time."""
        if not self._connected.done():
            self.ended = True
            self._connected.set_exception(aiomqtt.MqttError("the broker ended the connection before it answered"))

    def _client_connect(self) -> None:
        """Connect; aiomqtt calls this in a thread."""
        try:
            super()._client_connect()
            self.reached = True
        finally:
            self._loop.call_soon_threadsafe(self._connect_over)

    def _connect_over(self) -> None:
        # On the loop, after the readers that paho's callbacks had put on it from the thread.
        self._connecting = False
        if self._given_up:
            self.let_go()

    def _on_welcome(
        self,
        client: PahoClient,
        userdata: Any,
        flags: ConnectFlags,
        code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        """Keep what the CONNACK says (MQTT 5, 3.2.2.3), and hold to it: paho does not."""
        self.session_present = bool(flags.session_present)
        self.max_packet_bytes = getattr(properties, "MaximumPacketSize", None)
        self.identifies_subscriptions = self.is_five and bool(getattr(properties, "SubscriptionIdentifierAvailable", 1))
        window: int = getattr(properties, "ReceiveMaximum", client._max_inflight_messages)
        client._max_inflight_messages = min(window, client._max_inflight_messages)
        self._on_connect(client, userdata, flags, code, properties)
