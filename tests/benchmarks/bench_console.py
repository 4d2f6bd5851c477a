"""How fast the queue is with many alarms, how many pages one process keeps live, and how soon an alarm is shown.

`make bench ONLY=console`.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import numpy as np
import psutil
import psycopg
from playwright.async_api import expect

from benchmarks.result import Progress, Result, at_least, at_most
from hubwatch_alarms.settings import AlarmsSettings
from hubwatch_core.permission import Role
from hubwatch_ops.embedded import running_postgres
from hubwatch_store.database import DatabaseSection, migrate
from support.alarms_database import hands_on
from support.alarms_running import alarms_in_loop
from support.console_browser import chromium, visiting
from support.console_hub import found, hub_there
from support.console_running import add_person
from support.databases import fresh_database
from support.ports import free_port

OPEN, CLOSED = 10_000, 1_000_000
CONSOLES = 600
ASKED = 40
PUSHED = 100
LIVE_WITHIN_S = 4.5
"""A page that hears nothing for longer says that it is cut off."""
FOLLOWED_S = 20.0

FILL = """
INSERT INTO hubwatch.alarms (hub, zone, sensor, type, priority, state, opened, last_active, closed, detections, active,
    why)
SELECT 'rotterdam', 'zone-' || n %% 50, 'sensor-' || n, 'access.held', 1 + n %% 4, %(state)s,
    now() - n * interval '1 s', now(), CASE WHEN %(state)s = 'normal' THEN now() END, 1, %(active)s, 'open for 45 s'
FROM generate_series(1, %(many)s) n
"""


async def run(progress: Progress) -> Result:
    """Fill a database, ask for the queue, keep pages live, and push alarms into a browser."""
    with running_postgres(free_port()) as server, fresh_database(server) as dsn:
        await asyncio.to_thread(migrate, DatabaseSection(dsn=dsn))
        await asyncio.to_thread(hub_there, dsn)
        token = await add_person(dsn, "kim", Role.GUARD)
        async with _console(dsn) as (address, process):
            figures = await _pushed(dsn, address, token, progress)
            figures |= await _open(address, token, process, progress)
            await asyncio.to_thread(_fill, dsn, progress)
            figures |= await _queue(address, token, progress)
    targets = {
        "queue_page_ms": at_most(100), "open_consoles": at_least(500), "push_p99_ms": at_most(500),
    }  # fmt: skip
    return Result(figures, targets)


@asynccontextmanager
async def _console(dsn: str) -> AsyncIterator[tuple[str, psutil.Process]]:
    """Run a console as a process of its own."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "console.toml"
        text = (
            f'[database]\ndsn = "{dsn}"\n[log]\nlevel = "error"\n[api]\nport = {port}\nmax_connections = 2000\n'
            "max_connections_per_address = 2000\nmax_streams_per_person = 2000\n"
            "requests_per_s = 10000\nrequests_burst = 100000\n"
        )
        await asyncio.to_thread(config.write_text, text, encoding="utf-8")
        command = (sys.executable, "-m", "hubwatch_ops", "console", "run", "-c", str(config))
        running = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
        try:
            await _listening(port)
            yield f"http://127.0.0.1:{port}", psutil.Process(running.pid)
        finally:
            running.terminate()
            await running.wait()


async def _listening(port: int) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.1)
            else:
                writer.close()
                return


def _fill(dsn: str, progress: Progress) -> None:
    progress(f"writing {CLOSED:,} closed and {OPEN:,} open alarms")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(FILL, {"state": "normal", "active": 0, "many": CLOSED})
        connection.execute(FILL, {"state": "unacknowledged", "active": 1, "many": OPEN})
        connection.execute("ANALYZE hubwatch.alarms")


async def _queue(address: str, token: str, progress: Progress) -> dict[str, float]:
    async with aiohttp.ClientSession(headers={"Cookie": f"hubwatch_session={token}"}) as http:
        took = []
        for i in range(ASKED):
            began = time.perf_counter()
            async with http.get(f"{address}/?p={1 + i % 4}") as answer:
                text = await answer.text()
                assert answer.status == 200
                assert text.count('class="row ') == 50
            took.append((time.perf_counter() - began) * 1000)
    p50, p95 = (float(np.percentile(took, q)) for q in (50, 95))
    progress(f"a page of the queue: {p50:.0f} ms, {p95:.0f} ms at the 95th percentile, {len(text) / 1024:.0f} KiB")
    return {"queue_page_ms": p95, "queue_page_p50_ms": p50}


async def _open(address: str, token: str, process: psutil.Process, progress: Progress) -> dict[str, float]:
    """Follow the stream from many pages; those count that never waited longer than a page would."""
    before = process.memory_info().rss
    used = sum(process.cpu_times()[:2])
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers={"Cookie": f"hubwatch_session={token}"}) as http:
        gate = asyncio.Semaphore(50)
        began = time.perf_counter()
        gaps = await asyncio.gather(*(_followed(http, address, gate) for _ in range(CONSOLES)))
        busy = (sum(process.cpu_times()[:2]) - used) / (time.perf_counter() - began)
        rss = process.memory_info().rss
    live = sum(gap is not None and gap <= LIVE_WITHIN_S for gap in gaps)
    longest = max(gap for gap in gaps if gap is not None)
    progress(f"{live} of {CONSOLES} pages were live all the time; longest pause {longest:.1f} s; {rss / 2**20:.0f} MiB")
    return {
        "open_consoles": live, "consoles_rss_mib": rss / 2**20, "console_kib": (rss - before) / CONSOLES / 1024,
        "consoles_cores": busy,
    }  # fmt: skip


async def _followed(http: aiohttp.ClientSession, address: str, gate: asyncio.Semaphore) -> float | None:
    """Return the longest pause between two pulses."""
    async with gate:
        answer = await http.get(f"{address}/live", timeout=aiohttp.ClientTimeout(total=None))
    async with answer:
        longest, last = 0.0, time.perf_counter()
        end = last + FOLLOWED_S
        async for line in answer.content:
            if line.startswith(b"event: pulse"):
                now = time.perf_counter()
                longest, last = max(longest, now - last), now
                if now > end:
                    return longest
    return None


async def _pushed(dsn: str, address: str, token: str, progress: Progress) -> dict[str, float]:
    """Store detections one by one, and take the time until each alarm is shown in a browser."""
    settings = AlarmsSettings.model_validate({"database": {"dsn": dsn}, "routes": []})
    took = []
    async with alarms_in_loop(settings), chromium() as browser, visiting(browser, address, token) as visit:
        page = await visit.open("/")
        await expect(page.locator("#cut")).to_be_hidden()
        await asyncio.sleep(3)
        with hands_on(dsn) as hands:
            for number in range(PUSHED):
                sensor = f"pushed-{number}"
                shown = page.get_by_text(sensor).first
                began = time.perf_counter()
                await asyncio.to_thread(
                    hands.detect, found(number, "access.held", sensor, priority=1, why="open for 45 s", ago_s=1)
                )
                await shown.wait_for(timeout=30_000)
                took.append((time.perf_counter() - began) * 1000)
                # In a flood what came first stands first, and a page has 50.
                hands.connection.execute("UPDATE alarms SET state = 'normal', closed = now() WHERE closed IS NULL")
                await asyncio.sleep(0.6)
    p50, p99 = (float(np.percentile(took, q)) for q in (50, 99))
    progress(f"shown in Chromium {p50:.0f} ms after the detection was stored, {p99:.0f} ms at the 99th percentile")
    return {"push_p50_ms": p50, "push_p99_ms": p99}
