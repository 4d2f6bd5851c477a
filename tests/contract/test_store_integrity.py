"""Unexplained gaps announce themselves as detections, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from hubwatch_store.database import DatabaseSection, connect_sync
from hubwatch_store.ingest import Writer
from hubwatch_store.upkeep import maintain, report_unexplained_gaps
from support.store_examples import EPOCH, birth, frame, offer, rows

FOUND = "SELECT hub, sensor, subject, priority, evidence ->> 'frames', \"end\" IS NULL FROM detections ORDER BY id"


@pytest.fixture
async def writer(migrated_database: str) -> AsyncIterator[Writer]:
    made = Writer(DatabaseSection(dsn=migrated_database))
    await made.write([offer(birth())])
    with connect_sync(made.settings) as connection:
        connection.execute("UPDATE hubwatch.ledger_grace SET grace = '0 seconds'")
    yield made
    await made.close()


async def store(writer: Writer, *numbers: int) -> None:
    await writer.write([offer(frame(seq)) for seq in numbers])


def tell(writer: Writer) -> int:
    with connect_sync(writer.settings) as connection:
        return report_unexplained_gaps(connection)


async def test_nothing_is_told_while_nothing_is_missing(writer: Writer) -> None:
    await store(writer, 1, 2)
    assert tell(writer) == 0
    assert rows(writer.settings.dsn, FOUND) == []


async def test_a_gap_is_told_once(writer: Writer) -> None:
    await store(writer, 1, 4)
    assert (tell(writer), tell(writer)) == (2, 2)
    assert rows(writer.settings.dsn, FOUND) == [("harbour", "gate-7", EPOCH, 2, "2", True)]


async def test_a_gap_that_grows_is_told_again_and_one_that_shrinks_is_not(writer: Writer) -> None:
    await store(writer, 1, 4)
    tell(writer)
    await store(writer, 9)
    assert tell(writer) == 6
    await store(writer, 2)
    assert tell(writer) == 5
    assert [row[4] for row in rows(writer.settings.dsn, FOUND)] == ["2", "6"]


async def test_all_is_over_when_the_frames_come_after_all(writer: Writer) -> None:
    await store(writer, 1, 4)
    tell(writer)
    await store(writer, 6)
    tell(writer)
    await store(writer, 2, 3, 5)
    assert tell(writer) == 0
    assert [row[5] for row in rows(writer.settings.dsn, FOUND)] == [False, False]


async def test_maintenance_looks_by_itself(writer: Writer) -> None:
    await store(writer, 1, 3)
    done = maintain(writer.settings)
    assert done is not None
    assert done.unexplained == 1
    assert len(rows(writer.settings.dsn, FOUND)) == 1
