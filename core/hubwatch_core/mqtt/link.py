"""One live connection to a broker: publish, subscribe, receive, acknowledge after use.

aiomqtt ignores the reason a broker gives for refusing a publish; `MqttLink.publish` takes it from the paho client
inside.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import aiomqtt
from paho.mqtt.client import Client as PahoClient
from paho.mqtt.client import error_string
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from hubwatch_core.concurrency import backoff_s
from hubwatch_core.condition import Condition
from hubwatch_core.errors import Transient
from hubwatch_core.message import PROOF_PROPERTY, Message
from hubwatch_core.mqtt.client import MqttClient
from hubwatch_core.signing import PROOF_BYTES, wrapped

PACKET_OVERHEAD_BYTES = 16
"""What a PUBLISH holds besides topic and payload: at most 5 + 2 + 2 + 1 bytes (MQTT 5, 3.3), with some room."""
ASK_AGAIN_FIRST_S = 1.0
"""First pause before a refused subscription is asked for again."""
_NOBODY_SUBSCRIBED = 0x10
"""PUBACK code of MQTT 5 (3.4.2.1): taken, but there are no matching subscribers."""
_FAILURE = 0x80
"""Codes from here on mean that something was refused (MQTT 5, 2.4; 3.1.1, 3.9.3)."""


_TAKEN_OVER = 0x8E
"""DISCONNECT code of MQTT 5 (3.14.2.1): another connection has the same client id. MQTT 3.1.1 has no word for it."""
_NO_REASON_GIVEN = 0x80
"""What paho makes of a connection that ended without a DISCONNECT."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    """A subscription that the broker refuses."""

    reason: str
    identifier: int | None
    qos: int


class MqttRefused(Transient):
    """The broker is there, and refuses a login, a subscription or a message.

    That is an outage like any other: a user database may be away, an access list may be mended at any time.
    """


class MqttLink:
    """One live connection to the broker. Once lost, everything on it raises Transient."""

    def __init__(self, client: MqttClient, subscriptions: Condition, max_pause_s: float) -> None:
        """Use a connected client.

        `subscriptions` tells of refused ones, which are asked for again after at most `max_pause_s` seconds.
        """
        self.session_present = client.session_present
        self.tells_who_hears = client.is_five
        """Whether the broker says so when nobody has subscribed to what is published; MQTT 3.1.1 has no word for it."""
        self.identifies_subscriptions = client.identifies_subscriptions
        """Whether `Message.subscriptions` tells for which subscriptions with an identifier a message came."""
        self.lost = client.lost
        self._client = client
        self._confirmations: dict[int, asyncio.Future[ReasonCode]] = {}
        self._owing_since = 0.0
        self._to_acknowledge: list[int] = []
        self._subscriptions = subscriptions
        self._max_pause_s = max_pause_s
        self._refused: dict[str, _Refusal] = {}
        self._some_refused = asyncio.Event()
        client.paho.on_publish = self._on_publish
        client.lost.add_done_callback(lambda _: client.inbox.filled.set())

    async def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 1,
        retain: bool = False,
        expires_s: int | None = None,
        proof: str | None = None,
    ) -> bool:
        """Publish, and for QoS 1 return when the broker has taken it.

        Return False when it says that nobody has subscribed, now or in a session it keeps: then it has thrown the
        message away. What nobody has fetched after `expires_s` seconds is thrown away, too. `proof` is the signature of
        the payload; MQTT 3.1.1 has no place for it but before the payload. Raises Transient when the link is lost,
        MqttRefused when the broker does not take it, also because it is too large. MQTT 3.1.1 tells neither refusals
        nor that nobody hears, and knows no expiry.
        """
        self._still_there()
        if not self._client.is_five:
            payload, proof = wrapped(payload, proof), None
        self._check_size(topic, payload, proof)
        info = self._client.paho.publish(topic, payload, qos, retain, self._properties(expires_s, proof))
        if info.rc != 0:
            raise Transient(f"publish to {topic} failed: {error_string(info.rc)}")
        if qos == 0:
            return True
        loop = asyncio.get_running_loop()
        confirmation = loop.create_future()
        if not self._confirmations:
            self._owing_since = loop.time()
        self._confirmations[info.mid] = confirmation
        try:
            await asyncio.wait([confirmation, self.lost], return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._confirmations.pop(info.mid, None)
        if not confirmation.done():
            raise Transient(f"link lost before {topic} was acknowledged")
        code = confirmation.result()
        if code.is_failure:
            raise MqttRefused(f"broker refused a message on {topic}: {code}")
        return bool(code.value != _NOBODY_SUBSCRIBED)

    @property
    def owing_s(self) -> float:
        """For how long the broker has acknowledged none of the messages that it has to; 0 when it owes nothing."""
        return asyncio.get_running_loop().time() - self._owing_since if self._confirmations else 0.0

    def max_payload_bytes(self, topic: str) -> int | None:
        """Return the longest payload that the broker takes on a topic; None where it names no limit."""
        largest = self._client.max_packet_bytes
        return None if largest is None else largest - len(topic.encode()) - PACKET_OVERHEAD_BYTES

    @property
    def loss(self) -> str:
        """Why the connection is over."""
        if self._client.fault is not None:
            return f"the broker sent what is no MQTT: {self._client.fault}"
        error = self.lost.exception() if self.lost.done() and not self.lost.cancelled() else None
        reason = getattr(error, "rc", None)
        code = getattr(reason, "value", None)
        if code == _TAKEN_OVER:
            return f"another process took the name {self._client.identifier} (client id): each needs its own"
        if code == _NO_REASON_GIVEN:
            return "ended by the broker, or on the way to it, without a reason"
        return f"{reason} (code {code:#x})" if code is not None else str(error or "closed by the broker")

    @property
    def refused(self) -> Mapping[str, str]:
        """The filters that the broker refuses to subscribe us to, each with the reason."""
        return MappingProxyType({each: refusal.reason for each, refusal in self._refused.items()})

    async def subscribe(
        self, *filters: str, identifier: int | None = None, keep_asking: bool = False, qos: int = 1
    ) -> None:
        """Subscribe to all filters. Raises MqttRefused when the broker refuses one, Transient when lost.

        With `keep_asking` a refused filter costs the others nothing: it is in `refused`, and asked for again with
        growing pauses while the link lasts. Messages that come for the filters carry `identifier` (1 to 268 435 455) in
        `Message.subscriptions`, where the link `identifies_subscriptions`; elsewhere it is left out.
        """
        refusals = await self._subscribe(filters, identifier, qos)
        self._refused = {each: old for each, old in self._refused.items() if each not in filters} | refusals
        self._tell_refused()
        if refusals and not keep_asking:
            raise MqttRefused("; ".join(refusal.reason for refusal in refusals.values()))
        if refusals:
            self._some_refused.set()

    async def ask_again(self) -> None:
        """Ask again for refused subscriptions, for ever. Raises Transient when the link is lost."""
        failures = 0
        while True:
            await self._some_refused.wait()
            failures += 1
            await asyncio.sleep(backoff_s(failures, ASK_AGAIN_FIRST_S, self._max_pause_s))
            for identifier, qos in {(refusal.identifier, refusal.qos) for refusal in self._refused.values()}:
                filters = [
                    each
                    for each, refusal in self._refused.items()
                    if (refusal.identifier, refusal.qos) == (identifier, qos)
                ]
                if filters:  # else they were taken back meanwhile
                    await self.subscribe(*filters, identifier=identifier, keep_asking=True, qos=qos)
            if not self._refused:
                failures = 0
                self._some_refused.clear()

    async def _subscribe(self, filters: Sequence[str], identifier: int | None, qos: int) -> dict[str, _Refusal]:
        """Subscribe; return what the broker refuses."""
        self._still_there()
        try:
            codes: Sequence[int | ReasonCode] = await self._client.subscribe(
                [(each, qos) for each in filters], properties=self._identified(identifier)
            )
        except aiomqtt.MqttError as error:
            raise Transient(f"subscribing failed: {error}") from None
        heed_cancellation()
        return dict(_refusals(filters, codes, identifier, qos))

    def _tell_refused(self) -> None:
        if self._refused:
            self._subscriptions.lost("; ".join(refusal.reason for refusal in self._refused.values()))
        elif not self._subscriptions.holds:
            self._subscriptions.back("all subscriptions taken")

    async def unsubscribe(self, *filters: str) -> None:
        """Take subscriptions back; what the broker had queued for them still comes. Raises Transient when lost."""
        self._still_there()
        try:
            await self._client.unsubscribe(list(filters))
        except aiomqtt.MqttError as error:
            raise Transient(f"unsubscribing failed: {error}") from None
        for each in filters:
            self._refused.pop(each, None)
        self._tell_refused()

    async def receive(self, most: int, wait_s: float, max_bytes: int | None = None) -> list[Message]:
        """Wait up to `wait_s` for a message, then take what has come within the limits; [] when none came.

        Raises Transient when the link is lost and all that had come is taken.
        """
        inbox = self._client.inbox
        if not inbox.filled.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await inbox.filled.wait()
        messages = self._client.take(most, max_bytes)
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

    def _check_size(self, topic: str, payload: bytes, proof: str | None) -> None:
        longest = self.max_payload_bytes(topic)
        if longest is not None and proof is not None:
            longest -= PROOF_BYTES
        if longest is not None and len(payload) > longest:  # the broker would hang up, and again after every reconnect
            largest = self._client.max_packet_bytes
            raise MqttRefused(f"message of {len(payload)} bytes on {topic}: the broker takes packets up to {largest}")

    def _properties(self, expires_s: int | None, proof: str | None) -> Properties | None:
        if not self._client.is_five or (expires_s is None and proof is None):
            return None
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        if expires_s is not None:
            properties.MessageExpiryInterval = expires_s
        if proof is not None:
            properties.UserProperty = (PROOF_PROPERTY, proof)
        return properties

    def _identified(self, identifier: int | None) -> Properties | None:
        if identifier is None or not self.identifies_subscriptions:
            return None
        properties = Properties(PacketTypes.SUBSCRIBE)  # type: ignore[no-untyped-call]
        properties.SubscriptionIdentifier = identifier
        return properties

    def _still_there(self) -> None:
        if self.lost.done():
            raise Transient("link to the broker is lost")

    def _on_publish(
        self, _client: PahoClient, _userdata: Any, mid: int, code: ReasonCode, _properties: Properties
    ) -> None:
        confirmation = self._confirmations.get(mid)
        if confirmation is not None and not confirmation.done():
            self._owing_since = confirmation.get_loop().time()
            confirmation.set_result(code)


def _refusals(
    filters: Sequence[str], codes: Sequence[int | ReasonCode], identifier: int | None, qos: int
) -> Iterable[tuple[str, _Refusal]]:
    for each, code in zip(filters, codes, strict=True):
        value: int = code.value if isinstance(code, ReasonCode) else code
        if value >= _FAILURE:
            yield (
                each,
                _Refusal(
                    f"broker refuses the subscription to {each} (code {value:#x}); check its ACL", identifier, qos
                ),
            )


def heed_cancellation() -> None:
    """Raise a cancellation that was swallowed.

    aiomqtt waits with `asyncio.wait_for`, which loses one that comes in the moment its work completes (CPython issue
    81839, mended in 3.12).
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
