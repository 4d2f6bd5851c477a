"""How fast one collector stores what waits in JetStream, against the same from Mosquitto in the same run.

- `jetstream_ratio`: frames a second to committed rows through JetStream, over those through Mosquitto, which keeps its
  queue in memory while JetStream keeps it on the disk;
- `cpu_ratio`: frames stored per second of the collector's CPU, in the same way;
- `published_per_s`: frames a second one agent's connection has confirmed by JetStream and by Mosquitto.

Frames have 50 readings. Runs alternate, so that both see the same machine; medians.
"""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
import psutil
import psycopg

from benchmarks.frame_publisher import Load
from benchmarks.ingest_rig import IN_MEMORY
from benchmarks.result import Progress, Result
from hubwatch_core.ids import new_ulid
from hubwatch_store.database import DatabaseSection, migrate
from support import services
from support.databases import fresh_database
from support.own_mosquitto import OwnMosquitto
from support.own_nats import OwnNats, make_cluster
from support.ports import free_port

FRAMES = 3_000
RUNS = 3
WITHIN_S = 120.0


class Run(NamedTuple):
    """Frames a second: confirmed to the publisher, stored, and stored per second of the collector's CPU."""

    published: float
    stored: float
    per_cpu: float


async def run(progress: Progress) -> Result:
    """Measure both, by turns."""
    runs: dict[str, list[Run]] = {"jetstream": [], "mosquitto": []}
    with tempfile.TemporaryDirectory() as name, fresh_database(services.timescale_server()) as dsn:
        migrate(DatabaseSection(dsn=dsn))
        folder = Path(name)
        mosquitto = OwnMosquitto(folder / "mosquitto", whole=IN_MEMORY)
        mosquitto.start()
        (nats,) = make_cluster(folder, 1)
        try:
            nats.await_healthy(1)
            for number in range(RUNS):
                for kind, made in (
                    ("jetstream", await _measured(folder, dsn, nats)),
                    ("mosquitto", await _measured(folder, dsn, mosquitto)),
                ):
                    runs[kind].append(made)
                    progress(
                        f"run {number + 1} of {RUNS}, {kind}: {made.published:,.0f} frames/s confirmed, "
                        f"{made.stored:,.0f}/s stored, {made.per_cpu:,.0f} per CPU second"
                    )
        finally:
            nats.stop()
            mosquitto.stop()
    return Result(_figures(runs), {})


def _figures(runs: dict[str, list[Run]]) -> dict[str, float]:
    def median(kind: str, what: str) -> float:
        return float(statistics.median(getattr(each, what) for each in runs[kind]))

    figures = {f"{kind}_{what}_per_s": median(kind, what) for kind in runs for what in ("published", "stored")}
    figures |= {f"{kind}_stored_per_cpu_s": median(kind, "per_cpu") for kind in runs}
    figures["jetstream_ratio"] = median("jetstream", "stored") / median("mosquitto", "stored")
    figures["cpu_ratio"] = median("jetstream", "per_cpu") / median("mosquitto", "per_cpu")
    return figures


async def _measured(folder: Path, dsn: str, broker: OwnNats | OwnMosquitto) -> Run:
    """Let frames gather at the broker while the collector is held still, then let it go."""
    port = broker.mqtt_port if isinstance(broker, OwnNats) else broker.port
    load = Load("127.0.0.1", port, new_ulid(), FRAMES)
    with _collector(folder, dsn, broker) as collector:
        collector.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        await _publish(load)
        published = time.monotonic() - began
        cpu = _cpu_s(collector)
        began = time.monotonic()
        collector.send_signal(signal.SIGCONT)
        await _stored(dsn, load)
        took = time.monotonic() - began
        return Run(FRAMES / published, FRAMES / took, FRAMES / (_cpu_s(collector) - cpu))


def _cpu_s(process: psutil.Popen) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@contextmanager
def _collector(folder: Path, dsn: str, broker: OwnNats | OwnMosquitto) -> Iterator[psutil.Popen]:
    """A collector process that has subscribed."""
    health = free_port()
    source = f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\n'
    if isinstance(broker, OwnNats):
        source = f'[nats]\nservers = ["{broker.url}"]\nack_wait_s = 60\n'
    config = folder / "collector.toml"
    config.write_text(
        f'{source}[database]\ndsn = "{dsn}"\n[intake]\nclient_id = "bench"\n[telemetry]\nport = {health}\n'
    )
    with (folder / "collector.log").open("ab") as log:
        process = psutil.Popen(
            [sys.executable, "-m", "hubwatch_ops", "collector", "run", "-c", str(config)], stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + 30
        while not _healthy(health):
            assert time.monotonic() < deadline, (folder / "collector.log").read_text()
            time.sleep(0.1)
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait(30)


def _healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2):
            return True
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


async def _publish(load: Load) -> None:
    """Publish from another process and wait until all is confirmed."""
    text = msgspec.json.encode(load).decode()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.frame_publisher", text, env={**os.environ, "PYTHONPATH": "tests"}
    )
    assert await process.wait() == 0


async def _stored(dsn: str, load: Load) -> None:
    deadline = time.monotonic() + WITHIN_S
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        while True:
            asked = await connection.execute("SELECT count(*) FROM hubwatch.frames WHERE epoch = %s", (load.epoch,))
            row = await asked.fetchone()
            if row is not None and row[0] >= load.frames:
                return
            assert time.monotonic() < deadline, f"only {row} of {load.frames} frames are stored"
            await asyncio.sleep(0.02)
