"""One connection's MQTT client: aiomqtt with what hubwatch needs put right through the paho client inside it.

Only here and in `mqtt.py` are aiomqtt (asyncio-mqtt under its present name) and paho known. What is put right:

- aiomqtt 2.5 acknowledges QoS 1 messages before our code has seen them: `manual_ack` leaves that to us;
- aiomqtt leaves the socket open, with a reader on the loop, when connecting times out, is refused or is cancelled;
- paho leaves the socket open when the TLS handshake fails;
- aiomqtt drops what the broker says in its CONNACK: whether it kept our session, how much it takes at once;
- aiomqtt's queue cannot be waited on without taking from it, and is slow to fill: `mqtt_reading.py` fills ours;
- paho writes each acknowledgement to the socket alone.

`tests/integration/test_core_mqtt_client.py` fails when upstream changes what this relies on.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import struct
from collections import deque
from collections.abc import Sequence
from typing import Any

import aiomqtt
from paho.mqtt.client import Client as PahoClient
from paho.mqtt.client import ConnectFlags
from paho.mqtt.enums import MessageType, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from hubwatch_core.mqtt_reading import Message, Reader

_QUIET = logging.getLogger("hubwatch_core.mqtt_client")
_QUIET.setLevel(logging.CRITICAL)
"""Where aiomqtt and paho log. What matters comes to us as errors too; each loss is told once, by the session."""


_PUBACK = struct.Struct("!BBH")
"""Type, length of the rest, packet identifier; without more it means success (MQTT 5, 3.4.2.1)."""


MOST_WAITING_BYTES = 32 << 20
"""Payload that may wait in an inbox: as much as a collector holds (intake.held_bytes), 16 000 frames of 2 KiB."""


class Inbox:
    """Messages that have come, on which one can wait without taking: a cancelled wait loses none."""

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()
        self.filled = asyncio.Event()
        self.waiting_bytes = 0

    def put(self, message: Message) -> None:
        """Add a message."""
        self._messages.append(message)
        self.waiting_bytes += len(message.payload)
        self.filled.set()

    def take(self, most: int) -> list[Message]:
        """Take what is there, at most `most`, without waiting."""
        taken = [self._messages.popleft() for _ in range(min(most, len(self._messages)))]
        self.waiting_bytes -= sum(len(each.payload) for each in taken)
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


class Client(aiomqtt.Client):
    """A client for one connection; call `let_go` at the end, whatever has happened."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        manual_ack: bool,
        connect_timeout_s: float,
        tls_context: ssl.SSLContext | None = None,
        **more: Any,
    ) -> None:
        if tls_context is not None:
            tls_context.sslsocket_class = TlsSocket
        super().__init__(
            host,
            port,
            timeout=connect_timeout_s,
            tls_context=tls_context,
            logger=_QUIET,
            **more,
        )
        self.inbox = Inbox()
        self.is_five = more.get("protocol") is aiomqtt.ProtocolVersion.V5
        """Speaks MQTT 5."""
        self._deaf = False
        """Nothing is read from the socket: enough waits."""
        self.reached = False
        """Something at the other end took the connection (and the TLS handshake)."""
        self.session_present = False
        """The broker kept our session since last time."""
        self.max_packet_bytes: int | None = None
        """The largest packet the broker takes, where it says so."""
        self._connecting = True
        self._given_up = False
        self.paho.manual_ack_set(manual_ack)
        self.paho.connect_timeout = connect_timeout_s
        self.paho.on_connect = self._on_welcome
        Reader(self.paho, self._take_in)
        self._paho_misc, self.paho.loop_misc = self.paho.loop_misc, self._keep_alive  # type: ignore[method-assign]

    @property
    def paho(self) -> PahoClient:
        """The paho client inside."""
        return self._client

    @property
    def lost(self) -> asyncio.Future[None]:
        """Done when the connection is over, with the error when it was not we who ended it."""
        return self._disconnected

    def acknowledge(self, mids: Sequence[int]) -> None:
        """Acknowledge messages of QoS 1, in one write; does nothing where paho has done so already."""
        if not self.paho._manual_ack:
            return
        packets = b"".join(_PUBACK.pack(MessageType.PUBACK, 2, mid) for mid in mids)
        self.paho._packet_queue(MessageType.PUBACK, packets, 0, 1)

    def let_go(self) -> None:
        """Free the socket, at once or, while a thread is still connecting, as soon as it has come back."""
        self._given_up = True
        if not self._connecting:
            self.paho._sock_close()
        if self.lost.done() and not self.lost.cancelled():
            self.lost.exception()  # now it counts as seen, otherwise asyncio complains when it is collected

    def take(self, most: int) -> list[Message]:
        """Take what has come, at most `most` messages, and listen again if there is room now."""
        taken = self.inbox.take(most)
        if self._deaf and self.inbox.waiting_bytes <= MOST_WAITING_BYTES // 2:
            self._listen()
        return taken

    def _take_in(self, message: Message) -> None:
        """Take a message in; read no more when too much waits, which TCP tells the broker."""
        self.inbox.put(message)
        sock = self.paho.socket()
        if self.inbox.waiting_bytes > MOST_WAITING_BYTES and not self._deaf and sock is not None:
            self._deaf = True
            self._loop.remove_reader(sock.fileno())

    def _listen(self) -> None:
        self._deaf = False
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
        """Send pings; while we are deaf, that no answer is heard says nothing."""
        if self._deaf:
            self.paho._ping_t = 0.0
        return self._paho_misc()

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
        window: int = getattr(properties, "ReceiveMaximum", client._max_inflight_messages)
        client._max_inflight_messages = min(window, client._max_inflight_messages)
        self._on_connect(client, userdata, flags, code, properties)
