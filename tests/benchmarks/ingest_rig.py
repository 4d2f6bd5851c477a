"""Broker, database and collector as processes of their own, for the ingest benchmarks."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import psutil
import psycopg

from benchmarks.frame_publisher import Load
from hubwatch_store.database import DatabaseSection, migrate
from support import services
from support.databases import fresh_database
from support.own_mosquitto import OwnMosquitto

SETTLE_S = 120.0


@dataclass(slots=True)
class Usage:
    """What the collector used between two moments."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    rss_mib: float = 0.0


IN_MEMORY = """
listener {port} 127.0.0.1
allow_anonymous true
max_inflight_messages 5000
max_queued_messages 1000000
set_tcp_nodelay true
log_type subscribe
log_type error
"""
"""A broker that keeps its queues in memory: writing its whole state after every message would be all we measure."""


UNLIMITED = "[intake.limits]\nframes_per_s = 1e9\nbytes_per_s = 1e12\n"
"""One agent sends all there is here, as fast as it can."""


class Rig:
    """One collector between one broker and one database."""

    def __init__(self, folder: Path, dsn: str, broker: OwnMosquitto, intake: str = "") -> None:
        self.dsn, self.broker = dsn, broker
        self._log = folder / "collector.log"
        config = f'[mqtt]\nhost = "{broker.host}"\nport = {broker.port}\n[database]\ndsn = "{dsn}"\n'
        (folder / "collector.toml").write_text(config + '[intake]\nclient_id = "bench"\n' + intake + UNLIMITED)
        self._command = [sys.executable, "-m", "hubwatch_ops", "collector", "run", "-c", str(folder / "collector.toml")]
        self.process: psutil.Popen | None = None

    async def start(self) -> None:
        """Start the collector and wait until it has subscribed."""
        with self._log.open("ab") as log:
            self.process = psutil.Popen(self._command, stdout=log, stderr=log)
        await until(lambda: "bench 1 " in self.broker.log.read_text(), 30)

    def stop(self) -> None:
        """Stop the collector in order."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            self.process.wait(30)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Hold the collector still, so that messages gather at the broker."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def ask(self, query: str, *parameters: object) -> Any:
        """Ask the database for one value."""
        with psycopg.connect(self.dsn, options="-c search_path=hubwatch,public") as connection:
            row = connection.execute(query.encode(), parameters).fetchone()
            return row[0] if row else None

    async def measured(self, epoch: str, frames: int) -> Usage:
        """Wait until `frames` frames of an epoch are stored; gives what the collector used meanwhile.

        The end is when the last of them was stored, by the database on this machine, and not when we have seen that: to
        look is work for the machine that is measured, so it is done seldom, over one connection.
        """
        assert self.process is not None
        usage, began, wall = Usage(), time.monotonic(), time.time()
        cpu = self._cpu_s()
        count = b"SELECT count(*), extract(epoch FROM max(committed))::float8 FROM hubwatch.frames WHERE epoch = %s"
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            while (row := connection.execute(count, [epoch]).fetchone()) is None or row[0] < frames:
                usage.rss_mib = max(usage.rss_mib, self.rss_mib())
                assert time.monotonic() - began < SETTLE_S, "the collector does not keep up"
                await asyncio.sleep(0.1)
        usage.wall_s, usage.cpu_s = row[1] - wall, self._cpu_s() - cpu
        return usage

    def _cpu_s(self) -> float:
        assert self.process is not None
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def rss_mib(self) -> float:
        """Return the collector's resident memory."""
        assert self.process is not None
        return float(self.process.memory_info().rss / 2**20)


async def until(condition: Any, within_s: float) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s} s"
        await asyncio.sleep(0.02)


async def publish(broker: OwnMosquitto, load: Load) -> None:
    """Publish a load from another process and wait for its end."""
    text = msgspec.json.encode(load).decode()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.frame_publisher", text, env={**os.environ, "PYTHONPATH": "tests"}
    )
    assert await process.wait() == 0


@asynccontextmanager
async def rig(folder: Path, intake: str = "") -> AsyncIterator[Rig]:
    """Make a rig on TimescaleDB and a broker that does not write each message to the disk; the collector runs.

    `intake` is more of that section of its configuration.
    """
    broker = OwnMosquitto(folder / "broker", whole=IN_MEMORY)
    broker.start()
    try:
        with fresh_database(services.timescale_server()) as dsn:
            migrate(DatabaseSection(dsn=dsn))
            made = Rig(folder, dsn, broker, intake)
            try:
                await made.start()
                yield made
            finally:
                made.stop()
    finally:
        broker.stop()
