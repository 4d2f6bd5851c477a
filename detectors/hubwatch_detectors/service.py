"""The detectors as a part of a process: frames come in over MQTT or JetStream, findings go to the database."""

from __future__ import annotations

import asyncio

from hubwatch_core import incoming, topics
from hubwatch_core.errors import Poison, Transient
from hubwatch_core.feed import Feed, FeedSession
from hubwatch_core.health import Health
from hubwatch_core.incoming import AgentState
from hubwatch_core.logs import get_logger
from hubwatch_core.mqtt import Message, Session
from hubwatch_core.service import Context, Part
from hubwatch_core.topics import Leaf
from hubwatch_core.wire import Birth, Frame
from hubwatch_detectors.config import Settings
from hubwatch_detectors.contract import Finding
from hubwatch_detectors.engine import Engine
from hubwatch_detectors.instances import Key, Saved
from hubwatch_detectors.metrics import Metrics
from hubwatch_detectors.own_time import OwnTime
from hubwatch_detectors.saver import Saver
from hubwatch_store.detector_state import StateRow, load_states
from hubwatch_store.migrate import check_schema
from hubwatch_store.pool import Pool, open_pool

RECEIVE_MOST = 50
"""Messages judged between two looks at the clock and at what else there is to do."""
TICK_S = 0.2
FULL_PAUSE_S = 0.05

_log = get_logger("detectors")


def parts(settings: Settings, context: Context) -> list[Part]:
    """Give the parts of a detectors process: one, which receives, judges, saves and acknowledges."""
    rules = settings.rules()

    async def run(stop: asyncio.Event) -> None:
        engine = Engine(rules)
        metrics = Metrics(context.registry, engine.counts)
        async with open_pool(settings.database, f"hubwatch {settings.name}") as pool:
            if await _take_up(engine, settings, pool, context.health, stop):
                await _Detecting(settings, engine, pool, metrics, context.health).run(stop)

    return [Part("detectors", run)]


async def _take_up(engine: Engine, settings: Settings, pool: Pool, health: Health, stop: asyncio.Event) -> bool:
    """Restore the saved states, waiting for the database as long as needed; False when stopped meanwhile."""
    health.set("detectors-database", False, "not asked yet")
    health.set("detectors-intake", False, "not subscribed yet")
    said = False
    while not stop.is_set():
        try:
            await asyncio.to_thread(check_schema, settings.database)
            rows = await load_states(pool, settings.hubs)
        except Transient as error:
            health.set("detectors-database", False, str(error))
            if not said:
                _log.warning("database is away, waiting for it", reason=str(error))
            said = True
            await _wait(stop, settings.database.retry_max_s)
            continue
        taken = engine.restore(map(_saved, rows))
        health.set("detectors-database", True, "state taken up")
        _log.info("state taken up", states=taken, of=len(rows))
        return True
    return False


def _saved(row: StateRow) -> Saved:
    return Saved(Key(*row.key), row.version, row.state)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


def _session(settings: Settings, health: Health) -> FeedSession:
    """Give the session that takes what the configured hubs send."""
    name = f"hubwatch-{settings.name}"
    if settings.nats is not None:
        from hubwatch_core import jetstream  # nats-py is needed only then

        # Alone, because detectors need each agent's frames in order.
        return jetstream.Session(settings.nats, durable=name, name="detectors-nats", alone=True, health=health)
    return Session(
        settings.mqtt, client_id=name, name="detectors-mqtt", persistent=True, manual_ack=True, health=health
    )


class _Detecting:
    """One process's detectors at work."""

    def __init__(self, settings: Settings, engine: Engine, pool: Pool, metrics: Metrics, health: Health) -> None:
        self._settings, self._engine, self._metrics, self._health = settings, engine, metrics, health
        self._saver = Saver(
            engine, pool, metrics, health, every_s=settings.save_every_s, pause_max_s=settings.database.retry_max_s
        )
        self._session = _session(settings, health)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then save what was judged and acknowledge it."""
        done_receiving = asyncio.Event()
        saving = asyncio.create_task(self._saver.run(done_receiving))
        receiving = asyncio.create_task(self._session.run(lambda link: self._receive(link, done_receiving)))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([saving, receiving, stopping], return_when=asyncio.FIRST_COMPLETED)
            done_receiving.set()
            await asyncio.wait([saving])
        finally:
            for task in (stopping, receiving, saving):
                task.cancel()
            results = await asyncio.gather(saving, receiving, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _receive(self, link: Feed, done: asyncio.Event) -> None:
        """Judge what comes over one link. Returns only when the link is gone, so that acknowledging still works."""
        self._health.set("detectors-intake", False, "subscribing")
        self._saver.linked(link)
        time = OwnTime(self._engine)
        # Inventories before frames, so that a first start does not meet unknown sensors; and all in one request, for
        # the embedded broker answers no second one while retained messages wait for their acknowledgement.
        hubs = self._settings.hubs or ("+",)
        await link.subscribe(
            *(topics.every(leaf, hub) for leaf in (Leaf.BIRTH, Leaf.STATE, Leaf.FRAME) for hub in hubs)
        )
        self._health.set("detectors-intake", True, "subscribed")
        while not done.is_set():
            if self._saver.waiting >= self._settings.unsaved_most:
                await asyncio.sleep(FULL_PAUSE_S)
                continue
            messages = await link.receive(RECEIVE_MOST, TICK_S)
            now = time.now(caught_up=len(messages) < RECEIVE_MOST)
            for message in messages:
                self._saver.add(self._judge(message), message.received, message)
            self._saver.add(self._engine.tick(now), now)
            await asyncio.sleep(0)
        await asyncio.Event().wait()

    def _judge(self, message: Message) -> list[Finding]:
        try:
            topic = topics.parse(message.topic)
            if not message.payload and topic.leaf is not Leaf.FRAME:
                return []  # a retained message that somebody removed
            content, received = incoming.read(topic, message.payload), message.received
            if isinstance(content, Frame):
                return self._engine.frame(content, received)
            if isinstance(content, Birth):
                return self._engine.birth(content, received)
            online = content is AgentState.ONLINE
            return self._engine.agent_state(topic.hub, topic.agent, online=online, at=received)
        except Poison as error:
            # The collector keeps the whole message in dead_letters.
            self._metrics.poison.inc()
            _log.warning("message cannot be read", topic=message.topic, reason=error.reason)
            return []
