"""The ledger against a model: whatever order, duplicates, writers and epochs, each frame is stored exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubwatch_store.backup import accounts, gaps
from hubwatch_store.database import DatabaseSection, connect_sync
from hubwatch_store.ingest import Writer
from hubwatch_store.keeping.compaction import fold
from support.store_examples import EPOCH, OTHER_EPOCH, frame, offer, rows

Name = tuple[str, str, int]
"""agent, epoch, seq"""

names = st.tuples(st.sampled_from(["gate-7", "quay-1"]), st.sampled_from([EPOCH, OTHER_EPOCH]), st.integers(1, 12))
batches = st.lists(st.tuples(st.integers(0, 2), st.lists(names, min_size=1, max_size=8)), max_size=8)


async def _write(dsn: str, work: Sequence[tuple[int, Sequence[Name]]]) -> int:
    """Two writers with their batches in order and one that folds, all at once; gives how many frames were new."""
    writers = [Writer(DatabaseSection(dsn=dsn)) for _ in range(2)]

    async def run(who: int) -> int:
        new = 0
        for number, batch in work:
            if number == who:
                offers = [offer(frame(seq, agent=agent, epoch=epoch)) for agent, epoch, seq in batch]
                new += (await writers[who].write(offers)).frames
        return new

    async def keep_folding() -> int:
        for number, _ in work:
            if number == 2:
                await asyncio.to_thread(_fold, dsn)
        return 0

    new = await asyncio.gather(run(0), run(1), keep_folding())
    for writer in writers:
        await writer.close()
    return sum(new)


def _fold(dsn: str) -> None:
    with connect_sync(DatabaseSection(dsn=dsn)) as connection:
        fold(connection, keep=timedelta(0))


def _stored(dsn: str) -> list[Name]:
    """Every frame the ledger knows, as often as it knows it."""
    single = rows(dsn, "SELECT agent, epoch, seq FROM frames")
    ranges = rows(dsn, "SELECT agent, epoch, generate_series(first_seq, last_seq) FROM frame_ranges")
    return sorted((agent, epoch, seq) for agent, epoch, seq in single + ranges)


def _missing(stored: set[int]) -> set[int]:
    return set(range(1, max(stored))) - stored


@pytest.fixture
def emptied(migrated_plain_dsn: str) -> str:
    return migrated_plain_dsn


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(work=batches)
def test_each_frame_is_stored_once_and_every_gap_is_told(emptied: str, work: list[tuple[int, list[Name]]]) -> None:
    with psycopg.connect(emptied, autocommit=True) as connection:
        connection.execute("TRUNCATE hubwatch.frame, hubwatch.frame_range, hubwatch.epoch, hubwatch.reading")
    wanted = {name for who, batch in work if who < 2 for name in batch}
    assert asyncio.run(_write(emptied, work)) == len(wanted)
    assert _stored(emptied) == sorted(wanted)
    assert rows(emptied, "SELECT count(*) FROM readings") == [(2 * len(wanted),)]
    by_epoch: dict[tuple[str, str], set[int]] = {}
    for agent, epoch, seq in wanted:
        by_epoch.setdefault((agent, epoch), set()).add(seq)
    with connect_sync(DatabaseSection(dsn=emptied)) as connection:
        told = {(row.agent, row.epoch): (row.published, row.committed, row.missing) for row in accounts(connection)}
        holes: dict[tuple[str, str], set[int]] = {}
        for gap in gaps(connection):
            holes.setdefault((gap.agent, gap.epoch), set()).update(range(gap.first_seq, gap.last_seq + 1))
    assert told == {key: (max(s), len(s), len(_missing(s))) for key, s in by_epoch.items()}
    assert holes == {key: _missing(s) for key, s in by_epoch.items() if _missing(s)}
