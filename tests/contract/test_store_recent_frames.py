"""Frames kept as they came, on both databases: what somebody has not seen is found, and brought as it was."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from hubwatch_core import wire
from hubwatch_core.message import Message
from hubwatch_store.database import DatabaseSection, Pool, connect_sync, open_pool
from hubwatch_store.ingest import FrameKey, Offer, SeenFrameNumbers, StoredFrame, Writer, messages_of, recent, unseen
from support.store_examples import EPOCH, OTHER_EPOCH, frame, one

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
NEWEST = "01JD5ZQ4T8XK6W1M5R9V2B7C0D"


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


async def missing(
    pool: Pool, known: Sequence[SeenFrameNumbers], *, hubs: Sequence[str] = (), since: datetime = LONG_AGO,
    settled: timedelta = timedelta(0), tried: Sequence[FrameKey] = (), most: int = 100,
) -> list[StoredFrame]:  # fmt: skip
    return await unseen(pool, hubs, known, since=since, settled=settled, tried=tried, most=most)


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


async def test_epoch_of_which_nothing_came_counts_when_it_is_newer_than_those_that_are_known(
    writer: Writer, pool: Pool
) -> None:
    await writer.write([sent(1), sent(1, epoch=OTHER_EPOCH), sent(1, epoch=NEWEST), sent(1, agent="gate-8")])
    found = numbers(await missing(pool, [seen(1, epoch=OTHER_EPOCH)]))
    assert sorted(found) == [("gate-7", NEWEST, 1), ("gate-8", EPOCH, 1)]


async def test_frames_come_back_as_they_were_with_their_proof(writer: Writer, pool: Pool) -> None:
    offers = [sent(1), sent(2), sent(1, agent="gate-8"), sent(1, hub="quay")]
    for each in offers:
        await writer.write([each])
    await writer.write(offers)  # again, as a broker does
    found = await missing(pool, [seen(1)])
    assert len(found) == 3
    brought = await messages_of(pool, found)
    wanted = {each.key for each in found}
    assert brought.keys() == wanted
    by_topic = {(each.topic, each.payload): each.proof for each in brought.values()}
    assert by_topic == {(each.message.topic, each.message.payload): each.message.proof for each in offers[1:]}
    assert {each.qos for each in brought.values()} == {0}
    assert one(writer.settings.dsn, "SELECT count(*) FROM frames") == 4


async def test_row_that_cannot_be_read_costs_no_other_frame_and_all_go_after_an_hour(
    writer: Writer, pool: Pool, migrated_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent, "ROWS", 2)
    for seq in range(1, 6):
        await writer.write([sent(seq)])
    with connect_sync(DatabaseSection(dsn=migrated_database)) as connection:
        connection.execute("UPDATE hubwatch.recent_frames SET messages = 'x' WHERE id = 2")
    found = await missing(pool, [seen(0)])
    brought = await messages_of(pool, found)
    assert [each.seq for each in found if each.key not in brought] == [2]

    with connect_sync(DatabaseSection(dsn=migrated_database)) as connection:
        connection.execute("UPDATE hubwatch.recent_frames SET stored = stored - INTERVAL '61 minutes' WHERE id = 1")
        connection.execute("UPDATE hubwatch.recent_frames SET stored = stored + INTERVAL '1 day' WHERE id = 2")
        assert recent.trim(connection) == 2
    assert one(migrated_database, "SELECT count(*) FROM recent_frames") == 3
