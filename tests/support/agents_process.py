"""A whole agent as a process, and an in-process one; a listener that keeps what the broker delivers."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from hubwatch_core import wire
from hubwatch_core.concurrency import drain
from hubwatch_core.config import MqttSection
from hubwatch_core.mqtt import MqttLink, MqttSession
from hubwatch_core.packed_frame import PackedFrame, decode
from hubwatch_core.packing import unpacked
from hubwatch_core.topics import Leaf, is_rollcall, parse, rollcall
from support.collector_answers import answering, note

Address = tuple[str, int]


class Listener:
    """Everything one hub's agents have sent, decoded and checked as the collector does."""

    def __init__(self) -> None:
        self.frames: list[wire.Frame] = []
        self.packed = 0
        """How many of them came packed."""
        self.births: list[wire.Birth] = []
        self.states: list[bytes] = []
        self.arrived: list[float] = []

    def take(self, topic: str, payload: bytes) -> None:
        """Take one message."""
        if is_rollcall(topic):
            return
        leaf = parse(topic).leaf
        if leaf is Leaf.FRAME:
            frame = decode(payload)
            self.frames.append(unpacked(frame) if isinstance(frame, PackedFrame) else frame)
            self.packed += isinstance(frame, PackedFrame)
            self.arrived.append(time.time())
        elif leaf is Leaf.BIRTH:
            self.births.append(wire.decode_birth(payload))
        else:
            self.states.append(payload)

    def values(self, sensor: str, channel: str) -> list[tuple[int, float | None]]:
        """Return the readings of a channel: time and value, in the order they came."""
        return [
            (series.t0 + dt, x)
            for frame in self.frames
            for series in frame.series
            if (series.sensor, series.channel) == (sensor, channel)
            for dt, x in zip(series.dt, series.x, strict=True)
        ]

    def events(self, kind: str) -> list[wire.Event]:
        """Return the events of one type."""
        return [event for frame in self.frames for event in frame.events if event.type == kind]

    def missing(self) -> list[int]:
        """Return the frame numbers that have not come, of the last epoch, up to the highest that has."""
        epoch = self.frames[-1].epoch
        seqs = {frame.seq for frame in self.frames if frame.epoch == epoch}
        return sorted(set(range(1, max(seqs) + 1)) - seqs)

    async def until(self, true: Callable[[Listener], object], within_s: float = 60.0) -> None:
        """Wait until something has come."""
        deadline = time.monotonic() + within_s
        while not true(self):
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {within_s} s; {len(self.frames)} frames, states {self.states}")
            await asyncio.sleep(0.01)


@asynccontextmanager
async def listening(address: Address, hub: str) -> AsyncIterator[Listener]:
    """Listen to all agents of a hub inside the context, persistent, and answer them as a collector does."""
    listener, ready = Listener(), asyncio.Event()

    async def use(link: MqttLink) -> None:
        await link.subscribe(f"hubwatch/1/{hub}/#", rollcall(hub, "+"))
        ready.set()
        async with answering(link) as answers:
            while True:
                messages = await link.receive(1000, 1.0)
                for message in messages:
                    listener.take(message.topic, message.payload)
                note(answers, messages)

    section = MqttSection(host=address[0], port=address[1], max_reconnect_s=0.3)
    session = MqttSession(section, client_id=f"listener-{hub}", persistent=True)
    task = asyncio.create_task(session.run(use))
    async with asyncio.timeout(60):
        await ready.wait()
    try:
        yield listener
    finally:
        await drain([task])


def config_text(hub: str, broker: Address, spool: Path, modbus_port: int, more: str = "") -> str:
    """Return the configuration of an agent with one test device of three registers."""
    return f"""
hub = "{hub}"
agent = "box"
publish_interval_ms = 100
heartbeat_s = 1.0
profile_folders = ["{Path(__file__).parents[1] / "cases" / "agents_faults" / "maps"}"]
{more}
[mqtt]
host = "{broker[0]}"
port = {broker[1]}
max_reconnect_s = 0.3
[clock]
trust = "host"
[spool]
directory = "{spool}"
[[connections]]
name = "line"
transport = "tcp"
host = "127.0.0.1"
port = {modbus_port}
[[devices]]
sensor = "probe-1"
zone = "here"
profile = "probe"
connection = "line"
"""


class AgentProcess:
    """`hubwatch agent run` as a process of its own."""

    def __init__(self, config: Path, *arguments: str) -> None:
        self._config = config
        self._arguments = arguments
        self._log = config.with_suffix(".log")
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [
            str(Path(sys.executable).parent / "hubwatch"),
            "agent",
            "run",
            "-c",
            str(self._config),
            *self._arguments,
        ]
        with self._log.open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log)

    @property
    def log(self) -> str:
        """What it has said, over all its lives."""
        return self._log.read_text(encoding="utf-8")

    def kill(self) -> None:
        """End it as the kernel does: SIGKILL."""
        self.process.kill()
        self.process.wait(10)

    def restart(self) -> None:
        """Start it again."""
        self.process = self._start()

    async def stop(self) -> int:
        """End it in order, while the devices of the test go on answering; gives its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        return await asyncio.to_thread(self.process.wait, 20)
