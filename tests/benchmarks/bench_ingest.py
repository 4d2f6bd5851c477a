"""How fast a collector stores, against what a bare COPY reaches alone on the same machine in the same run.

- `copy_ratio`: rows a second from broker to committed, over rows a second of a bare binary COPY (columns packed by
  numpy, 5 000 rows a transaction, same hypertable and index);
- `copy_ratio_real`: the same with packed frames of 10 series of 5 readings, as an agent sends that reads devices;
- `readings_per_cpu_s`: readings stored per second of the collector's own CPU, frames of one series of 50 readings;
- `readings_per_cpu_s_real`, `readings_per_cpu_s_wide`: the same with packed frames of 10 series of 5 readings, and of
  50 series of one; with `_json` the same content in version 1 of the wire format;
- `wire_bytes_per_reading`: length of a frame of 10 series of 5 readings, by its readings; packed, and with `_json`;
- `agent_ms_per_1000`: an agent's CPU for 1 000 readings of that shape, from what drivers hand over to the spool,
  packed, and with `_json`;
- `p99_visible_ms`: from publish until another connection sees the row, at a tenth of the top rate;
- `rss_mib`, `rss_outage_mib`: the collector's memory at top rate, and while its database is away and frames come on.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import psycopg

from benchmarks.frame_costs import frame_costs
from benchmarks.frame_publisher import Load
from benchmarks.ingest_rig import Rig, publish, rig
from benchmarks.result import Progress, Result, at_least, at_most
from hubwatch_core.clock import now_us
from hubwatch_core.ids import new_ulid
from hubwatch_store.database import queries
from hubwatch_store.ingest.copy import packed
from hubwatch_store.series import NO_TIME, Columns

FRAMES = 10_000
WIDE_FRAMES = 4_000
PER_FRAME = 50
REAL_SERIES = 10
SHAPES = {
    "": (FRAMES, 1, False),
    "_real": (FRAMES, REAL_SERIES, True),
    "_real_json": (FRAMES, REAL_SERIES, False),
    "_wide": (WIDE_FRAMES, PER_FRAME, True),
    "_wide_json": (WIDE_FRAMES, PER_FRAME, False),
}
"""Frames, series of each, and whether they are packed; by the end of the figures' names."""
COPY_ROWS = 5_000
COPY_BATCHES = 100
RUNS = 3
PACED_S = 15.0
OUTAGE_S = 10.0


async def run(progress: Progress) -> Result:
    """Measure everything on one TimescaleDB and one Mosquitto."""
    with tempfile.TemporaryDirectory() as name:
        async with rig(Path(name)) as made:
            figures = frame_costs(Path(name) / "spool") | await _speed(made, progress)
            top = figures["rows_per_s"] / PER_FRAME
            progress(f"latency at {top / 10:.0f} frames/s, a tenth of the top rate")
            figures |= await _visible(made, top / 10)
            progress(f"memory while the database is away for {OUTAGE_S:.0f} s at {top / 2:.0f} frames/s")
            figures["rss_outage_mib"] = await _outage(made, top / 2)
    targets = {
        "copy_ratio": at_least(0.5),
        "copy_ratio_real": at_least(0.85),
        "readings_per_cpu_s": at_least(200_000),
        "readings_per_cpu_s_real": at_least(500_000),
        "readings_per_cpu_s_wide": at_least(300_000),
        "wire_bytes_per_reading": at_most(14),
        "p99_visible_ms": at_most(500),
        "rss_mib": at_most(200),
        "rss_outage_mib": at_most(200),
    }
    return Result(figures, targets)


async def _speed(made: Rig, progress: Progress) -> dict[str, float]:
    """Alternate bare COPY and the whole way in both shapes, so that all see the same machine; medians."""
    runs = [await _once(made, progress, f"run {number} of {RUNS}") for number in range(1, RUNS + 1)]
    figures = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    for shape in ("", "_real"):
        figures[f"copy_ratio{shape}"] = figures[f"rows_per_s{shape}"] / figures["copy_rows_per_s"]
    figures["rss_mib"] = max(run["rss_mib"] for run in runs)
    return figures


async def _once(made: Rig, progress: Progress, what: str) -> dict[str, float]:
    host, port = made.broker.host, made.broker.port
    copy = bare_copy(made)
    progress(f"{what}: bare COPY {copy:,.0f} rows/s")
    figures = {"copy_rows_per_s": copy, "rss_mib": 0.0}
    for name, (frames, series, short) in SHAPES.items():
        load = Load(host, port, new_ulid(), frames, PER_FRAME, series=series, packed=short)
        rows, cpu, rss = await drained(made, load)
        kind = "packed" if short else "json"
        progress(f"{what}: {series} series × {PER_FRAME // series}, {kind}: {rows:,.0f} rows/s, {cpu:,.0f} per CPU s")
        figures[f"rows_per_s{name}"], figures[f"readings_per_cpu_s{name}"] = rows, cpu
        figures["rss_mib"] = max(figures["rss_mib"], rss)
    return figures


def bare_copy(made: Rig) -> float:
    """Return rows a second of nothing but COPY."""
    channels = np.arange(COPY_ROWS, dtype=np.int32) % 100 + 1_000_000
    with psycopg.connect(made.dsn, autocommit=True) as connection:
        began = time.monotonic()
        for _ in range(COPY_BATCHES):
            times = now_us() - np.arange(COPY_ROWS, dtype=np.int64)[::-1] * 1000
            none = np.zeros(COPY_ROWS, np.int32)
            columns = Columns(
                times,
                channels,
                np.full(COPY_ROWS, 400.25),
                none.astype(np.int16),
                none,
                np.full(COPY_ROWS, NO_TIME, np.int64),
                (None,),
            )
            with connection.cursor().copy(queries("readings")["copy"]) as copy:
                for chunk in packed(columns):
                    copy.write(chunk)
        return COPY_ROWS * COPY_BATCHES / (time.monotonic() - began)


async def drained(made: Rig, load: Load) -> tuple[float, float, float]:
    """Let frames gather at the broker, then the collector go: rows a second, readings a CPU second, MiB."""
    with made.paused():
        await publish(made.broker, load)
    usage = await made.measured(load.epoch, load.frames)
    rows = load.frames * load.per_frame
    return rows / usage.wall_s, rows / usage.cpu_s, usage.rss_mib


async def _visible(made: Rig, frames_per_s: float) -> dict[str, float]:
    """Look from another connection when each frame becomes visible."""
    count = int(frames_per_s * PACED_S)
    load = Load(made.broker.host, made.broker.port, new_ulid(), count, PER_FRAME, rate=frames_per_s)
    publishing = asyncio.create_task(publish(made.broker, load))
    delays: list[float] = []
    query = b"SELECT seq, (extract(epoch FROM sent) * 1e6)::bigint FROM frames WHERE epoch = %s AND seq > %s"
    async with await psycopg.AsyncConnection.connect(made.dsn, autocommit=True) as connection:
        await connection.execute("SET search_path = hubwatch, public")
        newest, deadline = 0, time.monotonic() + 3 * PACED_S
        while len(delays) < count:
            seen = await (await connection.execute(query, (load.epoch, newest))).fetchall()
            moment = now_us()
            delays += [(moment - sent) / 1000 for _, sent in seen]
            newest = max([newest, *(seq for seq, _ in seen)])
            assert time.monotonic() < deadline, f"only {len(delays)} of {count} frames became visible"
            await asyncio.sleep(0.002)
    await publishing
    return {"p50_visible_ms": float(np.percentile(delays, 50)), "p99_visible_ms": float(np.percentile(delays, 99))}


async def _outage(made: Rig, frames_per_s: float) -> float:
    """Shut the database to the collector while frames come on; gives its largest memory, back at work included."""
    load = Load(
        made.broker.host, made.broker.port, new_ulid(), int(frames_per_s * OUTAGE_S), PER_FRAME, rate=frames_per_s
    )
    name = urlsplit(made.dsn).path.removeprefix("/")
    server = made.dsn.rsplit("/", 1)[0] + "/postgres"
    largest = 0.0
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'.encode())
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        publishing = asyncio.create_task(publish(made.broker, load))
        while not publishing.done():
            largest = max(largest, made.rss_mib())
            await asyncio.sleep(0.1)
        await publishing
        admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'.encode())
    usage = await made.measured(load.epoch, load.frames)
    return max(largest, usage.rss_mib)
