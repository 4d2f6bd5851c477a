"""Frames kept as they came, on both databases: what somebody has not seen is found, and brought as it was."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hubwatch_core import wire
from hubwatch_core.message import Message
from hubwatch_store.database import DatabaseSection, Pool, connect_sync, open_pool
from hubwatch_store.ingest import (
    Offer,
    SeenFrameNumbers,
    StoredFrame,
    Writer,
    folded_unseen,
    messages_of,
    recent,
    unseen,
)
from hubwatch_store.keeping.compaction import fold
from support.store_examples import EPOCH, OTHER_EPOCH, frame, one

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
NEWEST, NINTH = "01JD5ZQ4T8XK6W1M5R9V2B7C0D", "01JD9ZQ4T8XK6W1M5R9V2B7C0D"


@pytest.fixture
async def writer(migrated_database: str) -> AsyncIterator[Writer]:
    made = Writer(DatabaseSection(dsn=migrated_database), keep_recent=True)
    yield made
    await made.close()


@pytest.fixture
async def pool(migrated_database: str) -> AsyncIterator[Pool]:
    async with open_pool(DatabaseSection(dsn=migrated_database)) as opened:
        yield opened


def sent(seq: int, agent: str = "gate-7", epoch: str = EPOCH, hub: str = "harbour") -> Offer:
    made = frame(seq, agent=agent, epoch=epoch, hub=hub)
    message = Message(f"hubwatch/1/{hub}/{agent}/frame", wire.encode(made), 1, False, 5, 1, proof=f"proof of {seq}")
    return Offer(message, made)


def seen(highest: int, *holes: tuple[int, int], agent: str = "gate-7", epoch: str = EPOCH) -> SeenFrameNumbers:
    return SeenFrameNumbers("harbour", agent, epoch, highest, holes)


async def missing(pool: Pool, known: Sequence[SeenFrameNumbers], **more: Any) -> list[StoredFrame]:
    wanted: dict[str, Any] = {"hubs": (), "since": LONG_AGO, "settled": timedelta(0), "most": 100} | more
    return await unseen(pool, wanted.pop("hubs"), known, **wanted)


def numbers(frames: Sequence[StoredFrame]) -> list[tuple[str, str, int]]:
    return [(each.agent, each.epoch, each.seq) for each in frames]


async def test_what_is_stored_and_was_not_seen_is_found(writer: Writer, pool: Pool) -> None:
    await writer.write([sent(seq) for seq in range(1, 10)])
    assert numbers(await missing(pool, [seen(9)])) == []
    assert numbers(await missing(pool, [seen(7)])) == [("gate-7", EPOCH, 8), ("gate-7", EPOCH, 9)]
    found = await missing(pool, [seen(8, (2, 3), (6, 6))])
    assert [seq for _, _, seq in numbers(found)] == [2, 3, 6, 9]
    tried = [each.key for each in found[:2]]
    assert [each.seq for each in await missing(pool, [seen(8, (2, 3), (6, 6))], tried=tried)] == [6, 9]
    assert [each.seq for each in await missing(pool, [seen(0)], most=4)] == [1, 2, 3, 4]
    assert numbers(await missing(pool, [seen(0)], settled=timedelta(hours=1))) == []
    assert numbers(await missing(pool, [seen(0)], since=datetime.now(UTC) + timedelta(hours=1))) == []
    assert numbers(await missing(pool, [], hubs=["elsewhere"])) == []
    with connect_sync(DatabaseSection(dsn=writer.settings.dsn)) as connection:  # as if the clock was set back since
        connection.execute("UPDATE hubwatch.ledger_commit SET at = at + INTERVAL '1 day'")
    assert len(await missing(pool, [seen(0)], settled=timedelta(hours=1))) == 9


async def test_epoch_of_which_nothing_came_counts_when_it_came_later_than_those_that_are_known(
    writer: Writer, pool: Pool
) -> None:
    # A gateway whose clock was wrong makes epochs that sort before its earlier ones.
    for epoch in (OTHER_EPOCH, NEWEST, EPOCH):
        await writer.write([sent(1, epoch=epoch)])
    await writer.write([sent(1, agent="gate-8", epoch=NINTH), sent(2, epoch=NEWEST)])
    known = [seen(1, epoch=NEWEST)]
    assert numbers(await missing(pool, known)) == [
        ("gate-7", EPOCH, 1), ("gate-7", NEWEST, 2), ("gate-8", NINTH, 1)
    ]  # fmt: skip
    left = [("harbour", "gate-7", EPOCH)]
    assert numbers(await missing(pool, known, left_out=left)) == [("gate-7", NEWEST, 2), ("gate-8", NINTH, 1)]
    with connect_sync(DatabaseSection(dsn=writer.settings.dsn)) as connection:
        connection.execute("UPDATE hubwatch.agents SET gone = now() WHERE agent = 'gate-8'")
    assert numbers(await missing(pool, known)) == [("gate-7", EPOCH, 1), ("gate-7", NEWEST, 2)]


async def test_old_frames_take_no_place_of_those_that_are_looked_for(writer: Writer, pool: Pool) -> None:
    await writer.write([sent(seq) for seq in range(1, 9)])
    with connect_sync(DatabaseSection(dsn=writer.settings.dsn)) as connection:
        connection.execute("UPDATE hubwatch.ledger_commit SET at = at - INTERVAL '2 hours'")
    await writer.write([sent(seq) for seq in (9, 10)])
    hour = datetime.now(UTC) - timedelta(hours=1)
    assert [each.seq for each in await missing(pool, [seen(0)], since=hour, most=2)] == [9, 10]
    tried = [("harbour", "gate-7", EPOCH, 9)]
    assert [each.seq for each in await missing(pool, [seen(0)], since=hour, tried=tried, most=1)] == [10]


async def test_frames_come_back_as_they_were_with_their_proof(writer: Writer, pool: Pool) -> None:
    offers = [sent(1), sent(2), sent(1, agent="gate-8", epoch=NINTH), sent(1, hub="quay", epoch=NEWEST)]
    for each in offers:
        await writer.write([each])
    await writer.write(offers)  # again, as a broker does
    found = await missing(pool, [seen(1)])
    assert len(found) == 3
    brought, looked_for = await messages_of(pool, found)
    assert looked_for == found
    assert brought.keys() == {each.key for each in found}
    by_topic = {(each.topic, each.payload): each.proof for each in brought.values()}
    assert by_topic == {(each.message.topic, each.message.payload): each.message.proof for each in offers[1:]}
    assert {each.qos for each in brought.values()} == {0}
    assert one(writer.settings.dsn, "SELECT count(*) FROM frames") == 4


async def test_row_that_cannot_be_read_costs_no_other_frame_and_all_go_after_an_hour(
    writer: Writer, pool: Pool, migrated_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent, "COMMITS", 2)
    for seq in range(1, 6):
        await writer.write([sent(seq)])
    with connect_sync(DatabaseSection(dsn=migrated_database)) as connection:
        connection.execute("UPDATE hubwatch.recent_frames SET messages = 'x' WHERE id = 2")
    found = await missing(pool, [seen(0)])
    brought, _ = await messages_of(pool, found)
    assert [each.seq for each in found if each.key not in brought] == [2]
    monkeypatch.setattr(recent, "MOST_BYTES", 1)
    brought, looked_for = await messages_of(pool, found)
    assert ([key[3] for key in brought], [each.seq for each in looked_for]) == ([1], [1, 2])
    with connect_sync(DatabaseSection(dsn=migrated_database)) as connection:
        connection.execute("UPDATE hubwatch.recent_frames SET stored = stored - INTERVAL '61 minutes' WHERE id = 1")
        connection.execute("UPDATE hubwatch.recent_frames SET stored = stored + INTERVAL '1 day' WHERE id = 2")
        assert recent.trim(connection) == 2
    assert one(migrated_database, "SELECT count(*) FROM recent_frames") == 3


async def test_folded_frames_that_were_not_seen_are_counted_by_epoch(writer: Writer, pool: Pool) -> None:
    await writer.write([sent(seq) for seq in range(1, 10)])
    await writer.write([sent(seq, epoch=OTHER_EPOCH) for seq in range(1, 4)])
    with connect_sync(DatabaseSection(dsn=writer.settings.dsn)) as connection:
        fold(connection, keep=timedelta(0))
    found = await folded_unseen(pool, [seen(7, (2, 3))])
    assert [tuple(each) for each in found] == [
        ("harbour", "gate-7", EPOCH, 2, 9, 4), ("harbour", "gate-7", OTHER_EPOCH, 1, 3, 3)
    ]  # fmt: skip
    assert await folded_unseen(pool, [seen(9), seen(3, epoch=OTHER_EPOCH)]) == []
    assert await folded_unseen(pool, []) == []
