"""The alarms process: one part that moves alarms, one that brings messages to people, one that listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from time import monotonic

from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.metrics import AlarmMetrics
from hubwatch_alarms.mover import Mover, Round, actions_of
from hubwatch_alarms.notify.route import Route
from hubwatch_alarms.oncall.escalation import Escalations
from hubwatch_alarms.oncall.heartbeat import DeadMan, Work
from hubwatch_alarms.places import Places
from hubwatch_alarms.priorities import Priorities
from hubwatch_alarms.route_watch import watch_routes
from hubwatch_alarms.sender import LEASE_MARGIN_S, Outbox, Sender, give_up_overdue, use_other_routes
from hubwatch_alarms.settings import AlarmsSettings
from hubwatch_core.clock import clock_text, now_us
from hubwatch_core.concurrency import wait_for_event
from hubwatch_core.condition import Condition
from hubwatch_core.logs import get_logger
from hubwatch_core.outage import Outage
from hubwatch_core.process import Context, Part
from hubwatch_core.words import Priority
from hubwatch_store.alarms import LastBeat, alarms, dead_man, figures, notifications
from hubwatch_store.database import DatabaseConnection, Pool, check_schema, listen, open_pool, translated
from hubwatch_store.ownership import Owner, WorkClaim
from hubwatch_store.site import CHANNEL as SITE_CHANNEL
from hubwatch_store.site import end_due

POLL_S = 1.0
"""How often everything is looked at without being told; NOTIFY is quicker, but a lost one must not matter."""

FIGURES_S = 60.0
"""How often the key figures of the last 24 hours are counted."""

UNTOLD_AFTER_S = 60.0
"""How long a message may wait, beyond the time in which it is collected, before its alarm counts as one that nobody was
told of."""

CHANNELS = ("hubwatch_detections", "hubwatch_alarms", SITE_CHANNEL)


_log = get_logger("alarms")


def parts(settings: AlarmsSettings, context: Context) -> list[Part]:
    """Make the parts; raises Permanent when a secret or the instructions cannot be read, before anything connects."""
    service = _Service(settings, context)
    routes = [f"alarms.route.{section.name}" for section in settings.routes]
    for check in ("alarms.listener", "alarms.mover", "alarms.sweeper", *routes):
        context.health.set(check, False, "no work done yet")
    return [
        Part("alarms.owner", service.own),
        Part("alarms.listener", service.listen),
        Part("alarms.sender", service.send),
        Part("alarms.mover", service.move),
        *([] if service.heart is None else [Part("alarms.heartbeat", service.heart.run)]),
    ]


class _Wakeups:
    """Wakes every loop that waits for news."""

    def __init__(self) -> None:
        self._events: set[asyncio.Event] = set()

    def wake(self) -> None:
        for event in self._events:
            event.set()

    @asynccontextmanager
    async def subscribe(self, stop: asyncio.Event) -> AsyncIterator[asyncio.Event]:
        """Return an event that is set on news, and when `stop` is set."""
        event = asyncio.Event()
        self._events.add(event)
        stopper = asyncio.create_task(_set_on(stop, event))
        try:
            yield event
        finally:
            self._events.discard(event)
            stopper.cancel()


async def _set_on(stop: asyncio.Event, event: asyncio.Event) -> None:
    await stop.wait()
    event.set()


class _Service:
    def __init__(self, settings: AlarmsSettings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._instructions = Instructions.load(settings.instructions_file)
        self._priorities = Priorities.load(settings.priorities_file)
        self._metrics = AlarmMetrics(context.registry)
        self._routes: dict[str, Route] = {section.name: section.open() for section in settings.routes}
        if not self._routes:
            _log.warning("no route configured: nobody is notified of alarms; add [[routes]]")
        self._plain = [section.name for section in settings.routes if not section.needs_person]
        self._work = Work()
        beats = settings.heartbeat
        self.heart = None if beats is None else DeadMan(beats, context.health, self._work, context.registry)
        self._kept: LastBeat | None = None
        self._forgotten = False
        self._wakeups = _Wakeups()
        self._figures_at = 0.0
        self._places = Places(context.health)
        self._told = Condition(
            "alarms.told", context.health, _log, lost="alarms that nobody was told of", back="every alarm was told"
        )
        self._taken = Condition(
            "alarms.findings", context.health, _log, lost="findings of which no alarm was made",
            back="an alarm was made of every finding",
        )  # fmt: skip
        self._owner = Owner(settings.database, WorkClaim("alarms", "alarms"), context)

    def _outage(self, check: str, more_s: float = 0.0) -> Outage:
        """Return the guard of one loop, whose steps take `more_s` beside what they ask of the database."""
        limits = self._settings.database
        return Outage(check, self._context.health, limits.max_retry_s, step_s=limits.step_s + more_s)

    async def own(self, stop: asyncio.Event) -> None:
        """Be the only process that moves alarms and sends messages; raises NameTaken when there is another."""
        await self._owner.run(stop)

    async def listen(self, stop: asyncio.Event) -> None:
        """Wake the other parts on every NOTIFY."""
        # One step listens for as long as it hears; each of its waits has an end of its own.
        health, limits = self._context.health, self._settings.database
        outage = Outage("alarms.listener", health, limits.max_retry_s)
        while not stop.is_set():
            await outage.step(lambda: self._listen_once(stop, outage), stop)

    async def _listen_once(self, stop: asyncio.Event, outage: Outage) -> None:
        heard = listen(self._settings.database, CHANNELS, "hubwatch alarms listener")
        try:
            await anext(heard)  # it hears from now on; what was told before was not heard
            outage.back()
            self._places.told()
            self._wakeups.wake()
            async for channel in heard:
                outage.back()
                if stop.is_set():
                    return
                if channel == SITE_CHANNEL:
                    self._places.told()
                if channel:
                    self._wakeups.wake()
        finally:
            await heard.aclose()

    async def move(self, stop: asyncio.Event) -> None:
        """Move alarms until stopped; what has begun is finished."""
        outage = self._outage("alarms.mover")
        await asyncio.to_thread(check_schema, self._settings.database)
        async with (
            open_pool(self._settings.database, "hubwatch alarms mover") as pool,
            self._wakeups.subscribe(stop) as wakeup,
        ):
            escalations = Escalations(self._settings.escalations, self._settings.people, self._settings.rotas)
            mover = Mover(
                pool,
                self._settings.routes,
                self._instructions,
                self._owner.token,
                self._places,
                escalations,
                self._priorities,
            )
            await self._owner.wait_held(stop)
            while not stop.is_set():
                wakeup.clear()
                done = await outage.step(mover.round, stop)
                if done is not None:
                    self._work.moved += 1
                    self._count(done)
                if done is not None and not done.more and not stop.is_set():
                    await wait_for_event(wakeup, POLL_S)

    def _count(self, done: Round) -> None:
        self._metrics.arrivals.inc(done.arrivals)
        if done.passed:
            self._metrics.passed.inc(done.passed)
            _log.info("findings were over within the on delay of their type: no alarm", findings=done.passed)
        now = now_us()
        real = [change for change in done.changes if change.alarm.exercise is None]
        for alarm, action in actions_of(real):
            self._metrics.moved(action, alarm.priority)
        for change in real:
            if change.detected is not None:
                self._metrics.alarmed(change.detected, now)

    async def _count_open(self, pool: Pool) -> None:
        with translated():
            async with pool.connection() as connection:
                self._metrics.stand(
                    waiting=await alarms.count_waiting(connection),
                    outbox=await notifications.count_waiting(connection),
                    open_alarms=await alarms.count_open(connection),
                )
                told_after_s = UNTOLD_AFTER_S + (self._settings.delivery.collected_s if self._settings.people else 0)
                await self._keep_heart(connection)
                self._show_refused(await alarms.count_refused(connection))
                self._show_untold(await notifications.untold(connection, told_after_s))

    async def _keep_heart(self, connection: DatabaseConnection) -> None:
        """Let the console say whether somebody outside hears this hub."""
        if self.heart is None:
            if not self._forgotten:
                await dead_man.forget(connection)
            self._forgotten = True
        elif self.heart.last is not None and self.heart.last is not self._kept:
            await dead_man.keep(connection, self.heart.last)
            self._kept = self.heart.last

    def _show_refused(self, refused: int) -> None:
        """Fail the check while there are findings that nobody can see as an alarm."""
        self._metrics.refused_findings.set(refused)
        if refused:
            self._taken.lost(f"{refused} findings made no alarm; hubwatch.alarm_refused says which, and why")
        else:
            self._taken.back("an alarm was made of every finding")

    def _show_untold(self, untold: notifications.Untold) -> None:
        """Fail the check while there are alarms that should have been told and were not."""
        self._metrics.untold.set(untold.alarms)
        if untold.since is None or untold.priority is None:
            detail = "every message was delivered" if self._routes else "no route configured: nobody is notified"
            self._told.back(detail)
            return
        noun = "alarm" if untold.alarms == 1 else "alarms"
        self._told.lost(
            f"{untold.alarms} open {noun} nobody was told of, the oldest since {clock_text(untold.since)}; "
            f"most urgent: alarm {untold.most_urgent} ({Priority(untold.priority).name.lower()}); "
            "`hubwatch alarms list` shows them"
        )

    async def send(self, stop: asyncio.Event) -> None:
        """Bring messages to people until stopped; an attempt under way is finished."""
        async with AsyncExitStack() as stack:
            pool = await stack.enter_async_context(open_pool(self._settings.database, "hubwatch alarms sender"))
            ways = {on: way.to for who in self._settings.people for on, way in zip(who.on(), who.ways, strict=True)}
            outbox = Outbox(
                pool,
                self._instructions,
                self._metrics,
                self._settings.delivery,
                owner=self._owner.token,
                ways=ways,
                clock=self._places.clock,
                links=self._settings.acknowledge,
            )
            await self._owner.wait_held(stop)
            async with asyncio.TaskGroup() as workers:
                for name, route in self._routes.items():
                    await stack.enter_async_context(route)
                    sender = Sender(name, route, outbox, self._context.health)
                    workers.create_task(self._serve(sender, name, route.max_s, stop))
                workers.create_task(self._sweep(outbox, stop))

    async def _serve(self, sender: Sender, name: str, attempt_s: float, stop: asyncio.Event) -> None:
        outage = self._outage(f"alarms.route.{name}", attempt_s + LEASE_MARGIN_S)
        async with self._wakeups.subscribe(stop) as wakeup:
            while not stop.is_set():
                wakeup.clear()
                sent = await outage.step(sender.send_next, stop)
                if not sent and not stop.is_set():
                    await wait_for_event(wakeup, POLL_S)

    async def _set_figures(self, pool: Pool) -> None:
        with translated():
            async with pool.connection() as connection:
                self._metrics.figures(await figures.figures(connection))
        self._figures_at = monotonic() + FIGURES_S

    async def _sweep(self, outbox: Outbox, stop: asyncio.Event) -> None:
        outage = self._outage("alarms.sweeper")
        while not stop.is_set():
            if await outage.step(lambda: give_up_overdue(outbox), stop) is not None:
                await outage.step(lambda: use_other_routes(outbox, self._plain), stop)
                await outage.step(lambda: watch_routes(outbox, list(self._routes)), stop)
                await outage.step(lambda: self._count_open(outbox.pool), stop)
                await outage.step(lambda: _end_levels(outbox.pool), stop)
                self._work.looked += 1
                if monotonic() >= self._figures_at:
                    await outage.step(lambda: self._set_figures(outbox.pool), stop)
                await wait_for_event(stop, POLL_S)


async def _end_levels(pool: Pool) -> None:
    """Let security levels end that were set until now."""
    with translated():
        async with pool.connection() as connection:
            for hub in await end_due(connection):
                _log.info("security level has ended at its time", hub=hub)
