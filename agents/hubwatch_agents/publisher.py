"""Sends what the spool holds: live frames first and at once, backlog beside them, throttled and flagged late."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from typing import NamedTuple

from hubwatch_agents.config import Settings
from hubwatch_agents.frames import late_copy
from hubwatch_agents.rollcall import RollCall
from hubwatch_agents.settling import Settling
from hubwatch_agents.spool.spool import Entry, Spool
from hubwatch_agents.tasks import end, raise_first
from hubwatch_core import wire
from hubwatch_core.clock import now_us
from hubwatch_core.health import Health
from hubwatch_core.mqtt import Link, Session, Will
from hubwatch_core.topics import Leaf, Topic, rollcall

MOST_LIVE = 500
MOST_LIVE_BYTES = 4 << 20
"""Live frames held in memory, those under way to the broker among them; what comes beyond them waits on disk as
backlog. The MQTT client holds those under way a second time.
"""
FAREWELL_S = 5.0
"""How long a stopping agent goes on sending; what is left stays in the spool."""
BACKLOG_PAUSE_S = 1.0
GRACE_S = 2.0
"""A frame that has waited no longer for the link is still live: the blink of a broker makes no backlog."""


class Held(NamedTuple):
    """A frame in memory: when it was kept (monotonic seconds), and how far the medium must have come to send it."""

    kept: float
    place: int
    entry: Entry


class Publisher:
    """The uplink."""

    def __init__(self, settings: Settings, spool: Spool, birth: Callable[[], bytes], health: Health) -> None:
        self._settings = settings
        self._spool = spool
        self._birth = birth
        topic = Topic(settings.hub, settings.agent, Leaf.FRAME)
        self._frame_topic = str(topic)
        self._birth_topic = str(Topic(topic.hub, topic.agent, Leaf.BIRTH))
        self._state_topic = str(Topic(topic.hub, topic.agent, Leaf.STATE))
        self._session = Session(
            settings.mqtt,
            client_id=f"hubwatch-{settings.hub}-{settings.agent}",
            name="mqtt",
            will=Will(self._state_topic, wire.OFFLINE),
            health=health,
        )
        self._settling = Settling(spool, settings.spool.confirm_s)
        self._rollcall = RollCall(rollcall(settings.hub, settings.agent), self._settling, health)
        self._unsynced: deque[Held] = deque()
        self._ready: deque[Held] = deque()
        self.held_bytes = 0
        """Payload of live frames in memory, those under way among them."""
        self._more = asyncio.Event()
        self._dirty = asyncio.Event()
        self._reborn = asyncio.Event()
        self._up = False
        self._stopping = asyncio.Event()
        self.sent = 0
        self.sent_late = 0

    @property
    def up(self) -> bool:
        """Whether the broker is there."""
        return self._up

    @property
    def unsettled(self) -> int:
        """How many frames the broker has taken that are kept a while longer."""
        return len(self._settling)

    def offer(self, entries: Iterable[Entry]) -> None:
        """Hand over frames that were just kept: sent as soon as they are on the medium, or later as backlog."""
        now = asyncio.get_running_loop().time()
        for entry in entries:
            self._spool.lease(entry)
            self._unsynced.append(Held(now, self._spool.appended, entry))
            self.held_bytes += len(entry.payload)
        self._let_go(now)
        self._dirty.set()

    def announce(self) -> None:
        """Publish the birth again: the inventory has changed."""
        self._reborn.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Sync and send until `stop` is set, then send what is ready, say goodbye and return."""
        syncing = asyncio.create_task(self._sync_for_ever(), name="spool-sync")
        session = asyncio.create_task(self._session.run(self._use), name="uplink")
        waiting = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([syncing, session, waiting], return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set():
                await self._farewell(session)
        finally:
            waiting.cancel()
            await end(session, syncing)
        raise_first([session, syncing])

    async def _farewell(self, session: asyncio.Task[None]) -> None:
        await self._spool.sync_in_thread()
        self._promote()
        self._stopping.set()
        self._more.set()
        await asyncio.wait([session], timeout=FAREWELL_S if self._up else 0.0)

    # -- the medium --------------------------------------------------------------------------------------------

    async def _sync_for_ever(self) -> None:
        """Sync whenever something was kept; frames kept while a sync runs share the next one."""
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            await self._spool.sync_in_thread()
            self._promote()

    def _promote(self) -> None:
        """Let go what is on the medium now."""
        while self._unsynced and self._unsynced[0].place <= self._spool.synced:
            self._ready.append(self._unsynced.popleft())
        self._more.set()

    def _let_go(self, now: float) -> None:
        """Leave to the disk what is too old to be called live, or too much to be held in memory."""
        for held in (self._ready, self._unsynced):
            while held and (self._too_old(held[0], now) or self._too_much()):
                entry = held.popleft().entry
                self.held_bytes -= len(entry.payload)
                self._spool.release(entry)

    def _too_much(self) -> bool:
        return len(self._ready) + len(self._unsynced) > MOST_LIVE or self.held_bytes > MOST_LIVE_BYTES

    def _too_old(self, held: Held, now: float) -> bool:
        return not self._up and now - held.kept > GRACE_S

    # -- the link ----------------------------------------------------------------------------------------------

    async def _use(self, link: Link) -> None:
        await self._hello(link)
        self._rollcall.absent()
        await self._rollcall.call(link)
        self._let_go(asyncio.get_running_loop().time())
        self._up = True
        try:
            await _first_of(
                self._live(link),
                self._send_backlog(link),
                self._announce_again(link),
                self._rollcall.call_for_ever(link),
            )
            await self._rollcall.call(link)
            await link.publish(self._state_topic, wire.OFFLINE, retain=True)
            self._settling.settle_all()
        finally:
            self._rollcall.absent()
            self._up = False

    async def _hello(self, link: Link) -> None:
        await link.publish(self._birth_topic, self._birth(), retain=True)
        await link.publish(self._state_topic, wire.ONLINE, retain=True)

    async def _announce_again(self, link: Link) -> None:
        while True:
            await self._reborn.wait()
            self._reborn.clear()
            await link.publish(self._birth_topic, self._birth(), retain=True)

    async def _live(self, link: Link) -> None:
        """Send ready frames, as many at once as the window has places, until the agent stops and all are sent."""
        tasks = [asyncio.create_task(self._send_live(link)) for _ in range(self._settings.spool.window)]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            await end(*tasks)
        raise_first(tasks)

    async def _send_live(self, link: Link) -> None:
        while True:
            while not self._ready:
                if self._stopping.is_set():
                    return
                self._more.clear()
                await self._more.wait()
            held = self._ready.popleft()
            try:
                await self._send(link, held.entry, held.entry.payload)
            except BaseException:
                # Nobody knows whether it arrived: sent again in the next seconds as live, else as backlog.
                self._ready.appendleft(held)
                raise
            self.held_bytes -= len(held.entry.payload)
            self.sent += 1

    async def _send(self, link: Link, entry: Entry, payload: bytes) -> None:
        """Send a frame; one that no collector may have got goes (back) to the backlog."""
        spell = self._rollcall.spell
        if not await link.publish(self._frame_topic, payload):
            self._rollcall.absent()
        if spell is not None and spell == self._rollcall.spell:
            self._settling.taken(entry)
        else:
            self._spool.release(entry)

    async def _send_backlog(self, link: Link) -> None:
        """Send what waits on disk, no faster than is allowed; one frame at a time, so that live ones pass it."""
        pace = self._settings.spool.backlog_bytes_per_s
        while True:
            await self._rollcall.collected.wait()
            for entry in self._spool.backlog():
                if not self._rollcall.collected.is_set():
                    break
                began = asyncio.get_running_loop().time()
                await self._send(link, entry, late_copy(entry.payload, now_us()))
                self.sent_late += 1
                took = asyncio.get_running_loop().time() - began
                await asyncio.sleep(max(0.0, len(entry.payload) / pace - took))
            await asyncio.sleep(BACKLOG_PAUSE_S)


async def _first_of(*workers: Coroutine[object, object, None]) -> None:
    """Run workers until the first ends, then end the others; raises what it raised."""
    tasks = [asyncio.create_task(worker) for worker in workers]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end(*tasks)
    raise_first(tasks)
