"""An MQTT session that runs in the background of a test and hands out its links."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hubwatch_core.config import MqttSection
from hubwatch_core.ids import new_ulid
from hubwatch_core.mqtt import Link, Session

WITHIN_S = 20.0


def unique() -> str:
    """Give a name that no other test uses, for client ids and topics."""
    return f"core-{new_ulid().lower()}"


def reaching(address: tuple[str, int], **more: object) -> MqttSection:
    """Give settings that reach a broker, and come back to it fast."""
    host, port = address
    return MqttSection.model_validate({"host": host, "port": port, "reconnect_max_s": 0.3} | more)


class KeptLink:
    """The links of one running session, newest last."""

    def __init__(self, session: Session) -> None:
        self._links: asyncio.Queue[Link] = asyncio.Queue()
        self.task = asyncio.create_task(session.run(self._use))
        self.made = 0

    async def _use(self, link: Link) -> None:
        self.made += 1
        self._links.put_nowait(link)
        await asyncio.Event().wait()

    async def next(self) -> Link:
        """Give the next link; raises what the session ended with when it ends instead."""
        link = asyncio.create_task(self._links.get())
        done, _ = await asyncio.wait([link, self.task], timeout=WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
        if link in done:
            return link.result()
        link.cancel()
        assert done, f"no link within {WITHIN_S:g} s"
        self.task.result()
        raise AssertionError("the session ended without an error")


@asynccontextmanager
async def kept(session: Session) -> AsyncIterator[KeptLink]:
    """Run a session in the background; it ends in order with the block."""
    keeper = KeptLink(session)
    try:
        yield keeper
    finally:
        keeper.task.cancel()
        await asyncio.wait([keeper.task])
        if not keeper.task.cancelled():
            keeper.task.exception()
