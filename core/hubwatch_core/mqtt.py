"""The MQTT session: connect, back off with jitter, last will, TLS, MQTT 5 with fallback to 3.1.1, commit-then-ack.

The only module that knows aiomqtt (asyncio-mqtt under its present name) and the paho client inside it. aiomqtt 2.5
acknowledges QoS 1 messages before our code has seen them and ignores the reason a broker gives for refusing a
publish. Both are put right here through its inner paho client; `tests/integration/test_core_mqtt.py` fails when
upstream changes what we rely on.
"""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import aiomqtt
from paho.mqtt.client import Client as PahoClient
from paho.mqtt.client import ConnectFlags, error_string
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from hubwatch_core.clock import now_us
from hubwatch_core.config import MqttSection, TlsSection, read_secret
from hubwatch_core.errors import HubwatchError, Permanent, Transient
from hubwatch_core.health import Health
from hubwatch_core.logs import get_logger

FIRST_PAUSE_S = 0.25
SESSION_EXPIRY_S = 7 * 24 * 3600
"""How long a broker keeps what a persistent subscriber has not acknowledged: a week without a collector."""

_REFUSED_FOR_GOOD = {4, 5, 133, 134, 135, 138, 140}
"""CONNACK codes that no waiting mends: client id, user or password, authorisation, ban (MQTT 3.1.1 and 5)."""
_WRONG_VERSION = {1, 132}
"""CONNACK codes that mean: this protocol version is not spoken here."""


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes for us when we vanish."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = True


@dataclass(frozen=True, slots=True)
class Message:
    """A received message; `received` in µs UTC, `mid` names it for the acknowledgement on its own link."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    mid: int
    received: int


class Link:
    """One live connection to the broker. Once lost, everything on it raises Transient."""

    def __init__(self, client: aiomqtt.Client, session_present: bool) -> None:
        self.session_present = session_present
        self._client = client
        self._paho: PahoClient = client._client
        self._confirmations: dict[int, asyncio.Future[ReasonCode]] = {}
        self._paho.on_publish = self._on_publish
        self._queue: asyncio.Queue[aiomqtt.Message] = client._queue
        self.lost: asyncio.Future[None] = client._disconnected

    async def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        """Publish, and for QoS 1 return when the broker has taken it. Raises Transient when lost or refused."""
        self._still_there()
        info = self._paho.publish(topic, payload, qos, retain)
        if info.rc != 0:
            raise Transient(f"publish to {topic} failed: {error_string(info.rc)}")
        if qos == 0:
            return
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
            raise Transient(f"broker refused a message on {topic}: {code}")

    async def subscribe(self, *filters: str, qos: int = 1) -> None:
        """Subscribe to all filters. Raises Permanent when the broker refuses one."""
        self._still_there()
        try:
            codes: Sequence[int | ReasonCode] = await self._client.subscribe([(each, qos) for each in filters])
        except aiomqtt.MqttError as error:
            raise Transient(f"subscribing failed: {error}") from None
        for each, code in zip(filters, codes, strict=True):
            value: int = code.value if isinstance(code, ReasonCode) else code
            if value >= 0x80:
                raise Permanent(f"broker refuses the subscription to {each} (code {value:#x}); check its ACL")

    async def receive(self, most: int, wait_s: float) -> list[Message]:
        """Wait up to `wait_s` for a message, then take what has come, at most `most`; [] when none came.

        Raises Transient when the link is lost and all that had come is taken.
        """
        if self._queue.empty():
            getter = asyncio.ensure_future(self._queue.get())
            either: list[asyncio.Future[Any]] = [getter, self.lost]
            try:
                await asyncio.wait(either, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
            finally:
                if not getter.done():
                    getter.cancel()
            if not getter.done() or getter.cancelled():
                self._still_there()
                return []
            first = [getter.result()]
        else:
            first = []
        received = now_us()
        while len(first) < most and not self._queue.empty():
            first.append(self._queue.get_nowait())
        return [_message(each, received) for each in first]

    def ack(self, message: Message) -> None:
        """Tell the broker that `message`, of this link, is dealt with (only on sessions with manual_ack)."""
        if message.qos > 0 and not self.lost.done():
            self._paho.ack(message.mid, message.qos)

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
        will: Will | None = None,
        persistent: bool = False,
        manual_ack: bool = False,
        health: Health | None = None,
    ) -> None:
        """Prepare, without connecting.

        `persistent` keeps subscriptions and unacknowledged messages at the broker over a loss; `manual_ack` leaves
        each acknowledgement to the user of the link; `name` is what logs and health call this session.
        """
        self._settings = settings
        self._client_id = client_id
        self._name = name
        self._will = will
        self._persistent = persistent
        self._manual_ack = manual_ack
        self._health = health or Health()
        self._log = get_logger(name).bind(broker=f"{settings.host}:{settings.port}", client_id=client_id)
        self._away = False
        self._tries = 0

    async def run(self, use: Callable[[Link], Awaitable[None]]) -> None:
        """Connect and call `use(link)`, again with a new link after every loss, until `use` returns.

        Permanent errors (credentials, certificates, refused subscriptions) come through; Transient ones are the
        signal to reconnect after a pause that grows to `reconnect_max_s`.
        """
        password = read_secret(self._settings.password, self._settings.password_file)
        context = _tls_context(self._settings.tls) if self._settings.tls else None
        self._health.set(self._name, False, "not connected yet")
        while True:
            try:
                await self._once(use, password, context)
                return
            except Transient as error:
                self._lost(str(error))
            await asyncio.sleep(self._pause_s())

    async def _once(
        self, use: Callable[[Link], Awaitable[None]], password: str | None, context: ssl.SSLContext | None
    ) -> None:
        client, flags = self._client(password, context)
        await self._enter(client)
        try:
            link = Link(client, bool(flags and flags[0].session_present))
            self._back()
            await _while_there(link, use)
        finally:
            try:
                await client.__aexit__(None, None, None)
            except aiomqtt.MqttError:
                self._log.debug("broker was gone before the farewell")

    async def _enter(self, client: aiomqtt.Client) -> None:
        try:
            await client.__aenter__()
        except aiomqtt.MqttError as error:
            code = getattr(error, "rc", None)
            value = getattr(code, "value", code)
            if value in _WRONG_VERSION and self._settings.protocol == "auto":
                raise Transient("broker does not speak this MQTT version, trying the other") from None
            if value in _REFUSED_FOR_GOOD or value in _WRONG_VERSION:
                raise Permanent(f"broker {self._settings.host}:{self._settings.port} refuses us: {error}") from None
            raise Transient(f"cannot connect: {error}") from None

    def _client(
        self, password: str | None, context: ssl.SSLContext | None
    ) -> tuple[aiomqtt.Client, list[ConnectFlags]]:
        settings, version = self._settings, self._version()
        five = version is aiomqtt.ProtocolVersion.V5
        client = aiomqtt.Client(
            settings.host,
            settings.port,
            username=settings.username,
            password=password,
            identifier=self._client_id,
            protocol=version,
            clean_session=None if five else not self._persistent,
            clean_start=not self._persistent if five else 3,  # 3 is paho's "first only", all that 3.1.1 accepts
            properties=self._connect_properties() if five else None,
            keepalive=settings.keepalive_s,
            timeout=settings.connect_timeout_s,
            will=_aiomqtt_will(self._will),
            tls_context=context,
            max_inflight_messages=settings.receive_maximum,
            # Otherwise a publish behind an acknowledgement waits for the peer's delayed ACK: 40 ms each (measured).
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        )
        # aiomqtt warns from ten calls on; a full window is what we want.
        client.pending_calls_threshold = settings.receive_maximum
        paho = client._client
        paho.connect_timeout = settings.connect_timeout_s
        paho.manual_ack_set(self._manual_ack)
        return client, _watch_connack(paho)

    def _version(self) -> aiomqtt.ProtocolVersion:
        """Five unless told otherwise; on auto every second try after a failure is 3.1.1, which some only speak."""
        if self._settings.protocol == "auto":
            return aiomqtt.ProtocolVersion.V311 if self._tries % 2 else aiomqtt.ProtocolVersion.V5
        return aiomqtt.ProtocolVersion.V5 if self._settings.protocol == "5" else aiomqtt.ProtocolVersion.V311

    def _connect_properties(self) -> Properties:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.ReceiveMaximum = self._settings.receive_maximum
        if self._persistent:
            properties.SessionExpiryInterval = SESSION_EXPIRY_S
        return properties

    def _pause_s(self) -> float:
        """Exponential back-off with full jitter, so that a hub's agents do not return as one wave."""
        ceiling = min(self._settings.reconnect_max_s, FIRST_PAUSE_S * 2 ** min(self._tries, 16))
        return random.uniform(ceiling / 2, ceiling)  # noqa: S311 - no secret depends on it

    def _lost(self, reason: str) -> None:
        self._tries += 1
        self._health.set(self._name, False, reason)
        if not self._away:
            self._away = True
            self._log.warning("link lost, will go on trying", reason=reason)

    def _back(self) -> None:
        again, self._away, self._tries = self._away, False, 0
        self._health.set(self._name, True, "connected")
        self._log.info("link back" if again else "connected")


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


def _message(each: aiomqtt.Message, received: int) -> Message:
    return Message(each.topic.value, each.payload, each.qos, each.retain, each.mid, received)


def _watch_connack(paho: PahoClient) -> list[ConnectFlags]:
    """Keep the flags of the CONNACK, which aiomqtt drops: they tell whether the broker kept our session."""
    seen: list[ConnectFlags] = []
    inner = cast("Callable[..., None]", paho.on_connect)

    def on_connect(client: PahoClient, userdata: Any, flags: ConnectFlags, *rest: Any) -> None:
        seen.append(flags)
        inner(client, userdata, flags, *rest)

    paho.on_connect = on_connect
    return seen


def _aiomqtt_will(will: Will | None) -> aiomqtt.Will | None:
    return aiomqtt.Will(will.topic, will.payload, will.qos, will.retain) if will else None


def _tls_context(settings: TlsSection) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(settings.ca_file))
        if settings.cert_file is not None:
            context.load_cert_chain(settings.cert_file, settings.key_file)
    except (OSError, ssl.SSLError) as error:
        raise Permanent(f"TLS files cannot be used (mqtt.tls): {error}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
