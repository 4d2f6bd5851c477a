"""Plays the demo from the first process to the report."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

import aiohttp
import msgspec
from rich.console import Console

from hubwatch_core import logs, tables
from hubwatch_core.config import LogSection, MqttSection
from hubwatch_core.errors import HubwatchError, Permanent
from hubwatch_ops.demo import account
from hubwatch_ops.demo.configs import write_configs
from hubwatch_ops.demo.person import Demonstrator, demonstrator
from hubwatch_ops.demo.plant import HUB, Plant
from hubwatch_ops.demo.processes import Processes
from hubwatch_ops.demo.report import Report, show
from hubwatch_ops.demo.script import STEPS, Script, ScriptStep
from hubwatch_ops.demo.site import describe
from hubwatch_ops.demo.view import View
from hubwatch_ops.embedded import embedded_broker, embedded_postgres
from hubwatch_store.database import DatabaseSection, Pool, migrate, open_pool

ENDED = "stopped; all processes of the demo have ended"
READY_S = 60.0
DRAIN_S = 15.0
SETTLE_S = 20.0
"""How long the last message or answer of a device may take to be stored; on a busy machine some seconds."""
AGENTS = ("quay", "gate")
SESSIONS = ("mqtt", "detectors-intake")
"""The health checks of the collector's and the detectors' sessions at the broker."""


async def run(
    seconds: float,
    *,
    headless: bool,
    steps: tuple[ScriptStep, ...] = STEPS,
    plan: Path | None = None,
    report_file: Path | None = None,
    keep: bool = False,
) -> Report:
    """Run the demo, print its report and return it; the hub's plan is drawn as `plan`, or beside the demo's files.

    The report is written as JSON where a file is named. With `keep` the hub goes on after the report until Ctrl-C.

    Ctrl-C ends it cleanly: after the report as its ordered end, before it as KeyboardInterrupt.
    """
    headless = headless or not sys.stdout.isatty()
    console = tables.console(soft_wrap=headless, markup=True)
    logs.configure(LogSection(level="error"))
    task = asyncio.current_task()
    assert task is not None
    ending = Ending(task, console)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ending.ask)
    try:
        with tempfile.TemporaryDirectory(prefix="hubwatch-demo-") as folder:
            told = partial(_tell, console, report_file)
            report = await _play(
                Path(folder), seconds, steps, plan, console, told, ending, headless=headless, keep=keep
            )
    except asyncio.CancelledError:
        console.print(ENDED)
        raise KeyboardInterrupt from None
    if keep:
        console.print(ENDED)
    return report


class Ending:
    """What Ctrl-C does: it ends the demo in order, which takes a while, and once however often it is pressed."""

    def __init__(self, task: asyncio.Task[object], console: Console) -> None:
        self._task, self._console, self._asked = task, console, False

    @contextmanager
    def in_order(self) -> Iterator[None]:
        """Have what is around this block end undisturbed, however the block ends."""
        try:
            yield
        finally:
            self._asked = True

    def ask(self) -> None:
        """Begin to end; a second time would leave processes behind, so it only says that it goes on."""
        if self._asked:
            self._console.print("the demo is ending already: wait until its processes have ended")
            return
        self._asked = True
        self._console.print("\nending the processes of the demo, in order: this may take half a minute …")
        self._task.cancel()


async def _play(
    folder: Path,
    seconds: float,
    steps: tuple[ScriptStep, ...],
    plan: Path | None,
    console: Console,
    told: Callable[[Report], None],
    ending: Ending,
    *,
    headless: bool,
    keep: bool,
) -> Report:
    port_of_console = _free_port()
    address = f"http://127.0.0.1:{port_of_console}/"
    console.print(f"the console will be at [bold]{address}[/bold] as soon as the hub is there", highlight=False)
    console.print("starting the embedded PostgreSQL and MQTT broker …")
    console.print("the demo runs without certificates, everything on this machine")
    async with (
        embedded_postgres() as dsn,
        embedded_broker() as (host, port),
        _database(dsn) as pool,
    ):
        picture = await asyncio.to_thread(describe, folder, DatabaseSection(dsn=dsn), plan)
        kept = "" if plan is not None else "  (until the demo ends; --plan FILE keeps it)"
        console.print(f"the plan of hub {HUB}: {picture}{kept}", highlight=False)
        plant = Plant(MqttSection(host=host, port=port, protocol="3.1.1"))
        async with plant.running():
            telemetry = _free_port()
            files = write_configs(folder, plant, dsn, host, port, telemetry, port_of_console)
            async with _processes(folder) as processes:
                with ending.in_order():
                    console.print("starting collector, detectors and alarms …")
                    await processes.start("up", "up", "-c", str(files["up"]))
                    await _listening(telemetry, processes)
                    _invite(console, address, await demonstrator(pool))
                    console.print("starting the agents …")
                    for agent in AGENTS:
                        await processes.start(agent, "agent", "run", "-c", str(files[agent]))
                    await _ready(pool, processes)
                    report = await _watch(pool, Script(plant, seconds, steps), processes, console, headless=headless)
                    told(report)
                    if keep:
                        await _kept(files, plant, processes, console, address)
                    return report


def _tell(console: Console, file: Path | None, report: Report) -> None:
    show(report, console)
    if file is not None:
        file.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")


def _invite(console: Console, address: str, person: Demonstrator) -> None:
    console.print(
        f"watch the attack and acknowledge it: [bold]{address}[/bold]  user [bold]{person.name}[/bold]  "
        f"password [bold]{person.password}[/bold]",
        highlight=False,
    )


async def _kept(files: dict[str, Path], plant: Plant, processes: Processes, console: Console, address: str) -> None:
    """Let devices and agents go on until somebody ends the demo."""
    # Whoever ends it then has seen the report: that is the end of the demo, as it was found.
    with contextlib.suppress(asyncio.CancelledError):
        plant.speak()
        for agent in AGENTS:
            await processes.start(agent, "agent", "run", "-c", str(files[agent]))
        console.print(f"the hub goes on: [bold]{address}[/bold]  (Ctrl-C ends it)", highlight=False)
        while True:
            processes.check()
            await asyncio.sleep(1.0)


@asynccontextmanager
async def _database(dsn: str) -> AsyncIterator[Pool]:
    settings = DatabaseSection(dsn=dsn)
    await asyncio.to_thread(migrate, settings)
    async with open_pool(settings, "hubwatch demo") as pool:
        yield pool


@asynccontextmanager
async def _processes(folder: Path) -> AsyncIterator[Processes]:
    processes = Processes(folder)
    try:
        yield processes
    finally:
        await processes.stop_all()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _listening(telemetry: int, processes: Processes) -> None:
    """Wait until collector and detectors are connected: the broker keeps no message for a client it does not know."""
    deadline = time.monotonic() + READY_S
    async with aiohttp.ClientSession() as http:
        while True:
            processes.check()
            with contextlib.suppress(aiohttp.ClientError):
                async with http.get(f"http://127.0.0.1:{telemetry}/healthz") as answer:
                    checks = (await answer.json())["checks"]
                    if all(checks.get(name, {}).get("ok") for name in SESSIONS):
                        return
            if time.monotonic() > deadline:
                raise Permanent(f"collector and detectors did not connect to the broker within {READY_S:.0f} s")
            await asyncio.sleep(0.2)


async def _ready(pool: Pool, processes: Processes) -> None:
    """Wait until a good reading of every sensor is stored."""
    deadline = time.monotonic() + READY_S
    while missing := account.SENSORS - await account.ready_sensors(pool):
        processes.check()
        if time.monotonic() > deadline:
            raise Permanent(f"no reading of {', '.join(sorted(missing))} was stored within {READY_S:.0f} s")
        await asyncio.sleep(0.2)


async def _watch(pool: Pool, script: Script, processes: Processes, console: Console, *, headless: bool) -> Report:
    view = asyncio.create_task(View(pool, script, console, headless=headless).run())
    began = time.monotonic()
    try:
        await script.play()
        processes.check()
    finally:
        view.cancel()
        await asyncio.gather(view, return_exceptions=True)
    ended = time.time()
    # Devices fall silent first, then the agents send their last frames: everything the devices produced is then stored.
    await script.plant.quiet()
    await _settled(pool, script.plant)
    for agent in AGENTS:
        code = await processes.stop(agent)
        if code:
            raise HubwatchError(f"agent {agent} ended with code {code}")
    await _drained(pool)
    return await account.draw_up(pool, script.plant, script.attacks, ended, time.monotonic() - began)


async def _settled(pool: Pool, plant: Plant) -> None:
    """Wait until all that the silent devices have produced is stored: an agent that ends hears no last message."""
    deadline = time.monotonic() + SETTLE_S
    while True:
        differences = await account.differences(pool, plant)
        if not any(each.lost for each in differences.values()) or time.monotonic() > deadline:
            return
        await asyncio.sleep(0.5)


async def _drained(pool: Pool) -> None:
    """Wait until nothing new has been stored for a second."""
    deadline, before = time.monotonic() + DRAIN_S, -1
    while time.monotonic() < deadline:
        now = await account.stored_frames(pool)
        if now == before:
            return
        before = now
        await asyncio.sleep(1.0)
