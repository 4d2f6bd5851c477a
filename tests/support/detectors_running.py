"""A detectors process inside a test: its settings, its start and its end, ordered or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from hubwatch_core.config import MqttSection
from hubwatch_core.mqtt import MqttLink, MqttSession
from hubwatch_core.process import Context
from hubwatch_core.process.service import run_parts
from hubwatch_core.topics import Leaf, Topic
from hubwatch_core.wire import Birth, Frame, encode
from hubwatch_detectors.service import parts
from hubwatch_detectors.settings import DetectorsSettings
from hubwatch_store.database import DatabaseSection
from support.alarms_database import hands_on

Address = tuple[str, int]


def settings(dsn: str, broker: Address, hub: str, **more: Any) -> DetectorsSettings:
    """Return settings for one hub; its name keeps tests on a shared broker apart."""
    return DetectorsSettings(
        name=f"detectors-{hub}",
        hubs=(hub,),
        mqtt=MqttSection(host=broker[0], port=broker[1], max_reconnect_s=0.5),
        database=DatabaseSection(dsn=dsn, max_retry_s=0.5, connect_timeout_s=2),
        **more,
    )


@asynccontextmanager
async def running(settings: DetectorsSettings) -> AsyncIterator[Context]:
    """Run the detectors inside the context, and stop them in order."""
    context, stop = Context.make("test"), asyncio.Event()
    task = asyncio.create_task(run_parts(parts(settings, context), stop))
    try:
        yield context
    finally:
        stop.set()
        async with asyncio.timeout(60):
            await task


@asynccontextmanager
async def crashing(settings: DetectorsSettings) -> AsyncIterator[Context]:
    """Run the detectors inside the context, and end them as a lost process ends: without saving anything more."""
    context = Context.make("test")
    (part,) = parts(settings, context)
    task = asyncio.ensure_future(part.run(asyncio.Event()))
    try:
        yield context
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def publishing(broker: Address, name: str) -> AsyncIterator[MqttLink]:
    """Return a link to publish on."""
    session = MqttSession(MqttSection(host=broker[0], port=broker[1]), client_id=f"test-{name}", name="test")
    ready: asyncio.Future[MqttLink] = asyncio.get_running_loop().create_future()

    async def use(link: MqttLink) -> None:
        ready.set_result(link)
        await asyncio.Event().wait()

    task = asyncio.create_task(session.run(use))
    try:
        async with asyncio.timeout(60):
            await ready
        yield ready.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def publish(link: MqttLink, hub: str, messages: Iterable[Birth | Frame]) -> None:
    """Publish births (retained) and frames as those of `hub`."""
    for message in messages:
        leaf = Leaf.BIRTH if isinstance(message, Birth) else Leaf.FRAME
        payload = encode(msgspec.structs.replace(message, hub=hub))
        await link.publish(str(Topic(hub, message.agent, leaf)), payload, retain=leaf is Leaf.BIRTH)


def rows(dsn: str, query: str, *values: object) -> list[dict[str, Any]]:
    """Ask the database."""
    with hands_on(dsn) as hands:
        return hands.rows(query, *values)


def figure(context: Context, name: str, **labels: str) -> float:
    """Return a metric of a running process."""
    return context.registry.get_sample_value(f"hubwatch_detectors_{name}", labels) or 0.0
