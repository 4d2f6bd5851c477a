"""The detectors as a part of a process: frames come in over MQTT or JetStream, findings go to the database."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from hubwatch_core import topics
from hubwatch_core.concurrency import wait_for_event
from hubwatch_core.errors import Permanent, Poison, Transient
from hubwatch_core.garbage import building_what_stays
from hubwatch_core.health import Health
from hubwatch_core.hub_clock import HubClock
from hubwatch_core.logs import get_logger
from hubwatch_core.mqtt import Feed, FeedSession, Message, MqttSession
from hubwatch_core.outage import Outage
from hubwatch_core.process import Context, Part
from hubwatch_core.topics import Leaf
from hubwatch_detectors.budget_following import BudgetFollowing
from hubwatch_detectors.contract import Finding
from hubwatch_detectors.engine import Counts, Engine, InstanceKey, Rules, Saved
from hubwatch_detectors.following import ends_of_orphans
from hubwatch_detectors.journal import Journal, judge_again
from hubwatch_detectors.metrics import DetectorMetrics
from hubwatch_detectors.own_time import WallClockGuard
from hubwatch_detectors.proving import Proving
from hubwatch_detectors.saver import Saver
from hubwatch_detectors.settings import DetectorsSettings
from hubwatch_detectors.site_following import SiteFollowing
from hubwatch_detectors.stored_frames import StoredFrames
from hubwatch_store.database import Pool, check_schema, clock_of, open_pool
from hubwatch_store.detections import JournalRow, StateRow, Unended, load_journal, load_states, unended
from hubwatch_store.devices import Act, acts
from hubwatch_store.ownership import Owner, WorkClaim
from hubwatch_store.site import Sites

RECEIVE_MOST = 100
"""Messages judged between two looks at the clock and at what else there is to do; some ten milliseconds."""
TICK_S = 0.2
CLOCK_EVERY_S = 10.0
"""How often the database's clock is looked at."""
FULL_PAUSE_S = 0.05
FOLLOW_S = 2.0
"""How long it may take until a command at the journal of devices is followed."""

_log = get_logger("detectors")


def parts(settings: DetectorsSettings, context: Context) -> list[Part]:
    """Return the parts of a detectors process: one, which receives, judges, saves and acknowledges."""
    rules = settings.rules()
    owner = Owner(settings.database, WorkClaim("detectors", settings.name, settings.hubs), context)
    metrics = DetectorMetrics(context.registry)
    context.health.set("detectors-database", False, "not asked yet")
    context.health.set("detectors-intake", False, "not subscribed yet")

    async def work(stop: asyncio.Event) -> None:
        engine = Engine(rules)
        async with open_pool(settings.database, f"hubwatch {settings.name}") as pool:
            clock = HubClock()
            budgets = BudgetFollowing(settings.budgets, rules.specs, rules.configs)
            sites = SiteFollowing(engine, Sites(settings.hubs, with_people=True), context.health, budgets=budgets)
            restored = await _restore(engine, rules, settings, pool, clock, sites, context.health, stop)
            if restored is not None:
                metrics.follow(engine.counts)
                detecting = _Detecting(
                    settings, engine, pool, clock, metrics, sites, context.health, owner.token, restored
                )
                await detecting.run(stop)

    async def run(stop: asyncio.Event) -> None:
        # No session with the broker before: it would end that of the process which has our name.
        await owner.run_with(work, stop, has_state=True)

    return [Part("detectors", run)]


@dataclass(frozen=True, slots=True)
class _Restored:
    """What a start led to: findings, the journal that was judged again, and what people did meanwhile."""

    found: Sequence[Finding]
    journal: Sequence[JournalRow]
    acts: Sequence[Act]
    remembers: bool
    """Whether anything was judged before."""


async def _restore(
    engine: Engine,
    rules: Rules,
    settings: DetectorsSettings,
    pool: Pool,
    clock: HubClock,
    sites: SiteFollowing,
    health: Health,
    stop: asyncio.Event,
) -> _Restored | None:
    """Restore the saved states and judge again what was taken since, waiting for the database as long as needed;
    None when stopped meanwhile.
    """

    async def load() -> tuple[Sequence[StateRow], Sequence[JournalRow], Sequence[Act], Sequence[Unended]]:
        clock.set(await clock_of(pool))
        await sites.look(pool)
        hubs = settings.hubs
        return (
            await load_states(pool, hubs), await load_journal(pool, hubs), await acts(pool, hubs, 0),
            await unended(pool, hubs),
        )  # fmt: skip

    await asyncio.to_thread(check_schema, settings.database)

    limits = settings.database
    outage = Outage("detectors-database", health, limits.max_retry_s, step_s=limits.step_s)
    while not stop.is_set():
        loaded = await outage.step(load, stop)
        if loaded is not None:
            states, journal, entries, open_ones = loaded
            with building_what_stays():
                used = engine.restore(map(_saved, states))
                found, frames = await _judge_again(engine, journal)
            _log.info("state restored", states=used, of=len(states), judged_again=frames)
            found += ends_of_orphans(engine, rules, open_ones, states)
            return _Restored(found, journal, entries, remembers=bool(used or frames))
    return None


async def _judge_again(engine: Engine, journal: Sequence[JournalRow]) -> tuple[list[Finding], int]:
    """Judge what was taken since the states were written, hub by hub; return what is found and how many frames it was,
    which the counts do not hold: they are of what is new.
    """
    found: list[Finding] = []
    engine.gather()
    for row in sorted(journal, key=lambda each: (each.hub, each.id)):
        engine.watching = True
        found += judge_again(engine, row.hub, row.version, row.entries)
        await asyncio.sleep(0)
    found += engine.settle()
    frames = engine.counts.frames
    engine.watching, engine.counts = True, Counts()
    engine.awaited.clear()  # what waited is delivered again
    return found, frames


def _saved(row: StateRow) -> Saved:
    return Saved(InstanceKey(*row.key), row.version, row.state)


def _session(settings: DetectorsSettings, metrics: DetectorMetrics, health: Health) -> FeedSession:
    """Return the session that takes what the configured hubs send."""
    name = f"hubwatch-{settings.name}"
    if settings.nats is not None:
        from hubwatch_core.jetstream import link  # nats-py is needed only then

        # Alone, because detectors need each agent's frames in order.
        return link.JetStreamSession(settings.nats, durable=name, name="detectors-nats", alone=True, health=health)
    return MqttSession(
        settings.mqtt,
        client_id=name,
        name="detectors-mqtt",
        persistent=True,
        manual_ack=True,
        health=health,
        on_drop=metrics.read_past,
    )


class _Detecting:
    """One process's detectors at work."""

    def __init__(
        self,
        settings: DetectorsSettings,
        engine: Engine,
        pool: Pool,
        clock: HubClock,
        metrics: DetectorMetrics,
        sites: SiteFollowing,
        health: Health,
        owner: str,
        restored: _Restored,
    ) -> None:
        self._sites = sites
        self._settings, self._metrics, self._health = settings, metrics, health
        self._journal = Journal(engine)
        self._pool, self._clock = pool, clock
        self._saver = Saver(
            self._journal, pool, metrics, health, every_s=settings.save_every_s,
            max_pause_s=settings.database.max_retry_s, snapshot_every_s=settings.snapshot_every_s,
            save_s=settings.database.step_s, owner=owner, clock=clock,
        )  # fmt: skip
        self._proving = Proving(settings, pool, metrics)
        self._stored = StoredFrames(engine, settings, pool, clock, metrics, health, remembers=restored.remembers)
        self._session = _session(settings, metrics, health)
        self._saver.restored(restored.journal, restored.found)
        self._saver.add(self._journal.follow(restored.acts), clock.now())

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then save what was judged and acknowledge it."""
        done_receiving = asyncio.Event()
        saving = asyncio.create_task(self._saver.run(done_receiving))
        receiving = asyncio.create_task(self._session.run(lambda link: self._receive_over(link, done_receiving)))
        timing = asyncio.create_task(self._keep_time())
        stopping = asyncio.create_task(stop.wait())
        following = asyncio.create_task(self._follow(done_receiving))
        sites = asyncio.create_task(self._sites.run(self._settings.database, self._pool))
        comparing = asyncio.create_task(self._stored.run(done_receiving))
        try:
            await asyncio.wait([saving, receiving, timing, stopping], return_when=asyncio.FIRST_COMPLETED)
            done_receiving.set()
            await asyncio.wait([saving])
        finally:
            for task in (stopping, timing, following, sites, comparing, receiving, saving):
                task.cancel()
            results = await asyncio.gather(
                saving, receiving, timing, following, sites, comparing, return_exceptions=True
            )
            await self._proving.close()
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _keep_time(self) -> None:
        """Look at the database's clock now and then; while it does not answer, the steady clock carries on."""
        while True:
            await asyncio.sleep(CLOCK_EVERY_S)
            with suppress(Transient, Permanent, TimeoutError):
                async with asyncio.timeout(CLOCK_EVERY_S):
                    self._clock.set(await clock_of(self._pool))

    async def _receive_over(self, link: Feed, done: asyncio.Event) -> None:
        self._stored.linked()
        try:
            await self._receive(link, done)
        finally:
            self._stored.linked()

    async def _receive(self, link: Feed, done: asyncio.Event) -> None:
        """Judge what comes over one link. Returns only when the link is gone, so that acknowledging still works."""
        self._health.set("detectors-intake", False, "subscribing")
        self._saver.linked(link)
        self._proving.linked()
        time = WallClockGuard(self._journal, self._clock.now)
        # Inventories before frames, so that a first start does not meet unknown sensors; and all in one request, for
        # the embedded broker answers no second one while retained messages wait for their acknowledgement.
        hubs = self._settings.hubs or ("+",)
        await link.subscribe(
            *(topics.every(leaf, hub) for leaf in (Leaf.BIRTH, Leaf.STATE, Leaf.FRAME) for hub in hubs)
        )
        self._health.set("detectors-intake", True, "subscribed")
        while not done.is_set():
            if self._saver.waiting >= self._settings.max_unsaved:
                self._stored.received(all_of_it=False)
                await asyncio.sleep(FULL_PAUSE_S)
                continue
            messages = await link.receive(RECEIVE_MOST, TICK_S)
            self._health.did("detectors-intake")
            all_of_it = len(messages) < RECEIVE_MOST
            now = time.now(caught_up=all_of_it)
            self._stored.received(all_of_it=all_of_it)
            opened = await self._proving.opened([*messages, *self._stored.taken(RECEIVE_MOST)])
            self._journal.engine.gather()
            for message, own in opened:
                received = min(self._clock.receipt(message.received), now) if message.received else now
                self._saver.add(self._judge(own, received) if own is not None else [], received, message)
            self._saver.add(self._journal.engine.settle() + self._stored.findings(), now)
            self._journal.wait_for(self._proving.awaited, now)
            for birth in await self._proving.changed(now):
                self._saver.add(self._judge(birth, now), now)
            self._saver.add(self._journal.tick(now), now)
            await asyncio.sleep(0)
        await asyncio.Event().wait()

    async def _follow(self, done: asyncio.Event) -> None:
        """Look every few seconds what people have done to agents and sensors."""
        seen = 0
        while not done.is_set():
            # That the database is away is reported by whoever saves.
            with suppress(Transient):
                entries = await acts(self._pool, self._settings.hubs, seen)
                seen = max((each.id for each in entries), default=seen)
                self._saver.add(self._journal.follow(entries), self._clock.now())
            await wait_for_event(done, FOLLOW_S)

    def _judge(self, message: Message, received: int) -> list[Finding]:
        try:
            return self._journal.hear(message.topic, message.payload, received, retained=message.retain)
        except Poison as error:
            # The collector keeps the whole message in dead_letters.
            self._metrics.poison.inc()
            _log.warning("message cannot be read", topic=message.topic, reason=error.reason)
            return []
