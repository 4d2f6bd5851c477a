"""Keeping and sending: the spool under its sync rule, and live frames beside a backlog of 1 GiB."""

from __future__ import annotations

import asyncio
import re
import statistics
import time
from pathlib import Path

from benchmarks.agent_devices import serve_devices
from benchmarks.result import Progress
from hubwatch_agents.readings import Reading
from hubwatch_agents.settings import AgentSettings
from hubwatch_agents.uplink.frame_store import FrameStore
from hubwatch_agents.uplink.frames import FrameBuilder
from hubwatch_agents.uplink.spool.disk import Disk
from hubwatch_agents.uplink.spool.record import Lane
from hubwatch_agents.uplink.spool.spool import Spool
from hubwatch_core import wire
from hubwatch_core.clock import SECOND_US, now_us
from hubwatch_core.concurrency import drain
from hubwatch_core.config import MqttSection
from hubwatch_core.health import Health
from hubwatch_core.message import Message
from hubwatch_core.mqtt import MqttLink, MqttSession
from hubwatch_core.topics import is_rollcall, rollcall
from hubwatch_store.ingest import Letter, Offer
from support.agents_process import AgentProcess, config_text
from support.collector_answers import answering
from support.own_mosquitto import OwnMosquitto

SPOOL_SECONDS = 6.0
CHANNELS = 200
READINGS_A_CUT = 10_000
BACKLOG_BYTES = 1 << 30
BACKLOG_FRAME_BYTES = 64 * 1024
LIVE_SECONDS = 20.0
ROUNDS = 3
"""In turns, and the median: what else the machine does meanwhile must not decide."""
LIVE_PERIOD_MS = 20
_HEAD = re.compile(rb'"hub":"([^"]+)","agent":"([^"]+)","epoch":"([^"]+)","seq":(\d+)')


def spool_rate(folder: Path) -> float:
    """Return readings/s from the driver's hand to the medium: gathered, cut, encoded, appended, synced, acknowledged.

    The rule: no frame leaves before a sync covers it, so every cut is synced before the next one begins.
    """
    settings = AgentSettings.model_validate({"hub": "bench", "agent": "box", "spool": {"directory": folder}})
    store, cutter = FrameStore(settings, Health()), FrameBuilder()
    readings, began = 0, time.perf_counter()
    while time.perf_counter() - began < SPOOL_SECONDS:
        t = now_us()
        for i in range(READINGS_A_CUT):
            cutter.add(Reading("sensor", f"channel.{i % CHANNELS}", t + i, 20.0 + i % 7))
        frames = [frame for batch in cutter.readings() for frame in store.keep(batch)]
        store.spool.sync()
        for frame in frames:
            store.spool.release(frame.segment, frame.number.seq)
        readings += READINGS_A_CUT
    rate = readings / (time.perf_counter() - began)
    store.close()
    return rate


async def backlog_growth(folder: Path, progress: Progress) -> tuple[float, float, int]:
    """Return the p99 (ms) from reading to arrival at a subscriber, idle and while 1 GiB drains, and frames drained."""
    # Without the writes to disk after every message that tests of durability ask of this broker.
    plain = ("allow_anonymous true", "autosave_on_changes false", "autosave_interval 1800")
    broker = OwnMosquitto(folder / "broker", plain)
    broker.start()
    idle, busy, drained = [], [], 0
    try:
        with serve_devices(1) as (port,):
            progress("writing 1 GiB")
            _fill(folder / "full" / "spool")
            for turn in range(ROUNDS):
                progress(f"round {turn + 1}: without backlog, then draining")
                idle.append((await _live(folder / f"idle-{turn}", broker, port))[0])
                p99, frames = await _live(folder / "full", broker, port)
                busy.append(p99)
                drained += frames
    finally:
        broker.stop()
    return statistics.median(idle), statistics.median(busy), drained


async def _live(folder: Path, broker: OwnMosquitto, port: int) -> tuple[float, int]:
    hub = f"bench-{time.time_ns():x}"
    config = _config(folder, hub, broker, port)
    waits: list[float] = []
    begun = asyncio.Event()
    late = 0

    async def use(link: MqttLink) -> None:
        nonlocal late
        await link.subscribe(f"hubwatch/1/{hub}/+/frame", rollcall(hub, "+"))
        async with answering(link) as answers:
            while True:
                messages = await link.receive(1000, 1.0)
                answers.stored(messages, [_named(each) for each in messages if not is_rollcall(each.topic)])
                for message in messages:
                    if is_rollcall(message.topic):
                        continue
                    if b'"late":true' in message.payload[:300]:
                        late += 1  # not decoded: that would cost the listener the time that is being measured
                    else:
                        waits.extend(_waits_ms(wire.decode_frame(message.payload), message.received))
                        begun.set()

    listening = MqttSession(MqttSection(host=broker.host, port=broker.port), client_id=f"listener-{hub}")
    task = asyncio.create_task(listening.run(use))
    agent = AgentProcess(config)
    try:
        async with asyncio.timeout(60):
            await begun.wait()
        await asyncio.sleep(5)
        waits.clear()
        await asyncio.sleep(LIVE_SECONDS)
        return statistics.quantiles(waits, n=100)[98], late
    finally:
        await agent.stop()
        await drain([task])


def _named(message: Message) -> Offer:
    """Return what says that a frame is stored, read from the first bytes of it only."""
    head = _HEAD.search(message.payload[:300])
    assert head is not None
    hub, agent, epoch, seq = (each.decode() for each in head.groups())
    return Offer(message, Letter("", hub, agent, epoch, int(seq)))


def _waits_ms(frame: wire.Frame, received: int) -> list[float]:
    """Return how long each reading of the device took to arrive."""
    return [
        (received - series.t0 - dt) / 1000 for series in frame.series if series.sensor == "probe-1" for dt in series.dt
    ]


def _config(folder: Path, hub: str, broker: OwnMosquitto, port: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    text = config_text(hub, (broker.host, broker.port), folder / "spool", port)
    config = folder / "agent.toml"
    text = text.replace("publish_interval_ms = 100\n", "")  # as delivered, 200 ms
    text = text.replace("[spool]", f"[spool]\nmax_bytes = {4 * BACKLOG_BYTES}")
    config.write_text(f"{text}period_ms = {LIVE_PERIOD_MS}\n", encoding="utf-8")
    return config


def _fill(folder: Path) -> None:
    """Write a backlog of ordinary frames: 1 GiB that nobody has taken."""
    spool = Spool(Disk(folder), max_bytes=2 * BACKLOG_BYTES, segment_bytes=4 << 20)
    cutter, t = FrameBuilder(), now_us() - 86_400 * SECOND_US
    count = BACKLOG_FRAME_BYTES // 8
    for i in range(count // CHANNELS):
        for channel in range(CHANNELS):
            cutter.add(Reading("old", f"channel.{channel}", t + i * SECOND_US, 21.5))
    batch = cutter.readings()[0]
    while spool.used_bytes < BACKLOG_BYTES:
        payload = wire.encode(batch.frame("bench", "box", *spool.reserve(), t))
        spool.append(Lane.BULK, payload, batch.readings, 0)
    spool.close()
