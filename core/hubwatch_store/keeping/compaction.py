"""Keeps the ledger small: frames that have long been stored become ranges of sequence numbers.

An agent that sends a frame a second for a year has 31 million of them, and one row when none was lost.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from psycopg import Connection

from hubwatch_store.database.sql_files import queries
from hubwatch_store.ingest import LOCK_BUCKETS
from hubwatch_store.series import Bounds

KEEP = timedelta(hours=1)
"""Single frames, with their times of sending and commit, are kept this long for latency figures."""

FRAMES_A_STEP = 5_000
"""Writers of a bucket wait while a step of this many is folded: about 50 ms."""


def fold(connection: Connection[Any], bounds: Bounds | None = None, keep: timedelta = KEEP) -> int:
    """Fold frames committed longer than `keep` ago, in short steps; return how many. Writers may go on meanwhile."""
    bounds, folded = bounds or Bounds(), 0
    for bucket in range(LOCK_BUCKETS):
        step = FRAMES_A_STEP
        while step == FRAMES_A_STEP and not bounds.reached():
            step = _step(connection, bucket, keep)
            folded += step
    # Times of commits may go a little later than the frames that needed them.
    connection.execute(queries("compaction")["forget_commits"], {"keep": keep + timedelta(minutes=10)})
    return folded


def _step(connection: Connection[Any], bucket: int, keep: timedelta) -> int:
    with connection.transaction():
        connection.execute(queries("compaction")["lock_for_folding"], (bucket,))
        row = connection.execute(queries("compaction")["fold"], (bucket, keep, FRAMES_A_STEP)).fetchone()
    assert row is not None, "an aggregate gives a row"
    return int(row[0])
