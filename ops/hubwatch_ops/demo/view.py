"""The demo's live view on the terminal: events, alarms and rates."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from hubwatch_ops.demo.plant import HUB
from hubwatch_ops.demo.script import Script
from hubwatch_store.database import Pool, queries

REFRESH_S = 0.5
LINES = 12
COLOUR = {1: "bold white on red", 2: "bold red", 3: "yellow", 4: "cyan"}


@dataclass
class Snapshot:
    """What the database shows at one moment."""

    readings: int = 0
    readings_per_s: float = 0.0
    delay_ms: float = 0.0
    agents: list[tuple[Any, ...]] = field(default_factory=list)
    alarms: list[tuple[Any, ...]] = field(default_factory=list)


class View:
    """Follows the database: a live view on a terminal, or one line per event when headless."""

    def __init__(self, pool: Pool, script: Script, console: Console, *, headless: bool) -> None:
        self._pool = pool
        self._script = script
        self._console = console
        self._headless = headless
        self._began = time.monotonic()
        self._counts: deque[tuple[float, int]] = deque(maxlen=8)
        self._printed_steps = 0
        self._printed_alarms: set[int] = set()

    async def run(self) -> None:
        """Show until cancelled."""
        if self._headless:
            while True:
                self._print_new(await self._snapshot())
                await asyncio.sleep(REFRESH_S)
        with Live(console=self._console, refresh_per_second=4, transient=True) as live:
            while True:
                live.update(self._draw(await self._snapshot()))
                await asyncio.sleep(REFRESH_S)

    async def _snapshot(self) -> Snapshot:
        named = queries("demo", "hubwatch_ops")
        parameters = {"hub": HUB, "until": time.time() + 60}
        async with self._pool.connection() as connection:

            async def ask(query: str) -> list[tuple[Any, ...]]:
                return await (await connection.execute(named[query], parameters)).fetchall()

            (readings, delay_ms), agents, alarms = (await ask("pulse"))[0], await ask("agents"), await ask("alarms")
        self._counts.append((time.monotonic(), int(readings)))
        (t0, n0), (t1, n1) = self._counts[0], self._counts[-1]
        rate = (n1 - n0) / (t1 - t0) if t1 > t0 else 0.0
        return Snapshot(int(readings), rate, float(delay_ms), agents, alarms)

    def _print_new(self, now: Snapshot) -> None:
        for played in self._script.played[self._printed_steps :]:
            self._console.print(f"{self._clock()}  {played.step.says}", highlight=False)
        self._printed_steps = len(self._script.played)
        for alarm in now.alarms:
            if alarm[0] not in self._printed_alarms:
                self._printed_alarms.add(alarm[0])
                self._console.print(Text(f"{self._clock()}  ALARM P{alarm[4]} {alarm[1]} at {alarm[2]}: {alarm[5]}"))

    def _draw(self, now: Snapshot) -> Group:
        agents = "  ".join(
            f"{agent} [{'green' if state == 'online' else 'bold red'}]{state}[/]" for agent, state in now.agents
        )
        head = Text.from_markup(
            f"[bold]{HUB}[/]  {self._clock()} of {self._script.seconds:.0f} s   {now.readings} readings, "
            f"{now.readings_per_s:.0f}/s   stored {now.delay_ms:.0f} ms after sending   {agents}"
        )
        story = Text("\n".join(f"{each.step.says}" for each in self._script.played[-LINES:]) or "no event yet")
        return Group(Panel(head), Panel(story, title="events"), Panel(self._alarms(now), title="alarms"))

    @staticmethod
    def _alarms(now: Snapshot) -> Table:
        table = Table(expand=True, box=None)
        for heading in ("priority", "alarm", "sensor", "state", "reason"):
            table.add_column(heading, no_wrap=heading != "reason")
        for alarm in reversed(now.alarms[-LINES:]):
            cells = (f"P{alarm[4]}", alarm[1], alarm[2], alarm[3], alarm[5])
            table.add_row(*map(Text, cells), style=COLOUR.get(alarm[4], ""))
        return table

    def _clock(self) -> str:
        return f"{time.monotonic() - self._began:5.1f} s"
