"""Folding on both databases: the ledger gets small and forgets nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from hubwatch_store.backup import accounts, gaps
from hubwatch_store.database import DatabaseSection, connect_sync
from hubwatch_store.ingest import Writer
from hubwatch_store.keeping.compaction import fold
from hubwatch_store.series import Bounds
from support.store_examples import EPOCH, OTHER_EPOCH, frame, offer, one, rows

NOW = timedelta(0)
RANGES = "SELECT epoch, first_seq, last_seq, frames, readings FROM frame_ranges ORDER BY epoch, first_seq"


@pytest.fixture
async def writer(migrated_database: str) -> AsyncIterator[Writer]:
    made = Writer(DatabaseSection(dsn=migrated_database))
    yield made
    await made.close()


async def store(writer: Writer, *numbers: int, epoch: str = EPOCH) -> int:
    return (await writer.write([offer(frame(seq, epoch=epoch)) for seq in numbers])).frames


def folded(writer: Writer, keep: timedelta = NOW, bounds: Bounds | None = None) -> int:
    with connect_sync(writer.settings) as connection:
        return fold(connection, bounds, keep)


async def test_contiguous_frames_become_one_row(writer: Writer) -> None:
    await store(writer, *range(1, 101))
    assert folded(writer) == 100
    assert rows(writer.settings.dsn, RANGES) == [(EPOCH, 1, 100, 100, 200)]
    assert one(writer.settings.dsn, "SELECT count(*) FROM frames") == 0


async def test_what_is_folded_later_joins_what_touches_it(writer: Writer) -> None:
    for some in ((1, 2, 3), (7, 8), (4, 5, 6), (12,)):
        await store(writer, *some)
        folded(writer)
    assert rows(writer.settings.dsn, RANGES) == [(EPOCH, 1, 8, 8, 16), (EPOCH, 12, 12, 1, 2)]


async def test_epochs_are_not_mixed(writer: Writer) -> None:
    await store(writer, 1, 2)
    await store(writer, 3, epoch=OTHER_EPOCH)
    folded(writer)
    assert rows(writer.settings.dsn, RANGES) == [(EPOCH, 1, 2, 2, 4), (OTHER_EPOCH, 3, 3, 1, 2)]


async def test_a_folded_frame_that_comes_again_is_known(writer: Writer) -> None:
    await store(writer, 1, 2, 4)
    folded(writer)
    assert await store(writer, 1, 2, 3, 4, 5) == 2
    folded(writer)
    assert rows(writer.settings.dsn, RANGES) == [(EPOCH, 1, 5, 5, 10)]


async def test_what_is_young_is_kept_with_its_times(writer: Writer) -> None:
    await store(writer, 1, 2)
    assert folded(writer, keep=timedelta(hours=1)) == 0
    assert one(writer.settings.dsn, "SELECT count(*) FROM frames WHERE committed >= sent") == 2


async def test_times_of_commits_go_when_nothing_needs_them(writer: Writer) -> None:
    await store(writer, 1)
    with connect_sync(writer.settings) as connection:
        connection.execute("UPDATE hubwatch.ledger_commit SET at = at - INTERVAL '1 day'")
    await store(writer, 2)
    assert folded(writer, keep=timedelta(hours=1)) == 1
    assert one(writer.settings.dsn, "SELECT count(*) FROM ledger_commit") == 1
    assert one(writer.settings.dsn, "SELECT count(*) FROM frames") == 1


async def test_the_account_is_the_same_before_and_after(writer: Writer) -> None:
    await store(writer, 2, 3, 7, 8)
    with connect_sync(writer.settings) as connection:
        before = accounts(connection), [(gap.first_seq, gap.last_seq) for gap in gaps(connection)]
        fold(connection, keep=NOW)
        assert (accounts(connection), [(gap.first_seq, gap.last_seq) for gap in gaps(connection)]) == before
    assert before[1] == [(1, 1), (4, 6)]


async def test_folding_stops_when_its_time_is_up(writer: Writer) -> None:
    await store(writer, 1, 2)
    assert folded(writer, bounds=Bounds(stopped=lambda: True)) == 0


async def test_folding_while_two_write_the_same_frames_doubles_nothing(writer: Writer) -> None:
    other = Writer(writer.settings)

    async def write(who: Writer) -> int:
        return sum([await store(who, *range(first, first + 10)) for first in range(1, 301, 5)])

    async def keep_folding() -> None:
        for _ in range(15):
            await asyncio.to_thread(folded, writer)

    stored = await asyncio.gather(write(writer), write(other), keep_folding())
    await other.close()
    assert (stored[0] or 0) + (stored[1] or 0) == 305
    assert one(writer.settings.dsn, "SELECT count(*) FROM readings") == 610
    folded(writer)
    assert rows(writer.settings.dsn, RANGES) == [(EPOCH, 1, 305, 305, 610)]
