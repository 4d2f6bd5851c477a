"""Memory of an agent process with 50 devices, and how it moves while it polls."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from pathlib import Path

import psutil

from benchmarks.agent_devices import serve_devices
from benchmarks.result import Progress
from hubwatch_core.wire import Frame
from support.agents_process import AgentProcess, config_text, listening
from support.own_mosquitto import OwnMosquitto

DEVICES = 50
MIB = 1024 * 1024
WATCH_ENV = "HUBWATCH_BENCH_AGENT_WATCH_S"
WATCH_S = 600.0
"""How long it is watched unless the variable says otherwise; 3600 for the hour of the requirement."""
WARM_UP_S = 60.0
SAMPLE_S = 1.0


async def memory(folder: Path, progress: Progress) -> tuple[float, float]:
    """Return the highest resident memory (MiB) after warming up, and its slope (MiB/h)."""
    broker = OwnMosquitto(folder / "broker")
    broker.start()
    try:
        with serve_devices(DEVICES) as ports:
            return await _watch(folder, broker, ports, progress)
    finally:
        broker.stop()


async def _watch(folder: Path, broker: OwnMosquitto, ports: list[int], progress: Progress) -> tuple[float, float]:
    config = folder / "agent.toml"
    config.write_text(_config(folder, broker, ports), encoding="utf-8")
    async with listening((broker.host, broker.port), "bench-memory") as listener:
        agent = AgentProcess(config)
        try:
            last = f"meter-{ports[-1]}"
            await listener.until(lambda heard: heard.values(last, "power"), 30)
            await asyncio.sleep(WARM_UP_S)
            listener.frames.clear()
            return await _sample(psutil.Process(agent.process.pid), listener.frames, progress)
        finally:
            await agent.stop()


async def _sample(process: psutil.Process, frames: list[Frame], progress: Progress) -> tuple[float, float]:
    watch_s = float(os.environ.get(WATCH_ENV, WATCH_S))
    progress(f"watching memory for {watch_s:.0f} s")
    began, hours, sizes = time.monotonic(), [], []
    while (passed := time.monotonic() - began) < watch_s:
        hours.append(passed / 3600)
        sizes.append(process.memory_info().rss / MIB)
        frames.clear()
        await asyncio.sleep(SAMPLE_S)
    return max(sizes), statistics.linear_regression(hours, sizes).slope


def _config(folder: Path, broker: OwnMosquitto, ports: list[int]) -> str:
    text = config_text("bench-memory", (broker.host, broker.port), folder / "spool", ports[0])
    head = text[: text.index("[[connections]]")].replace("publish_interval_ms = 100", "publish_interval_ms = 200")
    for port in ports:
        head += f"""
[[connections]]
name = "line-{port}"
transport = "tcp"
host = "127.0.0.1"
port = {port}
[[devices]]
sensor = "meter-{port}"
zone = "here"
profile = "bench-meter"
connection = "line-{port}"
"""
    return head
