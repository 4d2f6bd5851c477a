"""Sessions on a NATS server and what agents publish to it, for tests of taking from the stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import nats
from nats.js.api import StreamInfo

from hubwatch_core import topics
from hubwatch_core.config import MqttSection, NatsSection
from hubwatch_core.jetstream import JetStreamSession
from hubwatch_core.jetstream.link import JetStreamLink
from hubwatch_core.jetstream.stream import STREAM
from hubwatch_core.mqtt import Message, MqttLink, MqttSession
from hubwatch_core.topics import Leaf
from support.own_nats import OwnNats

ALL = tuple(topics.every(leaf) for leaf in Leaf)
FRAME = "hubwatch/1/{hub}/gate-7/frame"


def section(server: OwnNats, **more: object) -> NatsSection:
    """Return settings for one server that try again soon."""
    return NatsSection.model_validate({"servers": (server.url,), "ack_wait_s": 2, "max_reconnect_s": 0.3} | more)


@asynccontextmanager
async def linked(
    settings: NatsSection, *filters: str, durable: str = "test", **more: Any
) -> AsyncIterator[JetStreamLink]:
    """A link that has subscribed."""
    ready: asyncio.Future[JetStreamLink] = asyncio.get_running_loop().create_future()
    done = asyncio.Event()

    async def use(link: JetStreamLink) -> None:
        await link.subscribe(*(filters or ALL))
        ready.set_result(link)
        await done.wait()

    task = asyncio.create_task(JetStreamSession(settings, durable=durable, **more).run(use))
    either: list[asyncio.Future[Any]] = [task, ready]
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED, timeout=20)
    if task.done():
        task.result()
    try:
        yield ready.result()
    finally:
        done.set()
        async with asyncio.timeout(60):
            await task


async def publish(server: OwnNats, *messages: tuple[str, bytes], retain: bool = False) -> None:
    """Publish as an agent does; returns when all are confirmed."""

    async def use(link: MqttLink) -> None:
        for topic, payload in messages:
            await link.publish(topic, payload, retain=retain)

    mqtt = MqttSection(host="127.0.0.1", port=server.mqtt_port, protocol="3.1.1")
    async with asyncio.timeout(60):
        await MqttSession(mqtt, client_id="agent").run(use)


def frames(first: int, last: int, hub: str = "harbour") -> list[tuple[str, bytes]]:
    """Return messages of an agent, each of which holds its number."""
    return [(FRAME.format(hub=hub), b"%d" % number) for number in range(first, last + 1)]


async def taken(link: JetStreamLink, count: int, within_s: float = 60.0) -> list[Message]:
    """Receive so many messages."""
    messages: list[Message] = []
    async with asyncio.timeout(within_s):
        while len(messages) < count:
            messages += await link.receive(100, 0.1)
    return messages


async def ask(server: OwnNats, question: Callable[[Any], Awaitable[StreamInfo]]) -> StreamInfo:
    """Ask a server over a connection of the test's own."""
    connection = await nats.connect(server.url)
    try:
        return await question(connection.jetstream())
    finally:
        await connection.close()


async def kept(server: OwnNats) -> int:
    """Return how many messages the stream holds."""
    return (await ask(server, lambda api: api.stream_info(STREAM))).state.messages
