"""Takes messages from an MQTT broker, sharing the frames with the other collectors of the group.

Where frames come from JetStream it takes just births and states, which are retained and therefore MQTT's business.
"""

from __future__ import annotations

import asyncio
from functools import partial

from hubwatch_collector.config import Settings
from hubwatch_collector.inbox import Arrival, Inbox
from hubwatch_core import topics
from hubwatch_core.health import Health
from hubwatch_core.mqtt import Link, Message, Session
from hubwatch_core.mqtt_properties import use_lean_properties
from hubwatch_core.topics import Leaf

RECEIVE_MOST = 500
RECEIVE_WAIT_S = 0.5


class MqttSource:
    """Fills the inbox; a message is acknowledged to the link it came on."""

    def __init__(self, settings: Settings, inbox: Inbox, health: Health) -> None:
        use_lean_properties()
        # Births and states go to every collector: each can then explain gaps, and a broker gives retained
        # messages to none that shares.
        self._filters = [topics.every(Leaf.BIRTH), topics.every(Leaf.STATE)]
        self._check = "announcements"
        if settings.nats is None:
            self._filters.append(topics.shared(settings.intake.group, topics.every(Leaf.FRAME)))
            self._check = "intake"
        self._inbox = inbox
        self._health = health
        self._session = Session(
            settings.mqtt,
            client_id=settings.intake.client_id,
            name="mqtt",
            persistent=True,
            manual_ack=True,
            health=health,
        )

    async def run(self, stop: asyncio.Event, drained: asyncio.Event) -> None:
        """Receive until `stop` is set, then keep the link for acknowledgements until `drained` is."""
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

    async def _use(self, stop: asyncio.Event, drained: asyncio.Event, link: Link) -> None:
        await link.subscribe(*self._filters)
        self._health.set(self._check, True, "subscribed")
        try:
            while not stop.is_set():
                messages = await link.receive(RECEIVE_MOST, RECEIVE_WAIT_S)
                if messages:
                    await self._inbox.put([_arrival(link, each) for each in messages])
            await drained.wait()
        finally:
            self._health.set(self._check, False, "not subscribed")


def _arrival(link: Link, message: Message) -> Arrival:
    return Arrival(message.topic, message.payload, message.received, partial(link.ack, message))
