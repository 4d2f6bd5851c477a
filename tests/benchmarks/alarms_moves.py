"""How many findings a second become moves of alarms, from an inbox that is full.

The mover of the product, on the real database, with one route that hears of everything a person is told of.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import psutil
import psycopg

from benchmarks.result import Progress
from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.mover import AlarmChange, Mover
from hubwatch_alarms.notify.log import LogRouteSection
from hubwatch_core.alarm import Action
from hubwatch_core.clock import SECOND_US, now_us, to_datetime
from hubwatch_store.database import DatabaseSection, Pool, open_pool

FINDINGS = 100_000
CONDITIONS = 2_000
"""Sensors × types that take turns; each has an alarm of its own."""
LASTING = 5
"""Detections of each condition that are there before the clock runs; their ends are the first findings that wait."""
BURST = 5
"""The other detections of a condition come so many in a minute, and then none for longer than the quiet time: each of
these bursts is told anew, as nobody takes the alarms."""
TYPES = ("perimeter.intrusion", "access.forced", "radiation.norm", "integrity.sensor_silent")
SPAN_US = 8 * 3600 * SECOND_US
SLICES = 10
COMMITS = 101
NAME = "bench mover"

Found = tuple[str, int, int | None, int]
"""Id, start, end and number of the condition."""


async def moves(dsn: str, _folder: Path, progress: Progress) -> dict[str, float]:
    """Fill the inbox, let the mover empty it, and return how quick it was: over all, and in its slowest tenth."""
    settings = DatabaseSection(dsn=dsn)
    begin = now_us() - SPAN_US - 3600 * SECOND_US
    async with open_pool(settings, NAME) as pool:
        lasting = list(_lasting(begin))
        _detect(dsn, lasting)
        await _emptied(pool, len(lasting))
        _end(dsn, lasting)
        _detect(dsn, _over(begin, FINDINGS - len(lasting)))
        fsync, commit_ms = _writes_through(dsn), _commit_ms(dsn)
        progress(f"{FINDINGS:,} findings of {CONDITIONS:,} conditions wait; fsync {fsync}, a commit {commit_ms:.2f} ms")
        sessions = _sessions(dsn)
        own_s, database_s = time.process_time(), _cpu_s(sessions)
        slices = await _emptied(pool, FINDINGS)
        own_s, database_s = time.process_time() - own_s, _cpu_s(sessions) - database_s
    wall = sum(slices)
    with psycopg.connect(dsn) as connection:
        (told,) = connection.execute("SELECT count(*) FROM hubwatch.notification_outbox").fetchone() or (0,)
        (open_ones,) = connection.execute("SELECT sum(active) FROM hubwatch.alarms").fetchone() or (None,)
    assert open_ones == 0, f"{open_ones} detections have not ended"
    progress(f"{FINDINGS:,} moves in {wall:.1f} s, {told:,} messages queued in all")
    return {
        "moves_per_s": FINDINGS / wall,
        "moves_slowest_tenth_per_s": FINDINGS / SLICES / max(slices),
        "moves_own_cpu_us": own_s / FINDINGS * 1e6,
        "moves_database_cpu_us": database_s / FINDINGS * 1e6,
        "moves_commit_ms": commit_ms,
    }


def _sessions(dsn: str) -> list[psutil.Process]:
    """Return the processes of the database that serve the mover; the server of the benchmarks is on this machine."""
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = %s AND datname = current_database()", [NAME]
        ).fetchall()
    assert rows, "the mover has no session"
    return [psutil.Process(pid) for (pid,) in rows]


def _writes_through(dsn: str) -> str:
    """Return `on` where the server writes each commit through to the disk."""
    with psycopg.connect(dsn) as connection:
        ((fsync,),) = connection.execute("SHOW fsync").fetchall()
    return str(fsync)


def _commit_ms(dsn: str) -> float:
    """Return how long the smallest commit takes, as the median of some: what the disk has to do with it."""
    took = []
    with psycopg.connect(dsn, autocommit=True) as connection:
        for _ in range(COMMITS):
            began = time.perf_counter()
            connection.execute("SELECT pg_logical_emit_message(true, 'bench', 'x')")
            took.append(time.perf_counter() - began)
    return median(took) * 1000


def _cpu_s(processes: list[psutil.Process]) -> float:
    return float(sum(each.cpu_times().user + each.cpu_times().system for each in processes))


async def _emptied(pool: Pool, findings: int) -> list[float]:
    """Move until nothing waits, and return how long each tenth took."""
    mover = Mover(pool, [LogRouteSection(name="journal", kind="log")], Instructions.load())
    slices: list[float] = []
    taken = moved = 0
    mark = time.perf_counter()
    while True:
        done = await mover.round()
        taken, moved = taken + done.arrivals, moved + sum(map(_of_a_finding, done.changes))
        if not done.more or (taken >= (len(slices) + 1) * findings / SLICES and len(slices) < SLICES - 1):
            slices.append(time.perf_counter() - mark)
            mark = time.perf_counter()
        if not done.more:
            break
    assert (taken, moved) == (findings, findings), f"{taken} findings were taken, {moved} alarms were moved"
    return slices


def _of_a_finding(change: AlarmChange) -> bool:
    """Return whether a finding made an alarm move, and not the time that passes on a slow machine."""
    return all(entry.action is not Action.REALARMED for entry in change.entries)


def _lasting(begin: int) -> Iterator[Found]:
    for number in range(CONDITIONS * LASTING):
        condition = number % CONDITIONS
        yield f"lasting-{number}", begin + condition * SECOND_US + number, None, condition


def _over(begin: int, count: int) -> Iterator[Found]:
    turns = -(-count // CONDITIONS)
    for number in range(count):
        turn, condition = divmod(number, CONDITIONS)
        burst, within = divmod(turn, BURST)
        start = begin + (burst + 1) * SPAN_US * BURST // (turns + BURST) + condition * 1000 + within * 10 * SECOND_US
        yield f"over-{number}", start, start + 2 * SECOND_US, condition


def _detect(dsn: str, found: Iterator[Found] | list[Found]) -> None:
    """Write detections as detectors do, many in a transaction."""
    columns = 'id, type, hub, sensor, start, "end", detected, score, priority, detector, version, late, why'
    with psycopg.connect(dsn) as connection, connection.cursor() as cursor:
        with cursor.copy(f"COPY hubwatch.detection ({columns}) FROM STDIN".encode()) as copy:
            for id_, start, end, condition in found:
                moment, until = to_datetime(start), None if end is None else to_datetime(end)
                type_, sensor = TYPES[condition % len(TYPES)], f"sensor-{condition // len(TYPES)}"
                row = (id_, type_, "rotterdam", sensor, moment, until, until or moment, 6.5, 2, "bench", 1, False)
                copy.write_row((*row, "the fence moved for 2.1 s"))
        connection.commit()
        connection.autocommit = True
        cursor.execute("VACUUM ANALYZE")


def _end(dsn: str, found: list[Found]) -> None:
    ends = b'COPY hubwatch.detection_ends (id, "end", detected) FROM STDIN'
    with psycopg.connect(dsn) as connection, connection.cursor() as cursor, cursor.copy(ends) as copy:
        for id_, start, _, _ in found:
            moment = to_datetime(start + 60 * SECOND_US)
            copy.write_row((id_, moment, moment))
