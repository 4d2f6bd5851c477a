"""Plays the demo from the first process to the report."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from rich.console import Console

from hubwatch_core import logs
from hubwatch_core.config import LogSection, MqttSection
from hubwatch_core.errors import HubwatchError, Permanent
from hubwatch_ops.demo import account
from hubwatch_ops.demo.configs import write_configs
from hubwatch_ops.demo.plant import Plant
from hubwatch_ops.demo.processes import Processes
from hubwatch_ops.demo.report import Report, show
from hubwatch_ops.demo.script import Script
from hubwatch_ops.demo.view import View
from hubwatch_ops.embedded import embedded_broker, embedded_postgres
from hubwatch_store import migrate
from hubwatch_store.config import DatabaseSection
from hubwatch_store.pool import Pool, open_pool

READY_S = 60.0
DRAIN_S = 15.0
AGENTS = ("quay", "gate")


async def run(seconds: float, *, headless: bool) -> Report:
    """Run the demo, print its report and give it. Ctrl-C ends it cleanly, as KeyboardInterrupt."""
    headless = headless or not sys.stdout.isatty()
    console = Console(soft_wrap=headless)
    logs.configure(LogSection(level="error"))
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        with tempfile.TemporaryDirectory(prefix="hubwatch-demo-") as folder:
            report = await _play(Path(folder), seconds, console, headless=headless)
    except asyncio.CancelledError:
        console.print("\nstopped; nothing is left running")
        raise KeyboardInterrupt from None
    show(report, console)
    return report


async def _play(folder: Path, seconds: float, console: Console, *, headless: bool) -> Report:
    console.print("starting PostgreSQL and the broker …")
    async with (
        embedded_postgres() as dsn,
        embedded_broker() as (host, port),
        _database(dsn) as pool,
    ):
        plant = Plant(MqttSection(host=host, port=port, protocol="3.1.1"))
        async with plant.running():
            files = write_configs(folder, plant, dsn, host, port)
            async with _hubwatch(folder, files) as processes:
                console.print("starting the agents, the collector, the detectors and the alarms …")
                await _ready(pool, processes)
                return await _watch(pool, plant, processes, console, seconds, headless=headless)


@asynccontextmanager
async def _database(dsn: str) -> AsyncIterator[Pool]:
    settings = DatabaseSection(dsn=dsn)
    await asyncio.to_thread(migrate.migrate, settings)
    async with open_pool(settings, "hubwatch demo") as pool:
        yield pool


@asynccontextmanager
async def _hubwatch(folder: Path, files: dict[str, Path]) -> AsyncIterator[Processes]:
    processes = Processes(folder)
    try:
        await processes.start("up", "up", "-c", str(files["up"]))
        for agent in AGENTS:
            await processes.start(agent, "agent", "run", "-c", str(files[agent]))
        yield processes
    finally:
        await processes.stop_all()


async def _ready(pool: Pool, processes: Processes) -> None:
    """Wait until a good reading of every sensor is stored."""
    deadline = time.monotonic() + READY_S
    while missing := account.SENSORS - await account.ready_sensors(pool):
        processes.check()
        if time.monotonic() > deadline:
            raise Permanent(f"no reading of {', '.join(sorted(missing))} was stored within {READY_S:.0f} s")
        await asyncio.sleep(0.2)


async def _watch(
    pool: Pool, plant: Plant, processes: Processes, console: Console, seconds: float, *, headless: bool
) -> Report:
    script = Script(plant, seconds)
    view = asyncio.create_task(View(pool, script, console, headless=headless).run())
    began = time.monotonic()
    try:
        await script.play()
        processes.check()
    finally:
        view.cancel()
        await asyncio.gather(view, return_exceptions=True)
    # The agents end first and send what they hold, so that the count is of everything the devices handed out.
    for agent in AGENTS:
        code = await processes.stop(agent)
        if code:
            raise HubwatchError(f"agent {agent} ended with code {code}")
    await _drained(pool)
    return await account.draw_up(pool, plant, script.attacks, time.monotonic() - began)


async def _drained(pool: Pool) -> None:
    """Wait until nothing new has been stored for a second."""
    deadline, before = time.monotonic() + DRAIN_S, -1
    while time.monotonic() < deadline:
        now = await account.stored_frames(pool)
        if now == before:
            return
        before = now
        await asyncio.sleep(1.0)
