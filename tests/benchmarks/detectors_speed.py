"""How fast the detectors' process judges, what it writes to lose nothing, and how long it takes to start.

- `readings_per_core_s`: readings judged per second of the process's CPU: a real broker, packed frames, all detectors,
  findings, input and states to TimescaleDB; with `_json` the same in version 1 of the wire format. A mixed hub of ten
  agents, frames of one second; each has a portal (5 Hz, two gamma panels, neutrons, occupancy), a door, two fence
  sections and a weather mast;
- `river_ratio`: the same divided by that of River's HalfSpaceTrees (its defaults, one for each channel) on that stream;
- `state_bytes_per_reading`: bytes of input and states written per reading of 200 area monitors at 1 Hz, over one
  interval of snapshots; `state_bytes_per_channel`: of their state, not compressed;
- `startup_10k_s`: seconds from the start to taking messages, with 10 000 channels at 1 Hz that were killed just before
  their next snapshot.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.result import Progress
from hubwatch_core.clock import now_us
from hubwatch_core.config import MqttSection
from hubwatch_core.garbage import collect_seldom
from hubwatch_core.mqtt import MqttLink, MqttSession
from hubwatch_core.packed_frame import encode_packed, is_packed
from hubwatch_core.packing import packed
from hubwatch_core.process import Context
from hubwatch_core.topics import Leaf, Topic
from hubwatch_core.wire import Birth, Channel, Frame, Sensor, Series, encode
from hubwatch_core.words import SensorKind
from hubwatch_detectors.engine import Engine
from hubwatch_detectors.journal import Journal
from hubwatch_detectors.metrics import DetectorMetrics
from hubwatch_detectors.saver import Saver
from hubwatch_detectors.settings import DetectorsSettings
from hubwatch_store.database import DatabaseSection, Pool, open_pool
from support import services
from support.databases import fresh_database, migrated_template
from support.detectors_hub import BEGIN, EPOCH, HUB, birth
from support.detectors_running import crashing, figure, running, settings
from support.detectors_stories import quiet
from support.eventually import eventually

Message = Birth | Frame

MIXED_AGENTS, MIXED_MINUTES = 10, 20
AREA_SENSORS, WARM_S, INTERVAL_S = 200, 120, 60
CHANNELS, PER_AGENT = 10_000, 200
RIVER_READINGS = 20_000
IN_FLIGHT = 2000


async def measure(progress: Progress) -> dict[str, float]:
    """Measure everything; takes some minutes of one core."""
    collect_seldom()  # as `hubwatch detectors run` does
    messages = list(_mixed(MIXED_AGENTS, MIXED_MINUTES))
    server = services.timescale_server()
    with migrated_template(server) as template:
        with fresh_database(server, template) as dsn:
            speed = await _service_speed(messages, dsn, progress, short=True)
        with fresh_database(server, template) as dsn:
            speed_json = await _service_speed(messages, dsn, progress, short=False)
        with fresh_database(server, template) as dsn:
            written = await _written(dsn, progress)
        with fresh_database(server, template) as dsn:
            startup_s = await _startup_s(dsn, progress)
    figures = {
        "readings_per_core_s": speed,
        "readings_per_core_s_json": speed_json,
        "startup_10k_s": startup_s,
    } | written
    with suppress(ModuleNotFoundError):
        figures["river_ratio"] = speed / _river_speed(messages, progress)
    return figures


def _mixed(agents: int, minutes: int) -> Iterator[Message]:
    """Return a mixed hub up to now: each agent's sensors carry its number."""
    hub = quiet(minutes=minutes)
    hub.frame_s = 1.0
    shift = now_us() - BEGIN - minutes * 60_000_000
    names = [f"gate-{n}" for n in range(agents)]
    for name in names:
        yield _of(name, birth(agent=name), shift)
    for frame in hub.frames():
        yield from (_of(name, msgspec.structs.replace(frame, agent=name), shift) for name in names)


def _of(agent: str, message: Message, shift: int) -> Message:
    """Return a message with the sensors of one agent, and all times later by `shift`."""
    replace = msgspec.structs.replace
    if isinstance(message, Birth):
        inventory = [replace(each, sensor=f"{each.sensor}.{agent}") for each in message.inventory]
        return replace(message, inventory=inventory, sent=message.sent + shift)
    series = [replace(each, sensor=f"{each.sensor}.{agent}", t0=each.t0 + shift) for each in message.series]
    events = [replace(each, sensor=f"{each.sensor}.{agent}", t=each.t + shift) for each in message.events]
    return replace(message, series=series, events=events, sent=message.sent + shift)


async def _service_speed(messages: Sequence[Message], dsn: str, progress: Progress, *, short: bool) -> float:
    """Return readings a second of CPU of a whole detectors process, from its first frame to its end; `short` are packed
    frames.
    """
    readings = sum(len(series.x) for each in messages if isinstance(each, Frame) for series in each.series)
    frames = sum(isinstance(each, Frame) for each in messages)
    broker = services.mosquitto_address()
    hub = f"bench-{now_us():x}"
    where = settings(dsn, broker, hub)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "messages"
        payloads = [_encoded(msgspec.structs.replace(each, hub=hub), short=short) for each in messages]
        file.write_bytes(msgspec.msgpack.encode(payloads))
        async with running(where) as context:
            await eventually(lambda: context.health.ok, within_s=20)
            began = time.process_time()
            publisher = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "benchmarks.detectors_speed", broker[0], str(broker[1]), str(file)
            )
            progress(f"{readings} readings in {frames} frames over the broker")
            await eventually(lambda: figure(context, "frames_total") >= frames, within_s=500)
            await publisher.wait()
        spent = time.process_time() - began
    assert figure(context, "frames_total") == frames
    progress(f"{readings / spent:,.0f} readings per CPU second")
    return readings / spent


def _encoded(message: Message, *, short: bool) -> bytes:
    return encode_packed(packed(message)) if short and isinstance(message, Frame) else encode(message)


def _areas(agents: int, per_agent: int, seconds: int, seed: int = 1) -> Iterator[list[Message]]:
    """Return area monitors at 1 Hz up to now, second by second; births come first."""
    counts = np.random.default_rng(seed).poisson(10.0, (seconds, agents, per_agent))
    began = now_us() - seconds * 1_000_000
    channel = Channel("gamma", "count", period_us=1_000_000, resolution=1)
    names = [[f"area-{a}-{i}" for i in range(per_agent)] for a in range(agents)]
    yield [
        Birth(1, HUB, f"gw-{a}", EPOCH, began, "bench", "sha256:0", [
            Sensor(name, SensorKind.RADIATION_AREA, "yard", max_age_s=5, channels=[channel]) for name in names[a]
        ])
        for a in range(agents)
    ]  # fmt: skip
    for t in range(seconds):
        at = began + t * 1_000_000
        yield [
            Frame(1, HUB, f"gw-{a}", EPOCH, t + 1, at + 1000, series=[
                Series(name, "gamma", at, [0], [float(x)]) for name, x in zip(names[a], counts[t, a], strict=True)
            ])
            for a in range(agents)
        ]  # fmt: skip


@dataclass
class _Bench:
    """An engine with its saver, without a broker."""

    journal: Journal
    saver: Saver
    context: Context

    @classmethod
    def on(cls, pool: Pool) -> _Bench:
        """Return an engine that knows nothing, and a database; states are written when they are asked for."""
        journal, context = Journal(Engine(DetectorsSettings().rules())), Context.make("bench")
        metrics = DetectorMetrics(context.registry, journal.engine.counts)
        saver = Saver(journal, pool, metrics, context.health, every_s=1.0, max_pause_s=1.0, snapshot_every_s=3600.0)
        return cls(journal, saver, context)

    async def take(self, seconds: Iterable[list[Message]]) -> None:
        """Take messages, and save after each second of them as the process does."""
        for messages in seconds:
            for each in messages:
                leaf = Leaf.BIRTH if isinstance(each, Birth) else Leaf.FRAME
                topic = str(Topic(each.hub, each.agent, leaf))
                self.saver.add(self.journal.hear(topic, encode(each), each.sent, retained=False), each.sent)
            assert await self.saver.save()


async def _written(dsn: str, progress: Progress) -> dict[str, float]:
    """Return what one interval of snapshots writes, in bytes per reading, and the size of the state per channel."""
    progress(f"{AREA_SENSORS} area monitors at 1 Hz, {WARM_S} s to learn and {INTERVAL_S} s that are counted")
    stream = _areas(1, AREA_SENSORS, WARM_S + INTERVAL_S)
    async with open_pool(DatabaseSection(dsn=dsn)) as pool:
        bench = _Bench.on(pool)
        await bench.take(islice(stream, 1 + WARM_S))
        assert await bench.saver.save_states()
        before, readings = figure(bench.context, "state_bytes_total"), bench.journal.engine.counts.readings
        await bench.take(stream)
        bench.journal.engine.flush(HUB)
        states, _ = bench.journal.engine.changes(HUB)
        bench.journal.engine.not_saved([each.key for each in states])
        assert await bench.saver.save_states()
        written = figure(bench.context, "state_bytes_total") - before
        readings = bench.journal.engine.counts.readings - readings
    return {
        "state_bytes_per_reading": written / readings,
        "state_bytes_per_channel": sum(len(each.state) for each in states) / AREA_SENSORS,
    }


async def _startup_s(dsn: str, progress: Progress) -> float:
    """Return how long a process takes to be ready that was killed just before its next snapshot."""
    progress(f"{CHANNELS} channels: {WARM_S} s of history and {INTERVAL_S} s that are not in the states")
    stream = _areas(CHANNELS // PER_AGENT, PER_AGENT, WARM_S + INTERVAL_S)
    async with open_pool(DatabaseSection(dsn=dsn)) as pool:
        bench = _Bench.on(pool)
        await bench.take(islice(stream, 1 + WARM_S))
        assert await bench.saver.save_states()
        await bench.take(stream)
    began, spent = time.monotonic(), time.process_time()
    where = settings(dsn, services.mosquitto_address(), HUB)
    async with crashing(where.model_copy(update={"name": f"bench-{now_us():x}"})) as context:
        await eventually(lambda: context.health.ok, within_s=120)
        took = time.monotonic() - began
    progress(f"ready after {took:.1f} s, of which {time.process_time() - spent:.1f} s of CPU")
    return took


def _river_speed(messages: Sequence[Message], progress: Progress) -> float:
    """Return readings a second of CPU of River's HalfSpaceTrees."""
    anomaly = importlib.import_module("river.anomaly")
    series = [each for message in messages if isinstance(message, Frame) for each in message.series]
    models = {(each.sensor, each.channel): anomaly.HalfSpaceTrees(seed=1) for each in series}
    done, began = 0, time.process_time()
    for each in series:
        model = models[each.sensor, each.channel]
        for value in each.x:
            model.score_one({"x": value})
            model.learn_one({"x": value})
        done += len(each.x)
        if done >= RIVER_READINGS:
            break
    speed = done / (time.process_time() - began)
    progress(f"River's HalfSpaceTrees: {speed:,.0f} readings per CPU second")
    return speed


async def _publish(host: str, port: int, messages: Sequence[bytes]) -> None:
    """Publish encoded messages as fast as the broker takes them."""

    async def use(link: MqttLink) -> None:
        window = asyncio.Semaphore(IN_FLIGHT)

        async def one(payload: bytes) -> None:
            read = msgspec.msgpack.decode if is_packed(payload) else msgspec.json.decode
            where = read(payload, type=_Where)
            leaf = Leaf.BIRTH if where.seq is None else Leaf.FRAME
            try:
                await link.publish(str(Topic(where.hub, where.agent, leaf)), payload)
            finally:
                window.release()

        async with asyncio.TaskGroup() as tasks:
            for payload in messages:
                await window.acquire()
                tasks.create_task(one(payload))

    await MqttSession(MqttSection(host=host, port=port), client_id=f"bench-{now_us():x}", name="bench").run(use)


class _Where(msgspec.Struct):
    hub: str
    agent: str
    seq: int | None = None


if __name__ == "__main__":
    payloads = msgspec.msgpack.decode(Path(sys.argv[3]).read_bytes(), type=list[bytes])
    asyncio.run(_publish(sys.argv[1], int(sys.argv[2]), payloads))
