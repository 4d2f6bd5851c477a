"""Requests and their replies, for devices that do not speak by themselves.

Each request is marked, so that a late or a foreign reply is never taken for the right one.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from hubwatch_agents.drivers.drops import Cause, DropCounters
from hubwatch_agents.drivers.mqtt import paths
from hubwatch_agents.drivers.mqtt.mapping import Mapper
from hubwatch_agents.drivers.mqtt.message import InboundMessage
from hubwatch_agents.profiles.mqtt_schema import MqttRequest, Plain, PolledRequest
from hubwatch_agents.readings import Observation
from hubwatch_core.clock import now_us
from hubwatch_core.concurrency import backoff_s
from hubwatch_core.errors import HubwatchError, Transient
from hubwatch_core.mqtt import MqttLink, MqttRefused, TopicMap

MAX_RETRY_S = 60.0
ACKNOWLEDGED_S = 30.0
"""A broker that has not acknowledged a request by then is of no use, though it may answer pings."""


class Reply(NamedTuple):
    """What came back, and when (µs)."""

    document: Any
    t: int


class NotAsked(Exception):
    """A request that the broker did not take."""


class RequestClient:
    """Makes requests over one broker. Tokens carry a mark of this run: replies to an earlier one are known as late."""

    def __init__(self, client_id: str, drops: DropCounters) -> None:
        self._client_id = client_id
        self._drops = drops
        self._run = secrets.token_hex(4)
        self._numbers = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[Reply]] = {}
        self._replies: dict[tuple[str, str], str] = {}
        self._listening: TopicMap[tuple[str, str]] = TopicMap()

    def expect(self, topic: str, echo: str, sensor: str) -> None:
        """Listen to replies on `topic` that give their token back at `echo`; `sensor` is whose they are."""
        if (topic, echo) not in self._replies:
            self._replies[topic, echo] = sensor
            self._listening.add(topic, (echo, sensor))

    @property
    def filters(self) -> dict[str, str]:
        """Topics of replies, each with a sensor that waits for them."""
        return {topic: sensor for (topic, _), sensor in self._replies.items()}

    async def ask(self, link: MqttLink, request: MqttRequest, reply: str, number: Plain | None = None) -> Reply | None:
        """Ask, and return the reply; None when there is none in time.

        Raises NotAsked when the broker does not take the request, Transient when the link is lost or of no use.
        """
        token = f"{self._client_id}-{self._run}-{next(self._numbers)}"
        words = {"<token>": token, "<client>": self._client_id, "<reply>": reply, "<number>": number}
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[token] = future
        try:
            await _published(link, request.topic, json.dumps(_filled(request.payload, words)).encode())
            async with asyncio.timeout(request.timeout_ms / 1000):
                return await future
        except TimeoutError:
            return None
        except MqttRefused as error:
            raise NotAsked(str(error)) from None
        finally:
            del self._waiting[token]

    def on_message(self, message: InboundMessage) -> None:
        """Take a message that may be a reply."""
        if not message.retained:
            for echo, sensor in self._listening.matching(message.topic):
                self._on_reply(message, echo, sensor)

    def _on_reply(self, message: InboundMessage, echo: str, sensor: str) -> None:
        try:
            document = message.document()
        except ValueError as error:
            self._drops.drop(sensor, Cause.UNREADABLE, message.t, str(error))
            return
        token = paths.at(document, echo)
        waiting = self._waiting.get(token) if isinstance(token, str) else None
        if waiting is not None and not waiting.done():
            waiting.set_result(Reply(document, message.t))
        elif isinstance(token, str) and token.startswith(f"{self._client_id}-"):
            self._drops.drop(sensor, Cause.LATE_REPLY, message.t, f"reply to {token[:100]}, which is over")


@dataclass
class PendingRequest:
    """One request of one sensor, and when it is due next (seconds of the event loop)."""

    mapper: Mapper
    index: int
    request: PolledRequest
    due: float = 0.0
    failures: int = 0
    """Unexpected errors in a row."""


class RequestScheduler:
    """The requests of one queue: one at a time, each at its period."""

    def __init__(
        self,
        pending: list[PendingRequest],
        client: RequestClient,
        emit: Callable[[Iterable[Observation]], None],
        drops: DropCounters,
    ) -> None:
        self._pending = pending
        self._client = client
        self._emit = emit
        self._drops = drops

    async def run(self, link: MqttLink) -> None:
        """Ask for ever. Raises Transient when the link is lost."""
        loop = asyncio.get_running_loop()
        while True:
            one = min(self._pending, key=lambda each: each.due)
            await asyncio.sleep(max(0.0, one.due - loop.time()))
            # From now on, not from when it was due: what could not be asked in time is not asked twice afterwards.
            one.due = loop.time() + (one.mapper.period_ms or one.request.period_ms) / 1000
            await self._ask_guarded(link, one)

    async def _ask_guarded(self, link: MqttLink, one: PendingRequest) -> None:
        """Ask; an unexpected error makes this request's channels bad, and it is tried again ever less often."""
        try:
            await self._ask(link, one)
        except HubwatchError:
            raise
        except Exception as error:  # noqa: BLE001 - the wall around a request: it costs no other
            one.failures += 1
            one.due = max(one.due, asyncio.get_running_loop().time() + backoff_s(one.failures, 1.0, MAX_RETRY_S))
            reason = self._drops.fail(one.mapper.sensor, f"request to {one.request.topic}", error, now_us())
            self._emit(one.mapper.on_no_reply(one.index, now_us(), reason))
            return
        one.failures = 0

    async def _ask(self, link: MqttLink, one: PendingRequest) -> None:
        try:
            reply = await self._client.ask(link, one.request, one.request.reply.topic)
        except NotAsked as error:
            self._emit(one.mapper.on_no_reply(one.index, now_us(), f"not asked: {error}"))
            return
        if reply is None:
            reason = f"no reply within {one.request.timeout_ms / 1000:g} s"
            self._emit(one.mapper.on_no_reply(one.index, now_us(), reason))
            return
        message = InboundMessage(one.request.reply.topic, b"", retained=False, t=reply.t)
        self._emit(one.mapper.on_reply(one.index, reply.document, message))


def schedulers(
    mappers: Iterable[Mapper],
    client: RequestClient,
    emit: Callable[[Iterable[Observation]], None],
    drops: DropCounters,
) -> list[RequestScheduler]:
    """Return a scheduler for each queue of these sensors."""
    queues: dict[str, list[PendingRequest]] = {}
    for mapper in mappers:
        for index, request in enumerate(mapper.profile.requests):
            client.expect(request.reply.topic, request.echo, mapper.sensor)
            queues.setdefault(request.queue or request.topic, []).append(PendingRequest(mapper, index, request))
    return [RequestScheduler(pending, client, emit, drops) for pending in queues.values()]


async def _published(link: MqttLink, topic: str, payload: bytes) -> None:
    try:
        async with asyncio.timeout(ACKNOWLEDGED_S):
            await link.publish(topic, payload, qos=1)
    except TimeoutError:
        raise Transient(f"the broker has not acknowledged a request within {ACKNOWLEDGED_S:g} s") from None


def _filled(tree: Any, words: dict[str, Any]) -> Any:
    if isinstance(tree, dict):
        return {key: _filled(value, words) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_filled(value, words) for value in tree]
    return words.get(tree, tree) if isinstance(tree, str) else tree
