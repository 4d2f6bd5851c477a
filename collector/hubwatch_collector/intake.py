"""What a collector receives, from an MQTT broker or a NATS JetStream cluster, and how it is acknowledged.

Messages wait in the connection they came on and nowhere else. `intake.max_held_bytes` bounds everything between receipt
and acknowledgement: what waits there and what is being stored. A slow database so slows the broker, not us down.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic

from hubwatch_collector.answers import Answers
from hubwatch_collector.hearing import Hearing
from hubwatch_collector.settings import CollectorSettings
from hubwatch_core import topics
from hubwatch_core.concurrency import run_until, wait_for_event
from hubwatch_core.errors import Transient
from hubwatch_core.health import Health
from hubwatch_core.message import Message
from hubwatch_core.mqtt import Feed, FeedSession, MqttSession
from hubwatch_core.receive_budget import ReceiveBudget
from hubwatch_core.topics import Leaf

FLUSH_S = 1.0
"""How long the last acknowledgements may take to leave."""


@dataclass(frozen=True, slots=True)
class ReceivedBatch:
    """Messages that came on one connection, on which they are acknowledged."""

    messages: Sequence[Message] = ()
    feed: Feed | None = None


class Intake:
    """Takes messages from the connection that there is, and acknowledges them."""

    def __init__(self, max_held_bytes: int, health: Health) -> None:
        self.held = ReceiveBudget(max_held_bytes)
        """Everything received and not acknowledged."""
        self.taken = 0
        """Messages taken so far."""
        self.on_drop: Callable[[str, str], None] | None = None
        """Gets topic and reason of each MQTT message that could not be used."""
        self._health = health
        self._feed: Feed | None = None
        self._connected = asyncio.Event()
        self._busy_at = monotonic()
        self._looked_at = 0

    async def run(
        self,
        session: FeedSession,
        filters: Sequence[str],
        drained: asyncio.Event,
        answers: Answers,
        hearing: Hearing | None = None,
    ) -> None:
        """Receive what matches `filters`, over one connection after another, until `drained` is set.

        Over the same connections agents are told what is stored. With `hearing` it is watched whether anything comes.
        """

        async def use(feed: Feed) -> None:
            await feed.subscribe(*filters)
            with self.using(feed):
                await run_until(drained, answers.run(feed), *([hearing.run()] if hearing is not None else []))
                await answers.tell(feed)

        running = asyncio.ensure_future(session.run(use))
        ended = asyncio.ensure_future(drained.wait())
        await asyncio.wait([running, ended], return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            ended.cancel()
            running.result()
            return
        # A connection that is lost now is not waited for: the broker delivers again what was not acknowledged.
        await asyncio.wait([running], timeout=FLUSH_S)
        running.cancel()
        await asyncio.wait([running])

    @contextmanager
    def using(self, feed: Feed) -> Iterator[None]:
        """Take messages from `feed` inside the context."""
        self._feed, self._busy_at = feed, monotonic()
        self._connected.set()
        self._health.set("intake", True, "subscribed")
        self._health.did("intake")
        try:
            yield
        finally:
            self._disconnect()

    async def take(self, max_messages: int, max_bytes: int, wait_s: float) -> ReceivedBatch:
        """Wait up to `wait_s` for a message, then return what has come within the limits, at least one if any."""
        if not await wait_for_event(self._connected, wait_s):
            return ReceivedBatch()
        feed = self._feed
        assert feed is not None, "connected means that there is a feed"
        try:
            messages = await feed.receive(max_messages, wait_s, max_bytes)
        except Transient:  # lost; the session connects again and reports it
            if feed is self._feed:
                self._disconnect()
            return ReceivedBatch()
        self._health.did("intake")
        if messages:
            self.taken += len(messages)
            self._busy_at = monotonic()
        return ReceivedBatch(messages, feed)

    def done(self, batch: ReceivedBatch) -> None:
        """Acknowledge a batch and make room for others."""
        if batch.feed is not None:
            for each in batch.messages:
                batch.feed.ack(each)
            self.held.release(batch.messages)
            self._busy_at = monotonic()

    def heard(self) -> bool:
        """Return whether anything has come since this was asked before, or is held: then the database is slow."""
        before, self._looked_at = self._looked_at, self.taken
        return self.taken != before or self.held.held_messages > 0

    async def until_quiet(self, quiet_s: float) -> None:
        """Wait until nothing has come and nothing has been held for that long, while connected."""
        while (missing_s := quiet_s - self.idle_s) > 0:  # noqa: ASYNC110 - no event tells that nothing comes
            await asyncio.sleep(missing_s)

    @property
    def idle_s(self) -> float:
        """Return for how long we have been connected with nothing coming and nothing held."""
        return monotonic() - self._busy_at if self._connected.is_set() and not self.held.held_messages else 0.0

    def _disconnect(self) -> None:
        self._feed = None
        self._connected.clear()
        self._health.set("intake", False, "not subscribed")


def mqtt_session(
    settings: CollectorSettings, intake: Intake, health: Health, *, refusal_ends: bool = False
) -> MqttSession:
    """Make the session that this collector has at the broker of `[mqtt]`; `refusal_ends` is that of `MqttSession`."""
    return MqttSession(
        settings.mqtt,
        client_id=settings.intake.client_id,
        name="mqtt",
        persistent=True,
        manual_ack=True,
        health=health,
        budget=intake.held,
        on_drop=intake.on_drop,
        refusal_ends=refusal_ends,
    )


def mqtt_filters(settings: CollectorSettings) -> tuple[str, ...]:
    """Return what a collector subscribes to.

    Births and states go to every collector: each can then explain gaps, and a broker gives retained messages to none
    that shares.
    """
    return (
        topics.every(Leaf.BIRTH),
        topics.every(Leaf.STATE),
        topics.shared(settings.intake.group, topics.every(Leaf.FRAME)),
        # Behind the frames, and shared like them: who finds this subscription finds that one.
        topics.shared(settings.intake.group, topics.EVERY_ROLLCALL),
    )


async def receive(
    settings: CollectorSettings, intake: Intake, health: Health, drained: asyncio.Event, answers: Answers
) -> None:
    """Fill `intake` from the source that the settings name until `drained` is set; tell agents what is stored.

    From JetStream births and states come in the order they were stored, before the frames they explain. There silence
    says nothing: a server answers each request for messages, and the check `nats` fails when none does.
    """
    nats = settings.nats
    if nats is None:
        hearing = Hearing(intake.heard, health)
        await intake.run(mqtt_session(settings, intake, health), mqtt_filters(settings), drained, answers, hearing)
        return
    from hubwatch_core.jetstream import JetStreamSession  # nats-py is needed only then

    durable = f"hubwatch-{settings.intake.group or 'collector'}"
    session = JetStreamSession(nats, durable=durable, name="nats", health=health, budget=intake.held)
    await intake.run(session, [topics.every(leaf) for leaf in Leaf], drained, answers)
