"""The uplink's memory is bounded in bytes, however large frames are and however long the broker is deaf."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from pathlib import Path

from hubwatch_agents.settings import AgentSettings
from hubwatch_agents.uplink.frame_store import FrameStore
from hubwatch_agents.uplink.frames import Batch
from hubwatch_agents.uplink.publisher import MOST_LIVE_BYTES, Publisher
from hubwatch_core import wire
from hubwatch_core.clock import now_us
from hubwatch_core.health import Health
from support.agents_process import Address, listening
from support.eventually import eventually
from support.proxy import Proxy

LARGE = 240 * 1024
COUNT = 4 * MOST_LIVE_BYTES // LARGE


def large() -> Batch:
    """A batch whose frame is nearly as large as the wire allows."""
    event = wire.Event(sensor="s", t=now_us(), type="test.large", attrs={"text": "x" * LARGE})
    return Batch([], [event], 0, late=False)


def birth(hub: str, epoch: str) -> bytes:
    """A birth without an inventory."""
    made = wire.Birth(v=1, hub=hub, agent="box", epoch=epoch, sent=now_us(), software="", config="", inventory=[])
    return wire.encode(made)


async def test_large_frames_wait_on_disk_while_the_broker_is_deaf_and_all_come(
    tmp_path: Path, mosquitto: Address
) -> None:
    hub = f"large-{time.time_ns():x}"
    async with Proxy(*mosquitto) as proxy, listening(mosquitto, hub) as listener:
        host, port = proxy.address
        settings = AgentSettings.model_validate(
            {
                "hub": hub,
                "agent": "box",
                "mqtt": {"host": host, "port": port, "max_reconnect_s": 0.3},
                "spool": {"directory": tmp_path, "max_in_flight": 1000, "backlog_bytes_per_s": 1 << 28},
            }
        )
        store, stop = FrameStore(settings, Health()), asyncio.Event()
        publisher = Publisher(settings, store, partial(birth, hub, store.spool.epoch), Health())
        running = asyncio.create_task(publisher.run(stop))
        try:
            await eventually(lambda: publisher.up)
            proxy.stall()
            most = 0
            for _ in range(COUNT):
                publisher.offer(store.keep(large()))
                await asyncio.sleep(0.01)
                most = max(most, publisher.max_held_bytes)
            assert MOST_LIVE_BYTES // 2 < most <= MOST_LIVE_BYTES
            await proxy.heal()
            await listener.until(lambda heard: len({frame.seq for frame in heard.frames}) == COUNT)
            await eventually(lambda: publisher.max_held_bytes == 0)
        finally:
            stop.set()
            await running
            store.close()
