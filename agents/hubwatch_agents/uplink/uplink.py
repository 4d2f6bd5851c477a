"""From reading to broker: builds frames as often as configured, keeps them on disk and has them sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from hubwatch_agents.devices import Device
from hubwatch_agents.readings import Reading, SensorEvent
from hubwatch_agents.settings import AgentSettings
from hubwatch_agents.supervision import Supervision
from hubwatch_agents.uplink.frame_signer import FrameSigner
from hubwatch_agents.uplink.frame_store import FrameStore
from hubwatch_agents.uplink.frames import Batch, FrameBuilder
from hubwatch_agents.uplink.publisher import Publisher
from hubwatch_agents.values.deadband import Reports, bands_of
from hubwatch_core.concurrency import run_until
from hubwatch_core.health import Health

IDLE_FRAME_S = 10.0
"""An agent with nothing to say still sends a frame this often (architecture, wire format)."""


class Uplink:
    """Where readings and events go."""

    def __init__(
        self,
        settings: AgentSettings,
        health: Health,
        supervision: Supervision,
        birth: Callable[[], bytes],
        clock_step: Callable[[], SensorEvent | None],
    ) -> None:
        """Open the spool. `clock_step` is asked before each frame whether the clock was set.

        Raises OSError when its folder cannot be used, Permanent when another agent uses it or frames cannot be signed.
        """
        self._clock_step = clock_step
        self._publish_interval_s = settings.publish_interval_ms / 1000
        self._supervision = supervision
        self._event_came = asyncio.Event()
        self.builder = FrameBuilder()
        signer = FrameSigner(settings)
        self.store = FrameStore(settings, health)
        self.reports = Reports({})
        self.publisher = Publisher(settings, self.store, birth, health, signer)

    def configure(self, settings: AgentSettings, devices: Iterable[Device]) -> None:
        """Send as often, and what, a new configuration says."""
        self._publish_interval_s = settings.publish_interval_ms / 1000
        self.reports = Reports(bands_of(devices), self.reports.unchanged)

    def emit(self, item: Reading | SensorEvent) -> None:
        """Take a reading into the next frame, unless its channel is reported by exception and nothing moved.

        An event gets its frame in this turn of the event loop.
        """
        if isinstance(item, SensorEvent):
            self.builder.add(item)
            self._event_came.set()
        elif self.reports.wanted(item):
            self.builder.add(item)

    @property
    def frames_waiting(self) -> int:
        """Frames on disk that the broker has not acknowledged."""
        return max(0, self.store.spool.waiting - self.store.sent_frames)

    def figures(self) -> dict[str, float]:
        """Return what the agent's metrics say of it."""
        store, publisher = self.store, self.publisher
        return {
            "frames_waiting": self.frames_waiting,
            "spool_bytes": store.spool.used_bytes,
            "readings": store.kept_readings,
            "readings_unchanged": self.reports.unchanged,
            "readings_lost": store.lost_readings,
            "readings_evicted": store.evicted_readings,
            "events_lost": store.lost_events,
            "frames_sent": publisher.sent,
            "frames_late": publisher.sent_late,
            "messages_unusable": publisher.unusable,
            "frames_unconfirmed": store.sent_frames,
            "frames_given_up": store.given_up_frames,
        }

    async def run(self, stop: asyncio.Event) -> None:
        """Build, keep and send frames; after `stop`, build and send what is left."""
        inner = asyncio.Event()
        keep = self._supervision.keep
        publishing = asyncio.create_task(keep("uplink", self.publisher.run, inner), name="uplink")
        try:
            await run_until(
                stop, keep("frames.readings", self._readings, inner), keep("frames.events", self._events, inner)
            )
        finally:
            try:
                self._keep(self.builder.events())
                self._keep(self.builder.readings())
                inner.set()
                await publishing
            finally:
                self.store.close()

    async def _readings(self, stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        last = loop.time()
        while not stop.is_set():
            interval_s = self._publish_interval_s
            await asyncio.sleep(interval_s - loop.time() % interval_s)
            if self.flush() or self._idle(loop.time() - last):
                last = loop.time()

    def _idle(self, quiet_s: float) -> bool:
        if quiet_s < IDLE_FRAME_S - self._publish_interval_s:
            return False
        return self._keep([Batch([], [], 0, late=False)])

    async def _events(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self._event_came.wait()
            self._event_came.clear()
            self._keep(self.builder.events())

    def flush(self) -> bool:
        """Put the readings that have come into frames on disk. Return whether there were any."""
        stepped = self._clock_step()
        if stepped is not None:
            self.emit(stepped)
        return self._keep(self.builder.readings())

    def _keep(self, batches: list[Batch]) -> bool:
        for batch in batches:
            self.publisher.offer(self.store.keep(batch))
        return bool(batches)

    def mark_clock(self, doubt: str | None) -> None:
        """Mark what is read from now on with why the clock is not believed; None: it is."""
        self.builder.clock_doubt = doubt
