"""What a reading costs with more and more channels, and with more and more rows stored: it should stay flat.

Writes `build/bench/ingest-curve.svg` beside its figures; the committed plot is in docs/reference/. `MOST_ROWS` may be
set in the environment (HUBWATCH_BENCH_ROWS) where 50 million rows (about 6 GB) are too many.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from pathlib import Path

import psycopg

from benchmarks.bench_ingest import PER_FRAME, drained
from benchmarks.frame_publisher import Load
from benchmarks.ingest_rig import Rig, rig
from benchmarks.result import Progress, Result, at_most
from benchmarks.svg_plot import Line, plot
from hubwatch_core.ids import new_ulid

CHANNELS = (1, 10, 100, 1_000, 10_000)
MOST_ROWS = int(os.environ.get("HUBWATCH_BENCH_ROWS", "50000000"))
ROWS = tuple(rows for rows in (1_000_000, 5_000_000, 20_000_000, 50_000_000) if rows <= MOST_ROWS)
FRAMES = 3_000
RUNS = 3
FILL_DAYS = 10
OUTPUT = Path(__file__).parents[2] / "build" / "bench" / "ingest-curve.svg"

Cost = tuple[float, float]
"""µs a reading: on the clock, and of the collector's CPU."""


async def run(progress: Progress) -> Result:
    """Measure both curves and draw them."""
    with tempfile.TemporaryDirectory() as name:
        async with rig(Path(name)) as made:
            await drained(made, _load(made, 100))
            by_channels = {count: await _cost(made, count, progress, f"{count:,} channels") for count in CHANNELS}
            by_rows: dict[int, Cost] = {}
            for rows in ROWS:
                progress(f"filling up to {rows:,} rows")
                fill(made, rows)
                by_rows[rows] = await _cost(made, 1_000, progress, f"{rows:,} rows stored")
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_text(_drawn(by_channels, by_rows), encoding="utf-8")
    return _result(by_channels, by_rows)


def _load(made: Rig, channels: int) -> Load:
    return Load(made.broker.host, made.broker.port, new_ulid(), FRAMES, PER_FRAME, channels)


async def _cost(made: Rig, channels: int, progress: Progress, what: str) -> Cost:
    runs = [await drained(made, _load(made, channels)) for _ in range(RUNS)]
    wall, cpu = (1e6 / statistics.median(run[i] for run in runs) for i in (0, 1))
    progress(f"{what}: {wall:.1f} µs a reading, {cpu:.1f} µs of the collector's CPU")
    return wall, cpu


def fill(made: Rig, rows: int) -> None:
    """Fill the table up to a number of rows, over ten days up to now, on 10 000 channels."""
    query = f"""
        INSERT INTO hubwatch.reading (time, channel_id, value, quality)
        SELECT now() - i * (INTERVAL '{FILL_DAYS} days' / %(most)s), 2000000 + i %% 10000, i, 0
        FROM generate_series(1, %(more)s) i
    """
    with psycopg.connect(made.dsn, autocommit=True) as connection:
        connection.execute("ANALYZE hubwatch.reading")
        row = connection.execute("SELECT count(*) FROM hubwatch.reading").fetchone()
        assert row is not None
        more = max(0, rows - row[0])
        for start in range(0, more, 1_000_000):
            step = min(1_000_000, more - start)
            connection.execute(query.encode(), {"most": step, "more": step})


def _drawn(by_channels: dict[int, Cost], by_rows: dict[int, Cost]) -> str:
    def lines(points: dict[int, Cost]) -> list[Line]:
        return [
            Line("on the clock", [(x, cost[0]) for x, cost in points.items()]),
            Line("collector's CPU", [(x, cost[1]) for x, cost in points.items()]),
        ]

    return plot("Cost of a reading, µs", {"channels": lines(by_channels), "rows stored before": lines(by_rows)})


def _result(by_channels: dict[int, Cost], by_rows: dict[int, Cost]) -> Result:
    figures = {f"us_at_{count}_channels": cost[0] for count, cost in by_channels.items()}
    figures |= {f"us_at_{rows // 1_000_000}m_rows": cost[0] for rows, cost in by_rows.items()}
    figures |= {f"cpu_us_at_{count}_channels": cost[1] for count, cost in by_channels.items()}
    figures |= {f"cpu_us_at_{rows // 1_000_000}m_rows": cost[1] for rows, cost in by_rows.items()}
    figures["channels_ratio"] = by_channels[CHANNELS[-1]][0] / by_channels[CHANNELS[0]][0]
    figures["rows_ratio"] = by_rows[ROWS[-1]][0] / by_rows[ROWS[0]][0]
    return Result(figures, {"channels_ratio": at_most(1.3), "rows_ratio": at_most(1.3)})
