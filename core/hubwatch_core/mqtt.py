"""The MQTT session: connect, back off with jitter, last will, TLS, MQTT 5 with fallback to 3.1.1, commit-then-ack.

aiomqtt is met in `mqtt_client.py`. It also ignores the reason a broker gives for refusing a publish; `Link.publish`
takes it from the paho client inside.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import aiomqtt
from aiomqtt import ProtocolVersion
from paho.mqtt.client import Client as PahoClient
from paho.mqtt.client import error_string
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from hubwatch_core.config import MqttSection, read_secret
from hubwatch_core.errors import HubwatchError, Permanent, Transient
from hubwatch_core.health import Health
from hubwatch_core.logs import get_logger
from hubwatch_core.mqtt_client import Client
from hubwatch_core.mqtt_reading import Message
from hubwatch_core.tls import client_context

__all__ = ["Link", "Message", "Refused", "Session", "Will", "pause_s"]

FIRST_PAUSE_S = 0.25
STEADY_S = 10.0
"""A link that lasted this long was a good one: after it the pauses begin anew."""
SESSION_EXPIRY_S = 7 * 24 * 3600
"""How long a broker keeps what a persistent subscriber has not acknowledged: a week without a collector."""
PACKET_OVERHEAD_BYTES = 16
"""What a PUBLISH holds besides topic and payload: at most 5 + 2 + 2 + 1 bytes (MQTT 5, 3.3), with some room."""

_REFUSED_FOR_GOOD = {133, 134, 135, 138, 140}
"""CONNACK codes that no waiting mends: client id, user or password, authorisation, ban. paho gives those of 3.1.1 as
their MQTT 5 equals."""
_NOBODY_SUBSCRIBED = 0x10
"""PUBACK code of MQTT 5 (3.4.2.1): taken, but there are no matching subscribers."""
_WRONG_VERSION = 132
"""The CONNACK code that means: this protocol version is not spoken here."""


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes for us when we vanish."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = True


class Refused(Transient):
    """The broker is there, and does not take this message."""


class Link:
    """One live connection to the broker. Once lost, everything on it raises Transient."""

    def __init__(self, client: Client) -> None:
        self.session_present = client.session_present
        self.tells_who_hears = client.is_five
        """Whether the broker says so when nobody has subscribed to what is published; MQTT 3.1.1 has no word for it."""
        self.lost = client.lost
        self._client = client
        self._confirmations: dict[int, asyncio.Future[ReasonCode]] = {}
        self._to_acknowledge: list[int] = []
        client.paho.on_publish = self._on_publish
        client.lost.add_done_callback(lambda _: client.inbox.filled.set())

    async def publish(
        self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False, expires_s: int | None = None
    ) -> bool:
        """Publish, and for QoS 1 return when the broker has taken it.

        Gives False when it says that nobody has subscribed, now or in a session it keeps: then it has thrown the
        message away. What nobody has fetched after `expires_s` seconds is thrown away, too. Raises Transient when the
        link is lost, Refused when the broker does not take it, Permanent when it is larger than the broker takes at
        all. MQTT 3.1.1 tells neither refusals nor that nobody hears, and knows no expiry.
        """
        self._still_there()
        self._check_size(topic, payload)
        info = self._client.paho.publish(topic, payload, qos, retain, self._expiry(expires_s))
        if info.rc != 0:
            raise Transient(f"publish to {topic} failed: {error_string(info.rc)}")
        if qos == 0:
            return True
        confirmation = asyncio.get_running_loop().create_future()
        self._confirmations[info.mid] = confirmation
        try:
            await asyncio.wait([confirmation, self.lost], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._confirmations.pop(info.mid, None)
        if not confirmation.done():
            raise Transient(f"link lost before {topic} was acknowledged")
        code = confirmation.result()
        if code.is_failure:
            raise Refused(f"broker refused a message on {topic}: {code}")
        return bool(code.value != _NOBODY_SUBSCRIBED)

    async def subscribe(self, *filters: str) -> None:
        """Subscribe to all filters with QoS 1. Raises Permanent when the broker refuses one."""
        self._still_there()
        try:
            codes: Sequence[int | ReasonCode] = await self._client.subscribe([(each, 1) for each in filters])
        except aiomqtt.MqttError as error:
            raise Transient(f"subscribing failed: {error}") from None
        _heed_cancellation()
        for each, code in zip(filters, codes, strict=True):
            value: int = code.value if isinstance(code, ReasonCode) else code
            if value >= 0x80:
                raise Permanent(f"broker refuses the subscription to {each} (code {value:#x}); check its ACL")

    async def unsubscribe(self, *filters: str) -> None:
        """Take subscriptions back; what the broker had queued for them still comes. Raises Transient when lost."""
        self._still_there()
        try:
            await self._client.unsubscribe(list(filters))
        except aiomqtt.MqttError as error:
            raise Transient(f"unsubscribing failed: {error}") from None

    async def receive(self, most: int, wait_s: float) -> list[Message]:
        """Wait up to `wait_s` for a message, then take what has come, at most `most`; [] when none came.

        Raises Transient when the link is lost and all that had come is taken.
        """
        inbox = self._client.inbox
        if not inbox.filled.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await inbox.filled.wait()
        messages = self._client.take(most)
        if not messages:
            self._still_there()
        return messages

    def ack(self, message: Message) -> None:
        """Tell the broker that `message`, of this link, is dealt with (only on sessions with manual_ack).

        All of a turn of the loop are told together.
        """
        if message.qos > 0:
            if not self._to_acknowledge:
                asyncio.get_running_loop().call_soon(self._acknowledge)
            self._to_acknowledge.append(message.mid)

    def _acknowledge(self) -> None:
        mids, self._to_acknowledge = self._to_acknowledge, []
        if not self.lost.done():
            self._client.acknowledge(mids)

    def _check_size(self, topic: str, payload: bytes) -> None:
        largest, size = self._client.max_packet_bytes, len(topic.encode()) + len(payload) + PACKET_OVERHEAD_BYTES
        if largest is not None and size > largest:  # the broker would hang up, and again after every reconnect
            raise Permanent(f"message of {len(payload)} bytes on {topic}: the broker takes packets up to {largest}")

    def _expiry(self, seconds: int | None) -> Properties | None:
        if seconds is None or not self._client.is_five:
            return None
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.MessageExpiryInterval = seconds
        return properties

    def _still_there(self) -> None:
        if self.lost.done():
            raise Transient("link to the broker is lost")

    def _on_publish(
        self, _client: PahoClient, _userdata: Any, mid: int, code: ReasonCode, _properties: Properties
    ) -> None:
        confirmation = self._confirmations.get(mid)
        if confirmation is not None and not confirmation.done():
            confirmation.set_result(code)


class Session:
    """Keeps a link to a broker alive for as long as it is used."""

    def __init__(
        self,
        settings: MqttSection,
        *,
        client_id: str,
        name: str = "mqtt",
        will: Will | Callable[[], Will] | None = None,
        persistent: bool = False,
        manual_ack: bool = False,
        health: Health | None = None,
    ) -> None:
        """Prepare, without connecting.

        `persistent` keeps subscriptions and unacknowledged messages at the broker over a loss; `manual_ack` leaves
        each acknowledgement to the user of the link; `name` is what logs and health call this session. Where `will` is
        a function, it is asked for the will of each connection anew.
        """
        self._settings = settings
        self._client_id = client_id
        self._name = name
        self._will = will
        self._persistent = persistent
        self._manual_ack = manual_ack
        self._health = health or Health()
        self._address = settings.addresses[0]
        self._log = get_logger(name).bind(client_id=client_id)
        self._version = ProtocolVersion.V311 if settings.protocol == "3.1.1" else ProtocolVersion.V5
        self._spoken = False
        self._away = False
        self._tries = 0
        self._since = 0.0

    async def run(self, use: Callable[[Link], Awaitable[None]]) -> None:
        """Connect and call `use(link)`, again with a new link after every loss, until `use` returns.

        Permanent errors (credentials, certificates, refused subscriptions) come through; Transient ones are the
        signal to reconnect, to the next node where the broker has several, after a pause that grows to
        `reconnect_max_s`.
        """
        password = read_secret(self._settings.password, self._settings.password_file)
        context = client_context(self._settings.tls) if self._settings.tls else None
        self._health.set(self._name, False, "not connected yet")
        while True:
            try:
                await self._once(use, password, context)
                return
            except Transient as error:
                self._lost(str(error))
            await asyncio.sleep(pause_s(self._tries, self._settings.reconnect_max_s))

    async def _once(
        self, use: Callable[[Link], Awaitable[None]], password: str | None, context: ssl.SSLContext | None
    ) -> None:
        client = self._client(password, context)
        try:
            await self._enter(client)
            self._back(client.session_present)
            try:
                await _while_there(Link(client), use)
            finally:
                await self._farewell(client)
        finally:
            client.let_go()

    async def _enter(self, client: Client) -> None:
        try:
            await client.__aenter__()
        except UnicodeError:
            raise Permanent(f"{self._address[0]!r} is no host name (mqtt.host)") from None
        except aiomqtt.MqttError as error:
            code = getattr(error, "rc", None)
            raise self._no_entry(client, getattr(code, "value", code), error) from None
        _heed_cancellation()

    def _no_entry(self, client: Client, code: int | None, error: aiomqtt.MqttError) -> HubwatchError:
        """Say what a failed connect means, and on auto take the other version when this one seems not to be spoken.

        Some brokers say so; others hang up or are silent. A broker that is away says nothing about versions, and one
        that has spoken MQTT 5 is not asked for less because it was slow once: 3.1.1 cannot tell us of refusals.
        """
        where, auto = f"broker {self._broker}", self._settings.protocol == "auto"
        if code in _REFUSED_FOR_GOOD or (code == _WRONG_VERSION and not auto):
            return Permanent(f"{where} refuses us: {error}")
        silent = code is None and client.reached
        if auto and (code == _WRONG_VERSION or (silent and not self._spoken)):
            five = self._version is ProtocolVersion.V5
            self._version = ProtocolVersion.V311 if five else ProtocolVersion.V5
        if silent:
            return Transient(f"{where} took the connection but did not answer within {client.timeout:g} s")
        return Transient(f"cannot connect to {where}: {error}")

    async def _farewell(self, client: Client) -> None:
        try:
            await client.__aexit__(None, None, None)
        except aiomqtt.MqttError:
            self._log.debug("broker was gone before the farewell")

    def _client(self, password: str | None, context: ssl.SSLContext | None) -> Client:
        settings, five = self._settings, self._version is ProtocolVersion.V5
        client = Client(
            *self._address,
            username=settings.username,
            password=password,
            identifier=self._client_id,
            protocol=self._version,
            clean_session=None if five else not self._persistent,
            clean_start=not self._persistent if five else 3,  # 3 is paho's "first only", all that 3.1.1 accepts
            properties=self._connect_properties() if five else None,
            keepalive=settings.keepalive_s,
            connect_timeout_s=settings.connect_timeout_s,
            manual_ack=self._manual_ack,
            will=_aiomqtt_will(self._will() if callable(self._will) else self._will),
            tls_context=context,
            max_inflight_messages=settings.receive_maximum,
            # Otherwise a publish behind an acknowledgement waits for the peer's delayed ACK: 40 ms each (measured).
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        )
        return client

    def _connect_properties(self) -> Properties:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.ReceiveMaximum = self._settings.receive_maximum
        if self._persistent:
            properties.SessionExpiryInterval = SESSION_EXPIRY_S
        return properties

    def _lost(self, reason: str) -> None:
        steady = not self._away and time.monotonic() - self._since >= STEADY_S
        self._tries = 1 if steady else self._tries + 1
        self._health.set(self._name, False, reason)
        if not self._away:
            self._away = True
            self._log.warning("link lost, will go on trying", broker=self._broker, reason=reason)
        nodes = self._settings.addresses
        self._address = nodes[(nodes.index(self._address) + 1) % len(nodes)]

    @property
    def _broker(self) -> str:
        """The node we are at, or try next."""
        host, port = self._address
        return f"{host}:{port}"

    def _back(self, session_present: bool) -> None:
        again, self._away, self._since = self._away, False, time.monotonic()
        version = "5" if self._version is ProtocolVersion.V5 else "3.1.1"
        if version != "5" and self._settings.protocol == "auto" and not self._spoken:
            self._log.warning("broker speaks only MQTT 3.1.1, which cannot tell us of messages it refuses")
        self._spoken = True
        self._health.set(self._name, True, f"connected (MQTT {version})")
        told = {"broker": self._broker, "mqtt": version, "session_present": session_present}
        self._log.info("link back" if again else "connected", **told)


def pause_s(tries: int, longest_s: float) -> float:
    """Give how long to wait after that many failures in a row: doubling up to `longest_s`.

    The upper half of each pause is left to chance, so that a hub's agents do not come back as one wave.
    """
    ceiling = min(longest_s, FIRST_PAUSE_S * 2 ** min(tries, 16))
    return random.uniform(ceiling / 2, ceiling)  # noqa: S311 - no secret depends on it


def _heed_cancellation() -> None:
    """Raise a cancellation that was swallowed: `asyncio.wait_for`, which aiomqtt waits with, loses one that comes in
    the moment its work completes (CPython issue 81839, mended in 3.12).
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def _while_there(link: Link, use: Callable[[Link], Awaitable[None]]) -> None:
    """Call `use(link)`, cancelling it when the link is lost (told as Transient)."""
    task = asyncio.ensure_future(use(link))
    try:
        await asyncio.wait([task, link.lost], return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Transient(f"link lost: {_loss(link)}")
        task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
            _log_after_loss(None if task.cancelled() else task.exception())


def _log_after_loss(error: BaseException | None) -> None:
    if error is not None and not isinstance(error, HubwatchError):
        get_logger("mqtt").error("failed while the link was being lost", exc_info=error)


def _loss(link: Link) -> str:
    error = link.lost.exception() if not link.lost.cancelled() else None
    return str(error or "closed by the broker")


def _aiomqtt_will(will: Will | None) -> aiomqtt.Will | None:
    return aiomqtt.Will(will.topic, will.payload, will.qos, will.retain) if will else None
