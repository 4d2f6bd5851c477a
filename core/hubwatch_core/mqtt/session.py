"""The MQTT session: connect, come back by itself with back-off, last will, TLS, MQTT 5 with fallback to 3.1.1."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import aiomqtt
from aiomqtt import ProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from hubwatch_core.concurrency import backoff_s
from hubwatch_core.condition import Condition
from hubwatch_core.config import MqttSection, client_context, read_secret
from hubwatch_core.errors import HubwatchError, Permanent, Transient
from hubwatch_core.health import WORK_WITHIN_S, Health
from hubwatch_core.logs import get_logger
from hubwatch_core.mqtt.client import MqttClient
from hubwatch_core.mqtt.link import MqttLink, MqttRefused, heed_cancellation
from hubwatch_core.mqtt.reader import MAX_MESSAGE_BYTES
from hubwatch_core.receive_budget import ReceiveBudget

FIRST_PAUSE_S = 0.5
STEADY_S = 10.0
"""A connection that lasted this long was a good one: after it the pauses begin anew."""
SESSION_EXPIRY_S = 7 * 24 * 3600
"""How long a broker keeps what a persistent subscriber has not acknowledged: a week without a collector."""

HEARD_MARGIN_S = 5.0
"""How much longer than the keepalive a broker may be silent before health says so; the link is lost by then."""

MAX_TOLD_TOPICS = 100
"""Topics for which a dropped message is logged; further ones are only counted."""

_REFUSALS = {133, 134, 135, 138, 140}
"""CONNACK codes that mean us: client id, user or password, authorisation, ban, method. paho gives those of 3.1.1 as
their MQTT 5 equals."""
_WRONG_VERSION = 132
"""The CONNACK code that means: this protocol version is not spoken here."""
_ERRNO = re.compile(r"\[Errno -?\d+\] ")
"""The number of a system error; its words say the same to more people."""


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes for us when we vanish."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = True


@dataclass(frozen=True, slots=True)
class _Access:
    """What lets us in, read anew for each try: passwords and certificates change while we run."""

    password: str | None
    context: ssl.SSLContext | None


class ConnectionState(Enum):
    """Where a session stands with its broker."""

    AWAY = auto()
    """Not connected."""
    REFUSED = auto()
    """Not connected: the broker let us in, and refused what was asked of it then."""
    DOUBTED = auto()
    """Connected again after that; it counts as back once it has lasted."""
    CONNECTED = auto()


class _Unusable:
    """Counts messages that cannot be used, and tells of each topic once: a retained one comes again."""

    def __init__(self, log: Any, on_drop: Callable[[str, str], None] | None) -> None:
        self._log = log
        self._on_drop = on_drop
        self._topics: set[str] = set()
        self.count = 0

    def add(self, topic: str, reason: str) -> None:
        self.count += 1
        if self._on_drop is not None:
            self._on_drop(topic, reason)
        if topic not in self._topics and len(self._topics) < MAX_TOLD_TOPICS:
            self._topics.add(topic)
            self._log.warning("message cannot be used, read past", topic=topic, reason=reason)


class MqttSession:
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
        refusal_ends: bool = False,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        on_drop: Callable[[str, str], None] | None = None,
        on_away: Callable[[str], None] = lambda _: None,
        budget: ReceiveBudget | None = None,
    ) -> None:
        """Prepare, without connecting.

        `persistent` keeps subscriptions and unacknowledged messages at the broker over a loss; `manual_ack` leaves
        each acknowledgement to the user of the link; `name` is what logs and health call this session. Where `will` is
        a function, it is asked for the will of each connection anew. `refusal_ends` is for commands before which a
        person waits: what the broker refuses is then Permanent, instead of an outage. Messages longer than
        `max_message_bytes` are left out; `on_drop` gets topic and reason of each that cannot be used, `on_away`
        why there is no connection, at every try that brings none. With a `budget`, whoever receives releases each
        message once it is processed; without one, at most 32 MiB wait.
        """
        self._settings = settings
        self._client_id = client_id
        self._name = name
        self._will = will
        self._persistent = persistent
        self._manual_ack = manual_ack
        self._refusal_ends = refusal_ends
        self._max_message_bytes = max_message_bytes
        self._on_away = on_away
        self._budget = budget
        self._health = health or Health()
        self._address = settings.addresses[0]
        self._log = get_logger(name).bind(client_id=client_id)
        self._unusable = _Unusable(self._log, on_drop)
        self._connection = Condition(
            name, self._health, self._log, lost="connection lost, trying again", back="connection back"
        )
        self._subscriptions = Condition(
            f"{name}-subscriptions", self._health, self._log,
            lost="broker refuses subscriptions, asking again", back="broker takes all subscriptions",
        )  # fmt: skip
        self._version = ProtocolVersion.V311 if settings.protocol == "3.1.1" else ProtocolVersion.V5
        self._agreed: ProtocolVersion | None = None
        """The version in which the broker has answered."""
        self._failures = 0
        """Since a connection last proved steady."""
        self.state = ConnectionState.AWAY

    @property
    def reason(self) -> str | None:
        """Why there is no connection, in words for an operator; None while there is one."""
        return self._connection.reason

    @property
    def dropped(self) -> int:
        """Messages that were read past because they could not be used."""
        return self._unusable.count

    async def run(self, use: Callable[[MqttLink], Awaitable[None]]) -> None:
        """Connect and call `use(link)`, again with a new link after every loss, until `use` returns.

        Transient errors, refusals among them, are the signal to reconnect: to the next node where the broker has
        several, with password and certificates read anew, after a pause that grows to `max_reconnect_s`. Raises
        Permanent at the start when settings cannot be used: a host that is no name, files that cannot be read; later
        only what `use` raises.
        """
        self._check_hosts()
        access: _Access | None = self._access()
        self._health.set(self._name, False, "not connected yet")
        self._health.expect(self._name, max(WORK_WITHIN_S, self._settings.keepalive_s + HEARD_MARGIN_S))
        try:
            while True:
                try:
                    await self._once(use, access or self._access_anew())
                    return
                except MqttRefused as error:
                    if self._refusal_ends:
                        raise Permanent(str(error)) from None
                    self._lost(error)
                except Transient as error:
                    self._lost(error)
                access = None
                heed_cancellation()
                await asyncio.sleep(backoff_s(self._failures, FIRST_PAUSE_S, self._settings.max_reconnect_s))
        finally:
            self._health.expect_no_more(self._name)

    def _check_hosts(self) -> None:
        for host, _ in self._settings.addresses:
            try:
                host.encode("idna")
            except UnicodeError:
                raise Permanent(f"{host!r} is no host name (mqtt.host)") from None

    def _access(self) -> _Access:
        settings = self._settings
        return _Access(
            read_secret(settings.password, settings.password_file),
            client_context(settings.tls) if settings.tls else None,
        )

    def _access_anew(self) -> _Access:
        try:
            return self._access()
        except Permanent as error:  # a file is just being replaced, or was replaced by a bad one
            raise Transient(str(error)) from None

    async def _once(self, use: Callable[[MqttLink], Awaitable[None]], access: _Access) -> None:
        client = self._client(access)
        try:
            await self._enter(client)
            self._connected(client.session_present)
            proof = asyncio.get_running_loop().call_later(STEADY_S, self._steady, client.session_present)
            link = MqttLink(client, self._subscriptions, self._settings.max_reconnect_s)
            try:
                await _while_there(link, use)
            finally:
                proof.cancel()
                await self._farewell(client)
        finally:
            client.let_go()

    async def _enter(self, client: MqttClient) -> None:
        try:
            await client.__aenter__()
        except aiomqtt.MqttError as error:
            raise self._no_entry(client, error) from None
        heed_cancellation()

    def _no_entry(self, client: MqttClient, error: aiomqtt.MqttError) -> Transient:
        """Say what a failed connect means, and on auto take the other version when this one seems not to be spoken.

        Some brokers say so; others hang up or are silent. A broker that is away says nothing about versions, and one
        that has spoken MQTT 5 is not asked for less because it was slow once: 3.1.1 cannot tell us of refusals.
        """
        reason = getattr(error, "rc", None)
        code = getattr(reason, "value", reason)
        where, auto = f"broker {self._broker}", self._settings.protocol == "auto"
        if code in _REFUSALS or (code == _WRONG_VERSION and not auto):
            return MqttRefused(f"{where} refuses us: {reason} (code {code:#x})")
        alert = _alert_in(client.tls_alert or str(error))
        if alert is not None:
            return MqttRefused(f"{where} refuses us at TLS: {alert}; check cert_file and key_file of its TLS settings")
        silent = code is None and client.reached
        if auto and (code == _WRONG_VERSION or (silent and self._agreed is None)):
            five = self._version is ProtocolVersion.V5
            self._version = ProtocolVersion.V311 if five else ProtocolVersion.V5
        if client.fault is not None:
            return Transient(f"{where} sent what is no MQTT: {client.fault}")
        if silent and client.ended:
            hint = "; does it want a certificate of ours (cert_file)?" if self._settings.tls else ""
            return Transient(f"{where} took the connection and ended it before it answered{hint}")
        if silent:
            return Transient(f"{where} took the connection but did not answer within {client.timeout:g} s")
        return Transient(f"cannot connect to {where}: {_ERRNO.sub('', str(error))}")

    async def _farewell(self, client: MqttClient) -> None:
        try:
            await client.__aexit__(None, None, None)
        except aiomqtt.MqttError:
            self._log.debug("broker was gone before the farewell")

    def _client(self, access: _Access) -> MqttClient:
        settings, five = self._settings, self._version is ProtocolVersion.V5
        return MqttClient(
            *self._address,
            username=settings.username,
            password=access.password,
            identifier=self._client_id,
            protocol=self._version,
            clean_session=None if five else not self._persistent,
            clean_start=not self._persistent if five else 3,  # 3 is paho's "first only", all that 3.1.1 accepts
            properties=self._connect_properties() if five else None,
            keepalive_s=settings.keepalive_s,
            connect_timeout_s=settings.connect_timeout_s,
            manual_ack=self._manual_ack,
            drop=self._unusable.add,
            heard=lambda: self._health.did(self._name),
            max_message_bytes=self._max_message_bytes,
            budget=self._budget,
            will=_aiomqtt_will(self._will() if callable(self._will) else self._will),
            tls_context=access.context,
            max_inflight_messages=settings.max_in_flight,
            # Otherwise a publish behind an acknowledgement waits for the peer's delayed ACK: 40 ms each (measured).
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        )

    def _connect_properties(self) -> Properties:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.ReceiveMaximum = self._settings.max_in_flight
        # A broker leaves out what is longer, without a word (3.1.2.11.4); what comes all the same is read past.
        properties.MaximumPacketSize = self._max_message_bytes
        if self._persistent:
            properties.SessionExpiryInterval = SESSION_EXPIRY_S
        return properties

    def _connected(self, session_present: bool) -> None:
        auto_version = self._settings.protocol == "auto"
        if self._version is ProtocolVersion.V311 and auto_version and self._agreed is not self._version:
            self._log.warning("broker speaks only MQTT 3.1.1, which cannot tell us of messages it refuses")
        self._agreed = self._version
        if self.state is ConnectionState.REFUSED:
            self.state = ConnectionState.DOUBTED
        else:
            self._tell_connected(session_present)

    def _steady(self, session_present: bool) -> None:
        self._failures = 0
        if self.state is ConnectionState.DOUBTED:
            self._tell_connected(session_present)

    def _tell_connected(self, session_present: bool) -> None:
        self.state = ConnectionState.CONNECTED
        self._health.did(self._name)
        version = "5" if self._version is ProtocolVersion.V5 else "3.1.1"
        facts: dict[str, object] = {"broker": self._broker, "mqtt": version, "session_present": session_present}
        if self._connection.holds:
            self._log.info("connected", **facts)
        self._connection.back(f"connected (MQTT {version})", **facts)

    def _lost(self, error: Transient) -> None:
        self._failures += 1
        self._connection.lost(str(error), broker=self._broker)
        again = isinstance(error, MqttRefused) and self.state is not ConnectionState.AWAY
        self.state = ConnectionState.REFUSED if again else ConnectionState.AWAY
        nodes = self._settings.addresses
        self._address = nodes[(nodes.index(self._address) + 1) % len(nodes)]
        self._on_away(str(error))

    @property
    def _broker(self) -> str:
        """The node we are at, or try next."""
        host, port = self._address
        return f"{host}:{port}"


def _alert_in(text: str) -> str | None:
    """Return what a TLS alert says in an error's text: `SSLV3_ALERT_HANDSHAKE_FAILURE` is "handshake failure"."""
    found = re.search(r"_ALERT_([A-Z_]+)", text)
    return found[1].replace("_", " ").lower() if found else None


async def _while_there(link: MqttLink, use: Callable[[MqttLink], Awaitable[None]]) -> None:
    """Call `use(link)`, cancelling it when the link is lost, which raises Transient."""
    using, asking = asyncio.ensure_future(use(link)), asyncio.create_task(link.ask_again())
    try:
        await asyncio.wait([using, asking, link.lost], return_when=asyncio.FIRST_COMPLETED)
        if using.done():
            using.result()
        elif link.lost.done():
            raise Transient(f"connection lost: {link.loss}")
        else:
            asking.result()
    finally:
        for task in (using, asking):
            if not task.done():
                task.cancel()
                await asyncio.wait([task])
                _log_after_loss(None if task.cancelled() else task.exception())


def _log_after_loss(error: BaseException | None) -> None:
    if error is not None and not isinstance(error, HubwatchError):
        get_logger("mqtt").error("failed while the connection was being lost", exc_info=error)


def _aiomqtt_will(will: Will | None) -> aiomqtt.Will | None:
    return aiomqtt.Will(will.topic, will.payload, will.qos, will.retain) if will else None
