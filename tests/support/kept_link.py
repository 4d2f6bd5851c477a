"""An MQTT session that runs in the background of a test and hands out its links."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager

from hubwatch_core.config import MqttSection
from hubwatch_core.health import Health
from hubwatch_core.ids import new_ulid
from hubwatch_core.mqtt import MqttLink, MqttSession
from support.eventually import eventually

WITHIN_S = 60.0


def unique() -> str:
    """Return a name that no other test uses, for client ids and topics."""
    return f"core-{new_ulid().lower()}"


def reaching(address: tuple[str, int], **more: object) -> MqttSection:
    """Return settings that reach a broker, and come back to it fast."""
    host, port = address
    return MqttSection.model_validate({"host": host, "port": port, "max_reconnect_s": 0.3} | more)


async def outage(running: Coroutine[object, object, None], health: Health, said: str) -> str:
    """Run a session until health says `said`, and return all that health says; fails when the session ends."""
    task = asyncio.create_task(running)
    try:
        await eventually(lambda: task.done() or said in str(health.report()), WITHIN_S)
        if task.done():
            task.result()
            raise AssertionError("the session ended without an error")
        return str(health.report())
    finally:
        task.cancel()
        await asyncio.wait([task])


class KeptLink:
    """The links of one running session, newest last."""

    def __init__(self, session: MqttSession) -> None:
        self._links: asyncio.Queue[MqttLink] = asyncio.Queue()
        self.task = asyncio.create_task(session.run(self._use))
        self.made = 0

    async def _use(self, link: MqttLink) -> None:
        self.made += 1
        self._links.put_nowait(link)
        await asyncio.Event().wait()

    async def next(self) -> MqttLink:
        """Return the next link; raises what the session ended with when it ends instead."""
        link = asyncio.create_task(self._links.get())
        done, _ = await asyncio.wait([link, self.task], timeout=WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
        if link in done:
            return link.result()
        link.cancel()
        assert done, f"no link within {WITHIN_S:g} s"
        self.task.result()
        raise AssertionError("the session ended without an error")


@asynccontextmanager
async def kept(session: MqttSession) -> AsyncIterator[KeptLink]:
    """Run a session in the background; it ends in order with the block."""
    keeper = KeptLink(session)
    try:
        yield keeper
    finally:
        keeper.task.cancel()
        await asyncio.wait([keeper.task])
        if not keeper.task.cancelled():
            keeper.task.exception()
