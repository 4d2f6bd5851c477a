"""Upkeep of a database with a million readings: aggregating, deleting, backing up, restoring, on both engines.

`make bench ONLY=storage`; HUBWATCH_BENCH_READINGS changes the number of readings.
"""

from __future__ import annotations

import asyncio
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.result import Progress, Result
from hubwatch_ops.embedded import running_postgres
from hubwatch_store.backup import create_backup, restore_backup
from hubwatch_store.database import DatabaseSection, migrate
from support import services
from support.databases import fresh_database
from support.kept_database import DAY, NOW, Kept, kept_in
from support.ports import free_port

READINGS = int(os.environ.get("HUBWATCH_BENCH_READINGS", "1000000"))
CHANNELS = 50


async def run(progress: Progress) -> Result:
    """Measure on TimescaleDB and on plain PostgreSQL, and restore each one's backup on the other."""
    return await asyncio.to_thread(_run, progress)


def _run(progress: Progress) -> Result:
    figures: dict[str, float] = {"readings": READINGS}
    with running_postgres(port=free_port()) as plain:
        for engine, server, other in (
            ("timescale", services.timescale_server(), plain),
            ("plain", plain, services.timescale_server()),
        ):
            with fresh_database(server) as dsn, fresh_database(other) as target:
                figures |= _engine(progress, engine, dsn, target)
    figures["rss_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Result(figures, {})


def _engine(progress: Progress, engine: str, dsn: str, target: str) -> dict[str, float]:
    settings = DatabaseSection(dsn=dsn)
    migrate(settings)
    with kept_in(dsn) as kept, tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "backup"
        _fill(kept)
        progress(f"{engine}: filled")
        took = {"aggregate": _timed(kept.maintain)}
        progress(f"{engine}: aggregated")
        took["backup"] = _timed(lambda: create_backup(settings, file, _quiet))
        size = file.stat().st_size / 1e6
        progress(f"{engine}: backed up, {size:.1f} MB")
        took["restore_elsewhere"] = _timed(lambda: restore_backup(DatabaseSection(dsn=target), file, _quiet))
        progress(f"{engine}: restored on the other engine")
        # Half of the sensors keep their readings, so all pieces stay and rows are deleted one channel after another.
        kept.do("UPDATE retention_rule SET raw_days = 1 WHERE kind = 'environment'")
        took["delete_half"] = _timed(kept.maintain)
        left = kept.one("SELECT count(*) FROM reading")
    assert left == READINGS // CHANNELS * CHANNELS // 2, "half of the readings are past their rule"
    speeds = {f"{engine}_{what}_readings_per_s": READINGS / seconds for what, seconds in took.items()}
    speeds[f"{engine}_delete_half_readings_per_s"] /= 2
    return speeds | {f"{engine}_backup_bytes_per_reading": size * 1e6 / READINGS}


def _fill(kept: Kept) -> None:
    """Readings of ten days, at a steady rate, of portals and weather stations by turns."""
    kinds = ("radiation_portal", "environment")
    channels = [kept.sensor(f"s{i}", kinds[i % 2]) for i in range(CHANNELS)]
    begin, each = NOW - 15 * DAY, READINGS // CHANNELS
    kept.do("SELECT ensure_partitions('reading', %s)", [begin + i * DAY for i in range(11)])
    kept.do(
        "INSERT INTO reading SELECT %s::timestamptz + i * %s, c, 400 + random() * 20, 0 FROM generate_series(0, %s) i,"
        " unnest(%s::int[]) c",
        begin,
        10 * DAY / each,
        each - 1,
        channels,
    )
    kept.do("ANALYZE hubwatch.reading")


def _timed(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def _quiet(_table: str, _size: int) -> None:
    pass
