"""Sends what the spool holds: live frames first and at once, backlog beside them, throttled and flagged late."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from itertools import islice
from typing import NamedTuple

from hubwatch_agents.settings import AgentSettings
from hubwatch_agents.uplink.birth_sender import BirthSender
from hubwatch_agents.uplink.client_id import client_id
from hubwatch_agents.uplink.collectors import Collectors
from hubwatch_agents.uplink.frame_signer import FrameSigner, Outgoing
from hubwatch_agents.uplink.frame_store import FrameState, FrameStore, KeptFrame
from hubwatch_core import wire
from hubwatch_core.concurrency import drain, raise_first, wait_for_event
from hubwatch_core.errors import Transient
from hubwatch_core.health import Health
from hubwatch_core.mqtt import MqttLink, MqttSession, Will
from hubwatch_core.signing import PROOF_BYTES
from hubwatch_core.topics import Leaf, Topic

MOST_LIVE = 500
MOST_LIVE_BYTES = 4 << 20
"""Live frames held in memory, those under way to the broker among them; what comes beyond them waits on disk as
backlog. The MQTT client holds those under way a second time.
"""
FAREWELL_S = 5.0
"""How long a stopping agent goes on sending; what is left stays in the spool."""
LAST_ANSWERS_S = 2.0
"""How long it waits then for collectors to say that they have stored what was sent."""
BACKLOG_PAUSE_S = 1.0
RETRY_FRAMES = 1000
"""Frames that are sent again at a time where nobody answers."""
LATE_FLAG_BYTES = 32
"""What a frame grows by when it is sent as backlog."""
ACKNOWLEDGED_S = 30.0
"""A broker that acknowledges nothing for so long is of no use, though it may answer pings."""
LOOK_S = 1.0
GRACE_S = 2.0
"""A frame that has waited no longer for the link is still live: the blink of a broker makes no backlog."""


class Held(NamedTuple):
    """A frame in memory: when it was kept (monotonic seconds), and how far the medium must have come to send it."""

    kept: float
    place: int
    frame: KeptFrame
    proof: str | None = None


class Publisher:
    """The uplink."""

    def __init__(
        self,
        settings: AgentSettings,
        store: FrameStore,
        birth: Callable[[], bytes],
        health: Health,
        signer: FrameSigner | None = None,
    ) -> None:
        """Prepare; without `signer` one is made, which raises Permanent when its key cannot be used."""
        self._settings = settings
        self._signer = signer or FrameSigner(settings)
        self._store = store
        self._spool = store.spool
        topic = Topic(settings.hub, settings.agent, Leaf.FRAME)
        self._frame_topic = str(topic)
        self._state_topic = str(Topic(topic.hub, topic.agent, Leaf.STATE))
        birth_topic = str(Topic(topic.hub, topic.agent, Leaf.BIRTH))
        self._births = BirthSender(birth_topic, self._state_topic, birth, health, self._signer.birth)
        self._session = MqttSession(
            settings.mqtt,
            client_id=client_id(settings),
            name="mqtt",
            will=Will(self._state_topic, wire.OFFLINE),
            health=health,
        )
        self._collectors = Collectors(settings, store, health)
        self._unsynced: deque[Held] = deque()
        self._ready: deque[Held] = deque()
        self.max_held_bytes = 0
        """Payload of live frames in memory, those under way among them."""
        self._more = asyncio.Event()
        self._dirty = asyncio.Event()
        self._up = False
        self._stopping = asyncio.Event()
        self.sent = 0
        self.sent_late = 0

    @property
    def unusable(self) -> int:
        """Messages of the broker that could not be used."""
        return self._session.dropped

    @property
    def up(self) -> bool:
        """Whether the broker is there."""
        return self._up

    def offer(self, frames: Iterable[KeptFrame]) -> None:
        """Hand over frames that were just kept: sent as soon as they are on the medium, or later as backlog."""
        now = asyncio.get_running_loop().time()
        for frame in frames:
            self._store.queue(frame)
            self._unsynced.append(Held(now, self._spool.appended, frame))
            self.max_held_bytes += len(frame.payload)
        self._leave_to_disk(now)
        self._dirty.set()

    def announce(self) -> None:
        """Publish the birth again: the inventory has changed."""
        self._births.announce()

    async def run(self, stop: asyncio.Event) -> None:
        """Sync and send until `stop` is set, then send what is ready, say goodbye and return."""
        self._dirty.set()  # what a failed sync has left
        syncing = asyncio.create_task(self._sync_for_ever(), name="spool-sync")
        session = asyncio.create_task(self._session.run(self._use), name="uplink")
        waiting = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([syncing, session, waiting], return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set():
                await self._farewell(session)
        finally:
            waiting.cancel()
            await drain([session, syncing])
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
        """Make ready to send what is on the medium now."""
        held: list[Held] = []
        while self._unsynced and self._unsynced[0].place <= self._spool.synced:
            held.append(self._unsynced.popleft())
        signed = self._signer.live(each.frame for each in held)
        self._ready += [one._replace(proof=out.proof) for one, out in zip(held, signed, strict=True)]
        self._more.set()

    def _leave_to_disk(self, now: float) -> None:
        """Leave to the disk what is too old to be called live, or too much to be held in memory."""
        for held in (self._ready, self._unsynced):
            while held and (self._too_old(held[0], now) or self._too_much()):
                frame = held.popleft().frame
                self.max_held_bytes -= len(frame.payload)
                self._store.put_back(frame)

    def _too_much(self) -> bool:
        return len(self._ready) + len(self._unsynced) > MOST_LIVE or self.max_held_bytes > MOST_LIVE_BYTES

    def _too_old(self, held: Held, now: float) -> bool:
        return not self._up and now - held.kept > GRACE_S

    # -- the link ----------------------------------------------------------------------------------------------

    async def _use(self, link: MqttLink) -> None:
        await _first_of(self._send_on(link), _be_acknowledged(link))

    async def _send_on(self, link: MqttLink) -> None:
        longest = link.max_payload_bytes(self._frame_topic)
        self._store.limit(wire.MAX_FRAME_BYTES if longest is None else longest - LATE_FLAG_BYTES - PROOF_BYTES)
        await self._births.say_hello(link)
        await self._collectors.begin(link)
        self._leave_to_disk(asyncio.get_running_loop().time())
        self._up = True
        watching = asyncio.create_task(self._collectors.watch(link))
        try:
            await _first_of(
                self._live(link),
                self._send_backlog(link),
                self._births.keep_announced(link),
                self._collectors.call_for_ever(link),
                _end_of(watching),
            )
            await link.publish(self._state_topic, wire.OFFLINE, retain=True)
            await self._collectors.last_answers(link, LAST_ANSWERS_S)
        finally:
            self._collectors.connection_lost()
            self._up = False
            await drain([watching])

    async def _live(self, link: MqttLink) -> None:
        """Send ready frames, as many at once as the window has places, until the agent stops and all are sent."""
        tasks = [asyncio.create_task(self._send_live(link)) for _ in range(self._settings.spool.max_in_flight)]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            await drain(tasks)
        raise_first(tasks)

    async def _send_live(self, link: MqttLink) -> None:
        while True:
            while not self._ready:
                if self._stopping.is_set():
                    return
                self._more.clear()
                await self._more.wait()
            held = self._ready.popleft()
            frame, payload = held.frame, held.frame.payload
            if frame.state is FrameState.QUEUED:  # else it is stored, or given up to make room
                try:
                    self.sent += await self._send(link, Outgoing(frame, payload, held.proof))
                except BaseException:
                    # Nobody knows whether it arrived: sent again in the next seconds as live, else as backlog.
                    self._store.queue(frame)
                    self._ready.appendleft(held)
                    raise
            self.max_held_bytes -= len(payload)

    async def _send(self, link: MqttLink, outgoing: Outgoing) -> bool:
        """Send a frame; one that no collector can have got goes (back) to the backlog.

        Return False for one that the broker can never take.
        """
        frame, payload, proof = outgoing
        longest = link.max_payload_bytes(self._frame_topic)
        if longest is not None and len(payload) + (PROOF_BYTES if proof else 0) > longest:
            # It would be refused for ever, and hold up all that comes behind it.
            self._store.give_up(frame, f"frame of {len(payload)} bytes; the broker takes up to {longest}")
            return False
        self._store.sending(frame)
        if not await link.publish(self._frame_topic, payload, proof=proof):
            self._collectors.nobody_took_it()
            self._store.put_back(frame)
        elif self._collectors.subscribed:
            self._store.sent(frame)
        else:
            self._store.put_back(frame)
        return True

    async def _send_backlog(self, link: MqttLink) -> None:
        """Send what waits on disk, no faster than is allowed; one frame at a time, so that live ones pass it."""
        while True:
            if self._collectors.storing.is_set():
                await self._send_waiting(link, None)
            elif self._collectors.retry_due():
                # Nobody answers. Should only the answers be withheld, the frames arrive all the same.
                self._store.doubt_oldest(RETRY_FRAMES)
                await self._send_waiting(link, RETRY_FRAMES)
            if self._collectors.storing.is_set():
                await asyncio.sleep(BACKLOG_PAUSE_S)
            else:
                await wait_for_event(self._collectors.storing, BACKLOG_PAUSE_S)

    async def _send_waiting(self, link: MqttLink, most: int | None) -> None:
        """Send what waits on disk, `most` frames; without that number for as long as a collector answers."""
        pace = self._settings.spool.backlog_bytes_per_s
        for outgoing in self._signer.backlog(islice(self._store.backlog(), most)):
            answered = most is not None or self._collectors.storing.is_set()
            if not (answered and self._collectors.subscribed and self._store.has_room_for_sent):
                break
            began = asyncio.get_running_loop().time()
            size = len(outgoing.payload)
            await self._send_late(link, outgoing)
            took = asyncio.get_running_loop().time() - began
            await asyncio.sleep(max(0.0, size / pace - took))

    async def _send_late(self, link: MqttLink, outgoing: Outgoing) -> None:
        frame = outgoing.frame
        if frame.state in (FrameState.STORED, FrameState.LOST) or not self._spool.has(frame.segment):
            return  # given up, or stored, since it was read ahead
        try:
            self.sent_late += await self._send(link, outgoing)
        except BaseException:
            self._store.put_back(frame)
            raise


async def _be_acknowledged(link: MqttLink) -> None:
    """Look on for ever. Raises Transient when the broker acknowledges nothing."""
    while True:
        await asyncio.sleep(LOOK_S)
        if link.owing_s >= ACKNOWLEDGED_S:
            raise Transient(f"the broker has acknowledged no message for {ACKNOWLEDGED_S:g} s")


async def _end_of(task: asyncio.Task[None]) -> None:
    """Wait for a task that goes on when this wait is cancelled; raises what it raised."""
    await asyncio.wait([task])
    task.result()


async def _first_of(*workers: Coroutine[object, object, None]) -> None:
    """Run workers until the first ends, then end the others; raises what it raised."""
    tasks = [asyncio.create_task(worker) for worker in workers]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await drain(tasks)
    raise_first(tasks)
