"""Runs the parts of a process: start, signals, ordered stop, systemd's watchdog, exit code."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector

from hubwatch_core import logs
from hubwatch_core.config import LogSection, TelemetrySection
from hubwatch_core.errors import HubwatchError, Permanent
from hubwatch_core.health import Health
from hubwatch_core.process import systemd
from hubwatch_core.process.supervision import HealthFigures, tell_overdue
from hubwatch_core.terminal import say

STOP_TIMEOUT_S = 20.0
"""How long one part may take to finish its work; systemd's own default is 90 s for all."""
CANCEL_TIMEOUT_S = 1.0
"""How long a part that did not finish may take to be cancelled in."""

_log = logs.get_logger("service")


@dataclass(frozen=True, slots=True)
class Context:
    """What every part of one process shares: its name, its metrics and its health."""

    name: str
    registry: CollectorRegistry
    health: Health

    @classmethod
    def make(cls, name: str) -> Context:
        """Make a context with figures of the process itself (memory, CPU, files) already in its metrics."""
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        health = Health()
        registry.register(HealthFigures(health))
        return cls(name, registry, health)


@dataclass(frozen=True, slots=True)
class Part:
    """Something that runs until its event is set, then finishes what it has begun and returns."""

    name: str
    run: Callable[[asyncio.Event], Awaitable[None]]


def serve(
    name: str,
    make_parts: Callable[[Context], Sequence[Part]],
    *,
    telemetry: TelemetrySection,
    log: LogSection,
    stop_timeout_s: float = STOP_TIMEOUT_S,
) -> int:
    """Run a process to its end; gives the exit code: 0 after SIGTERM or SIGINT, 1 when a part failed.

    Each part gets `stop_timeout_s` to finish its work.
    """
    logs.configure(log)
    context = Context.make(name)
    code = 0
    try:
        asyncio.run(_process(context, make_parts, telemetry, stop_timeout_s))
    except* HubwatchError as group:  # told here: what else failed goes on as a traceback
        code = 1
        for error in _leaves(group):
            say(f"hubwatch {name}: {error}", err=True)
    return code


async def _process(
    context: Context,
    make_parts: Callable[[Context], Sequence[Part]],
    settings: TelemetrySection,
    stop_timeout_s: float,
) -> None:
    from hubwatch_core.http import telemetry  # aiohttp is a third of what a command that serves nothing would import

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with telemetry.listening(settings, context.registry, context.health):
        parts = make_parts(context)
        telling = asyncio.create_task(tell_overdue(context.health))
        try:
            await run_parts(parts, stop, stop_timeout_s)
        finally:
            telling.cancel()


async def run_parts(parts: Sequence[Part], stop: asyncio.Event, stop_timeout_s: float = STOP_TIMEOUT_S) -> None:
    """Run parts until `stop` is set, then stop them in reverse order, each before the one it was started after.

    A part that fails, or returns unasked, ends all of them in that order. Raises an ExceptionGroup of what failed.
    """
    watchdog = asyncio.create_task(_pet_watchdog())
    running = [_Running(part, stop) for part in parts]
    systemd.notify("READY=1")
    _log.info("started", parts=[part.name for part in parts])
    try:
        await stop.wait()
    finally:
        systemd.notify("STOPPING=1")
        for one in reversed(running):
            await one.finish(stop_timeout_s)
        watchdog.cancel()
    failures = [one.failure for one in running if one.failure is not None]
    if failures:
        raise ExceptionGroup("parts failed", failures)
    _log.info("stopped")


class _Running:
    """A part at work."""

    def __init__(self, part: Part, stop_all: asyncio.Event) -> None:
        self.part = part
        self.stop = asyncio.Event()
        self.failure: Exception | None = None
        self.task = asyncio.create_task(self._run(stop_all), name=part.name)

    async def _run(self, stop_all: asyncio.Event) -> None:
        try:
            await self.part.run(self.stop)
            if not self.stop.is_set():
                self.failure = Permanent(f"part {self.part.name} ended unasked")
        except asyncio.CancelledError:
            # Not by finish(), which sets stop first: something the part awaited had been cancelled.
            if not self.stop.is_set():
                self.failure = Permanent(f"part {self.part.name} was cancelled unasked")
        except Exception as error:  # noqa: BLE001 - raised again once the other parts have stopped in order
            self.failure = error
        if self.failure is not None:
            _log.error("part failed, stopping all", which=self.part.name, reason=str(self.failure))
        stop_all.set()

    async def finish(self, timeout_s: float) -> None:
        self.stop.set()
        done, _ = await asyncio.wait([self.task], timeout=timeout_s)
        if not done:
            self.failure = Permanent(f"part {self.part.name} did not finish within {timeout_s:g} s")
            self.task.cancel()
            await asyncio.wait([self.task], timeout=CANCEL_TIMEOUT_S)


async def _pet_watchdog() -> None:
    """Tell systemd that the event loop still turns; a blocked loop misses its turn and is restarted."""
    period = systemd.watchdog_period_s()
    while period is not None:
        systemd.notify("WATCHDOG=1")
        await asyncio.sleep(period)


def _leaves(group: BaseExceptionGroup[HubwatchError]) -> list[HubwatchError]:
    found: list[HubwatchError] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found
