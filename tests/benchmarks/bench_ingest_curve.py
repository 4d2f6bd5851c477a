"""What a reading costs with more and more channels, and with more and more rows stored: it should stay flat.

Writes table and plot to `build/bench/ingest-curve.{md,svg}`; with HUBWATCH_BENCH_DOCS=1 to docs/reference as well,
where they are committed. HUBWATCH_BENCH_ROWS ends the curve before 50 million rows (12 GB of disk with the log, some
15 minutes), HUBWATCH_BENCH_SECONDS bounds the whole run. At the end the first point is measured once more on a database
of its own: what that differs by is the machine's drift, not growth.
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg

from benchmarks.bench_ingest import PER_FRAME, drained
from benchmarks.frame_publisher import Load
from benchmarks.ingest_rig import Rig, rig
from benchmarks.result import Progress, Result, at_least, at_most
from benchmarks.svg_plot import Line, Panel, plot
from hubwatch_core.ids import new_ulid
from support import services

CHANNELS = (1, 10, 100, 1_000, 10_000)
MOST_ROWS = int(os.environ.get("HUBWATCH_BENCH_ROWS", "50000000"))
MOST_S = float(os.environ.get("HUBWATCH_BENCH_SECONDS", "3600"))
ROWS = tuple(rows for rows in (1_000_000, 5_000_000, 20_000_000, 50_000_000) if rows <= MOST_ROWS)
FRAMES = 8_000
RUNS = 3
FILL_DAYS = 10
STEP_ROWS = 1_000_000
ROW_BYTES = 250
"""Disk for a row: 108 bytes of table and index (measured), the same in the log before a checkpoint, and some room."""
ENDS_AT = f"HUBWATCH_BENCH_ROWS={MOST_ROWS} " if "HUBWATCH_BENCH_ROWS" in os.environ else ""
COMMAND = f"{ENDS_AT}HUBWATCH_BENCH_DOCS=1 make bench ONLY=ingest-curve"
ROOT = Path(__file__).parents[2]
BUILT, DOCS = ROOT / "build" / "bench", ROOT / "docs" / "reference"

Cost = tuple[float, float]
"""µs a reading: on the clock, and of the collector's CPU."""


async def run(progress: Progress) -> Result:
    """Measure both curves and draw them."""
    _check_disk()
    deadline = time.monotonic() + MOST_S
    async with _fresh_rig() as made:
        await drained(made, _load(made, 100))
        by_channels = {count: await _cost(made, count, progress, f"{count:,} channels") for count in CHANNELS}
    async with _fresh_rig() as made:
        by_rows = await _grown(made, ROWS, progress, deadline)
    async with _fresh_rig() as made:
        again = (await _grown(made, ROWS[:1], progress, deadline))[ROWS[0]]
    result = _result(by_channels, by_rows, again)
    for folder in (BUILT, DOCS) if os.environ.get("HUBWATCH_BENCH_DOCS") else (BUILT,):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "ingest-curve.svg").write_text(_drawn(by_channels, by_rows), encoding="utf-8")
        (folder / "ingest-curve.md").write_text(_table(by_channels, by_rows, again), encoding="utf-8")
    return result


@asynccontextmanager
async def _fresh_rig() -> AsyncIterator[Rig]:
    with tempfile.TemporaryDirectory() as name:
        async with rig(Path(name)) as made:
            yield made


def _check_disk() -> None:
    needed = ROWS[-1] * ROW_BYTES
    free = shutil.disk_usage(services.ENV_FILE.parent).free
    assert free > needed, f"{needed / 1e9:.0f} GB of disk are needed and {free / 1e9:.0f} are free: HUBWATCH_BENCH_ROWS"


async def _grown(made: Rig, rows: tuple[int, ...], progress: Progress, deadline: float) -> dict[int, Cost]:
    """Measure at each number of rows; ends early, with what it has, rather than go on after the deadline."""
    costs: dict[int, Cost] = {}
    before = 0
    for point in rows:
        for stored, rows_per_s in fill(made, before, point):
            left = (point - stored) / rows_per_s
            progress(f"filling up to {point:,} rows: {stored:,}, {rows_per_s:,.0f} rows/s, {left:.0f} s left")
            if costs and time.monotonic() + left > deadline:
                progress(f"{point:,} rows would take longer than {MOST_S:.0f} s in all (HUBWATCH_BENCH_SECONDS)")
                return costs
        settle(made)
        costs[point] = await _cost(made, 1_000, progress, f"{point:,} rows stored")
        before = point + RUNS * FRAMES * PER_FRAME
    return costs


def _load(made: Rig, channels: int) -> Load:
    return Load(made.broker.host, made.broker.port, new_ulid(), FRAMES, PER_FRAME, channels)


async def _cost(made: Rig, channels: int, progress: Progress, what: str) -> Cost:
    runs = [await drained(made, _load(made, channels)) for _ in range(RUNS)]
    wall, cpu = (1e6 / statistics.median(run[i] for run in runs) for i in (0, 1))
    progress(f"{what}: {wall:.1f} µs a reading, {cpu:.1f} µs of the collector's CPU")
    return wall, cpu


def fill(made: Rig, stored: int, rows: int) -> Iterator[tuple[int, float]]:
    """Fill the table from `stored` up to `rows`, over ten days up to now, on 10 000 channels; gives, after each step,
    how many there are and how many a second that step made.
    """
    # Sorted as the index of each chunk is: twice as fast as in the order of time.
    query = f"""
        INSERT INTO hubwatch.reading (time, channel_id, value, quality)
        SELECT t, channel, i, 0 FROM (
            SELECT now() - i * (INTERVAL '{FILL_DAYS} days' / %(step)s) AS t, 2000000 + i %% 10000 AS channel, i
            FROM generate_series(1, %(step)s) i) n
        ORDER BY date_trunc('day', t), channel, t
    """
    with psycopg.connect(
        made.dsn, autocommit=True, options="-c synchronous_commit=off -c work_mem=256MB -c statement_timeout=600s"
    ) as connection:
        while stored < rows:
            step, began = min(STEP_ROWS, rows - stored), time.monotonic()
            connection.execute(query.encode(), {"step": step})
            stored += step
            yield stored, step / (time.monotonic() - began)


def settle(made: Rig) -> None:
    """Let the server do now what it would do in the background while we measure."""
    with psycopg.connect(made.dsn, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE) hubwatch.reading")
        connection.execute("CHECKPOINT")


def _lines(points: Mapping[int, Cost] | Mapping[float, Cost]) -> list[Line]:
    return [
        Line("on the clock", [(x, cost[0]) for x, cost in points.items()]),
        Line("collector's CPU", [(x, cost[1]) for x, cost in points.items()]),
    ]


def _drawn(by_channels: dict[int, Cost], by_rows: dict[int, Cost]) -> str:
    by_millions = {rows / 1e6: cost for rows, cost in by_rows.items()}
    panels = [
        Panel("channels", "µs a reading", _lines(by_channels)),
        Panel("rows stored before, million", "µs a reading", _lines(by_millions)),
    ]
    return plot("What a reading costs", panels)


def _table(by_channels: dict[int, Cost], by_rows: dict[int, Cost], again: Cost) -> str:
    """Return both curves as markdown."""
    grown = {f"{rows // 1_000_000} million": cost for rows, cost in by_rows.items()}
    grown[f"{ROWS[0] // 1_000_000} million, at the end"] = again
    parts = [
        "# What a reading costs",
        f"Made by `{COMMAND}`; see `scaling.md` for the machine. Medians of {RUNS} runs of {FRAMES * PER_FRAME:,} "
        "readings.",
        _rows("channels", {f"{count:,}": cost for count, cost in by_channels.items()}),
        _rows("rows stored before", grown),
        "The last column is the first point once more, on a database of its own after all others: what it differs by "
        "is the machine's drift.",
        "![The same as a plot](ingest-curve.svg)",
    ]
    return "\n\n".join(parts) + "\n"


def _rows(what: str, costs: dict[str, Cost]) -> str:
    lines = [
        f"| {what} | {' | '.join(costs)} |",
        "|---" * (len(costs) + 1) + "|",
        f"| µs a reading, on the clock | {' | '.join(f'{cost[0]:.1f}' for cost in costs.values())} |",
        f"| µs of the collector's CPU | {' | '.join(f'{cost[1]:.1f}' for cost in costs.values())} |",
    ]
    return "\n".join(lines)


def _result(by_channels: dict[int, Cost], by_rows: dict[int, Cost], again: Cost) -> Result:
    """Growth is against the mean of the first point's two measurements, before and after all others."""
    figures = {f"us_at_{count}_channels": cost[0] for count, cost in by_channels.items()}
    figures |= {f"us_at_{rows // 1_000_000}m_rows": cost[0] for rows, cost in by_rows.items()}
    figures |= {f"cpu_us_at_{count}_channels": cost[1] for count, cost in by_channels.items()}
    figures |= {f"cpu_us_at_{rows // 1_000_000}m_rows": cost[1] for rows, cost in by_rows.items()}
    first, most = by_rows[ROWS[0]][0], max(by_rows)
    figures["us_at_first_point_again"] = again[0]
    figures["channels_ratio"] = by_channels[CHANNELS[-1]][0] / by_channels[CHANNELS[0]][0]
    figures["rows_ratio"] = by_rows[most][0] / statistics.mean([first, again[0]])
    figures["drift_ratio"] = again[0] / first
    figures["most_rows"] = most
    return Result(
        figures, {"channels_ratio": at_most(1.3), "rows_ratio": at_most(1.3), "most_rows": at_least(ROWS[-1])}
    )
