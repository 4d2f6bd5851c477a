"""What happens to a NATS cluster and its collectors in a test, by a seed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import nats
from nats.errors import Error

from hubwatch_collector.service import parts
from hubwatch_collector.settings import CollectorSettings
from hubwatch_core.config import MqttSection, NatsSection
from hubwatch_core.jetstream.stream import STREAM
from hubwatch_core.process import Context
from support.eventually import eventually
from support.own_nats import OwnNats
from support.store_collector import settings_for

HEALED_WITHIN_S = 40.0


def settings_on(cluster: Sequence[OwnNats], dsn: str, **nats: object) -> CollectorSettings:
    """Configure a collector that takes from a cluster."""
    servers = tuple(member.url for member in cluster)
    section = NatsSection.model_validate({"servers": servers, "ack_wait_s": 3, "max_reconnect_s": 0.5} | nats)
    return settings_for(("127.0.0.1", 1), dsn).model_copy(update={"nats": section, "mqtt": MqttSection()})


async def whole(cluster: Sequence[OwnNats]) -> bool:
    """Return whether every copy of the stream is there and up to date: only then may the next member die."""
    try:
        connection = await nats.connect(cluster[0].url, max_reconnect_attempts=1, error_cb=_quiet)
        try:
            info = (await connection.jetstream(timeout=2).stream_info(STREAM)).cluster
        finally:
            await connection.close()
    except (Error, OSError, TimeoutError):
        return False  # it is still starting, or nobody leads it just now
    others = (info.replicas or []) if info is not None else []
    return len(others) == len(cluster) - 1 and all(each.current and not each.offline for each in others)


@dataclass
class Torment:
    """Kills members one at a time and brings each back; ends collectors in order and abruptly, and begins others."""

    cluster: Sequence[OwnNats]
    settings: CollectorSettings
    seed: int
    kills: int = 0
    changes: int = 0
    _running: list[tuple[asyncio.Task[None], asyncio.Event]] = field(default_factory=list)

    async def run(self, seconds: float) -> None:
        """Go on that long; then every member is back and a collector is at work."""
        chance, done = random.Random(self.seed), asyncio.Event()
        self.begin()
        asyncio.get_running_loop().call_later(seconds, done.set)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._kill_members(random.Random(chance.random()), done))
            group.create_task(self._change_collectors(random.Random(chance.random()), done))

    def begin(self) -> None:
        """Begin one more collector."""
        stop = asyncio.Event()
        part = parts(self.settings, Context.make("collector"))[0]
        self._running.append((asyncio.ensure_future(part.run(stop)), stop))

    async def end(self, *, abruptly: bool = False) -> None:
        """End the collector that has run longest."""
        task, stop = self._running.pop(0)
        if abruptly:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        else:
            stop.set()
            async with asyncio.timeout(25):
                await task

    async def end_all(self) -> None:
        """End every collector in order."""
        while self._running:
            await self.end()

    async def _kill_members(self, chance: random.Random, done: asyncio.Event) -> None:
        while not done.is_set():
            await asyncio.sleep(chance.uniform(0.1, 4.0))
            member = chance.choice(self.cluster)
            member.kill()
            self.kills += 1
            await asyncio.sleep(chance.uniform(0, 1))
            member.start()
            await eventually(lambda: whole(self.cluster), HEALED_WITHIN_S)

    async def _change_collectors(self, chance: random.Random, done: asyncio.Event) -> None:
        while not done.is_set():
            await asyncio.sleep(chance.uniform(0.5, 1.5))
            if len(self._running) > 1:
                await self.end(abruptly=chance.random() < 0.5)
            else:
                self.begin()
            self.changes += 1


async def _quiet(_: Exception) -> None:
    """What matters comes as an exception."""
