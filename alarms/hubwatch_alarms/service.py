"""The alarms process: one part that moves alarms, one that brings messages to people, one that listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from hubwatch_alarms.config import Settings
from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.metrics import Metrics
from hubwatch_alarms.mover import Mover, Round, actions_of
from hubwatch_alarms.notify.route import Route
from hubwatch_alarms.notify.table import make_route
from hubwatch_alarms.outage import Outage, wait_for
from hubwatch_alarms.sender import Desk, Sender, give_up_overdue
from hubwatch_core.clock import now_us
from hubwatch_core.logs import get_logger
from hubwatch_core.service import Context, Part
from hubwatch_store import alarms, notifications
from hubwatch_store.errors import translated
from hubwatch_store.listening import listen
from hubwatch_store.pool import Pool, open_pool

POLL_S = 1.0
"""How often everything is looked at without being told; NOTIFY is quicker, but a lost one must not matter."""

CHANNELS = ("hubwatch_detections", "hubwatch_alarms")


_log = get_logger("alarms")


def parts(settings: Settings, context: Context) -> list[Part]:
    """Make the parts; raises Permanent when a secret or the instructions cannot be read, before anything connects."""
    service = _Service(settings, context)
    return [
        Part("alarms.listener", service.listen),
        Part("alarms.sender", service.send),
        Part("alarms.mover", service.move),
    ]


class _Bells:
    """Wake whoever waits for news, all of them at once."""

    def __init__(self) -> None:
        self._bells: set[asyncio.Event] = set()

    def ring(self) -> None:
        for bell in self._bells:
            bell.set()

    @asynccontextmanager
    async def hung(self, stop: asyncio.Event) -> AsyncIterator[asyncio.Event]:
        """Give a bell that rings on news, and when `stop` is set."""
        bell = asyncio.Event()
        self._bells.add(bell)
        stopper = asyncio.create_task(_ring_on(stop, bell))
        try:
            yield bell
        finally:
            self._bells.discard(bell)
            stopper.cancel()


async def _ring_on(stop: asyncio.Event, bell: asyncio.Event) -> None:
    await stop.wait()
    bell.set()


class _Service:
    def __init__(self, settings: Settings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._instructions = Instructions.load(settings.instructions_file)
        self._metrics = Metrics(context.registry)
        self._routes: dict[str, Route] = {section.name: make_route(section) for section in settings.routes}
        if not self._routes:
            _log.warning("no route is configured, so nobody is told of an alarm; add [[routes]]")
        self._bells = _Bells()

    def _outage(self, check: str) -> Outage:
        return Outage(check, self._context.health, self._settings.database.retry_max_s)

    async def listen(self, stop: asyncio.Event) -> None:
        """Ring the bells on every NOTIFY."""
        outage = self._outage("alarms.listener")
        while not stop.is_set():
            await outage.step(lambda: self._listen_once(stop, outage), stop)

    async def _listen_once(self, stop: asyncio.Event, outage: Outage) -> None:
        heard = listen(self._settings.database, CHANNELS, "hubwatch alarms listener")
        try:
            async for channel in heard:
                outage.back()
                if stop.is_set():
                    return
                if channel:
                    self._bells.ring()
        finally:
            await heard.aclose()

    async def move(self, stop: asyncio.Event) -> None:
        """Move alarms until stopped; what has begun is finished."""
        outage = self._outage("alarms.mover")
        async with open_pool(self._settings.database, "hubwatch alarms mover") as pool, self._bells.hung(stop) as bell:
            mover = Mover(pool, self._settings.routes, self._instructions)
            while not stop.is_set():
                bell.clear()
                done = await outage.step(mover.round, stop)
                if done is not None:
                    self._count(done)
                if done is not None and not done.more and not stop.is_set():
                    await wait_for(bell, POLL_S)

    def _count(self, done: Round) -> None:
        self._metrics.arrivals.inc(done.arrivals)
        now = now_us()
        for alarm, action in actions_of(done.changes):
            self._metrics.moved(action, alarm.priority)
        for change in done.changes:
            if change.detected is not None:
                self._metrics.alarmed(change.detected, now)

    async def _stand(self, pool: Pool) -> None:
        with translated():
            async with pool.connection() as connection:
                self._metrics.stand(
                    waiting=await alarms.count_waiting(connection),
                    outbox=await notifications.count_waiting(connection),
                    open_alarms=await alarms.count_open(connection),
                )

    async def send(self, stop: asyncio.Event) -> None:
        """Bring messages to people until stopped; an attempt under way is finished."""
        async with AsyncExitStack() as stack:
            pool = await stack.enter_async_context(open_pool(self._settings.database, "hubwatch alarms sender"))
            desk = Desk(pool, self._instructions, self._metrics, self._settings.delivery)
            async with asyncio.TaskGroup() as workers:
                for name, route in self._routes.items():
                    await stack.enter_async_context(route)
                    workers.create_task(self._serve(Sender(name, route, desk), name, stop))
                workers.create_task(self._sweep(desk, stop))

    async def _serve(self, sender: Sender, name: str, stop: asyncio.Event) -> None:
        outage = self._outage(f"alarms.route.{name}")
        async with self._bells.hung(stop) as bell:
            while not stop.is_set():
                bell.clear()
                sent = await outage.step(sender.send_next, stop)
                if not sent and not stop.is_set():
                    await wait_for(bell, POLL_S)

    async def _sweep(self, desk: Desk, stop: asyncio.Event) -> None:
        outage = self._outage("alarms.sweeper")
        while not stop.is_set():
            if await outage.step(lambda: give_up_overdue(desk), stop) is not None:
                await outage.step(lambda: self._stand(desk.pool), stop)
                await wait_for(stop, POLL_S)
