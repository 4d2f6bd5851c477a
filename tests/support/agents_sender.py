"""An agent's own store and publisher inside a test, which keeps a frame every few milliseconds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from hubwatch_agents.settings import AgentSettings
from hubwatch_agents.uplink.frame_store import FrameStore
from hubwatch_agents.uplink.frames import Batch
from hubwatch_agents.uplink.publisher import Publisher
from hubwatch_core import wire
from hubwatch_core.clock import now_us
from hubwatch_core.health import Health

HUB, AGENT = "port-1", "gate-7"


class Sender:
    """One agent that counts upwards, a reading in each frame."""

    def __init__(self, settings: AgentSettings, bad_birth: Callable[[], bytes] | None = None) -> None:
        """Begin; `bad_birth` makes the birth until it is taken away."""
        self.bad_birth = bad_birth
        self.health = Health()
        self.store = FrameStore(settings, self.health)
        self.publisher = Publisher(settings, self.store, self.birth, self.health)
        self.readings = 0

    def birth(self) -> bytes:
        """Return an inventory without a sensor."""
        if self.bad_birth is not None:
            return self.bad_birth()
        epoch = self.store.spool.epoch
        made = wire.Birth(
            v=1, hub=HUB, agent=AGENT, epoch=epoch, sent=now_us(), software="", config="", inventory=[]
        )  # fmt: skip
        return wire.encode(made)

    def keep(self, reason: str = "") -> None:
        """Keep a frame of one reading, and hand it over; `reason` makes it as long as that."""
        self.readings += 1
        x, q = (None, [(2, reason)]) if reason else (float(self.readings), [])
        series = wire.Series(sensor="counter", channel="n", t0=now_us(), dt=[0], x=[x], q=q)  # type: ignore[arg-type]
        self.publisher.offer(self.store.keep(Batch([series], [], 1, late=False)))

    def keep_many(self, count: int, reason: str) -> None:
        """Keep that many bad readings as one batch."""
        self.readings += count
        times, marks = list(range(count)), [(2, reason)] * count
        series = wire.Series(sensor="counter", channel="n", t0=now_us(), dt=times, x=[None] * count, q=marks)  # type: ignore[arg-type]
        self.publisher.offer(self.store.keep(Batch([series], [], count, late=False)))

    async def keep_for_ever(self, every_s: float = 0.05) -> None:
        """Keep frames until this is cancelled."""
        while True:
            self.keep()
            self.store.declare()
            await asyncio.sleep(every_s)

    def says(self, text: str) -> bool:
        """Return whether health says this."""
        return text in str(self.health.report())


def sender_settings(folder: Path, mqtt: dict[str, object], **spool: object) -> AgentSettings:
    """Configure an agent that comes back fast and sends its backlog at once."""
    values = {
        "hub": HUB,
        "agent": AGENT,
        "mqtt": {"max_reconnect_s": 0.3, **mqtt},
        "spool": {"directory": folder, "confirm_s": 0.5, "backlog_bytes_per_s": 1 << 24, **spool},
    }
    return AgentSettings.model_validate(values)


@asynccontextmanager
async def sending(settings: AgentSettings, bad_birth: Callable[[], bytes] | None = None) -> AsyncIterator[Sender]:
    """Run an agent inside the context; it is stopped in order."""
    sender, stop = Sender(settings, bad_birth), asyncio.Event()
    running = asyncio.create_task(sender.publisher.run(stop))
    try:
        yield sender
    finally:
        stop.set()
        await asyncio.wait([running])
        sender.store.close()
        running.result()
