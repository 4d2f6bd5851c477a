"""Takes messages into the inbox, and acknowledges each to where it came from."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from hubwatch_collector.inbox import Arrival, Inbox
from hubwatch_core.feed import Feed, FeedSession
from hubwatch_core.health import Health
from hubwatch_core.mqtt import Message

RECEIVE_MOST = 500
RECEIVE_WAIT_S = 0.5


class Source:
    """Fills the inbox; a message is acknowledged to the feed it came on."""

    def __init__(self, session: FeedSession, filters: Sequence[str], inbox: Inbox, health: Health) -> None:
        self._session, self._filters, self._inbox, self._health = session, tuple(filters), inbox, health

    async def run(self, stop: asyncio.Event, drained: asyncio.Event) -> None:
        """Receive until `stop` is set, then keep the feed for acknowledgements until `drained` is."""
        session = asyncio.ensure_future(self._session.run(partial(self._use, stop, drained)))
        ended = asyncio.ensure_future(drained.wait())
        await asyncio.wait([session, ended], return_when=asyncio.FIRST_COMPLETED)
        if session.done():
            ended.cancel()
            session.result()
            return
        # Drained: a link that is there has its acknowledgements in the socket; one that is away is not waited for.
        await asyncio.wait([session], timeout=1)
        session.cancel()
        await asyncio.wait([session])

    async def _use(self, stop: asyncio.Event, drained: asyncio.Event, feed: Feed) -> None:
        await feed.subscribe(*self._filters)
        self._health.set("intake", True, "subscribed")
        try:
            while not stop.is_set():
                messages = await feed.receive(RECEIVE_MOST, RECEIVE_WAIT_S)
                if messages:
                    await self._inbox.put([_arrival(feed, each) for each in messages])
            await drained.wait()
        finally:
            self._health.set("intake", False, "not subscribed")


def _arrival(feed: Feed, message: Message) -> Arrival:
    return Arrival(message.topic, message.payload, message.received, partial(feed.ack, message))
