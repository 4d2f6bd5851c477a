"""An upgrade without a pause: programs of two versions write while the schema moves beneath them."""

from __future__ import annotations

import asyncio

from hubwatch_store.database import (
    DatabaseSection,
    Migration,
    check_schema,
    connect_sync,
    migrate,
    migrations,
    standing,
)
from hubwatch_store.ingest import Writer
from support.eventually import eventually
from support.store_examples import birth, event, frame, offer, one

WIDER = Migration(
    9000,
    "pre",
    "wider",
    """
    ALTER TABLE hubwatch.frame ADD COLUMN note text;
    ALTER TABLE hubwatch.reading ADD COLUMN note text;
    ALTER TABLE hubwatch.event ADD COLUMN note text;
    ALTER TABLE hubwatch.agents ADD COLUMN note text NOT NULL DEFAULT '';
    ALTER TABLE hubwatch.latest_value ADD COLUMN note text;
    CREATE OR REPLACE VIEW hubwatch.frames AS
    SELECT e.hub, e.agent, e.epoch, f.seq, f.sent, c.at AS committed, f.late, f.readings, f.events, f.note
    FROM hubwatch.frame f JOIN hubwatch.epoch e ON e.id = f.epoch_id
    JOIN hubwatch.ledger_commit c ON c.id = f.commit_id;
    """,
)


async def test_a_program_goes_on_storing_while_a_newer_schema_comes_in(migrated_database: str) -> None:
    settings = DatabaseSection(dsn=migrated_database)
    old, stop = Writer(settings), asyncio.Event()
    stored = 0

    async def write() -> None:
        nonlocal stored
        while not stop.is_set():
            stored += 1
            extras = [event("door.opened")] if stored % 3 == 0 else []
            await old.write([offer(frame(stored, events=extras)), offer(birth())])

    writing = asyncio.create_task(write())
    await eventually(lambda: stored >= 3)
    assert await asyncio.to_thread(migrate, settings, "pre", [*migrations(), WIDER]) == (WIDER,)
    before = stored
    await eventually(lambda: stored >= before + 3)
    stop.set()
    await writing
    await old.close()
    assert one(migrated_database, "SELECT count(*) FROM frames") == stored
    assert one(migrated_database, "SELECT count(*) FROM readings") == 2 * stored


async def test_a_program_of_the_version_before_still_starts(migrated_database: str) -> None:
    settings = DatabaseSection(dsn=migrated_database)
    migrate(settings, known=[*migrations(), WIDER])
    check_schema(settings)
    with connect_sync(settings) as connection:
        assert standing(connection).unknown == ("9000_pre_wider",)
    writer = Writer(settings)
    assert (await writer.write([offer(frame(1))])).frames == 1
    await writer.close()


async def test_old_and_new_side_by_side_share_one_ledger(migrated_database: str) -> None:
    settings = DatabaseSection(dsn=migrated_database)
    old = Writer(settings)
    await old.write([offer(frame(1))])
    migrate(settings, known=[*migrations(), WIDER])
    new = Writer(settings)
    assert (await new.write([offer(frame(1)), offer(frame(2))])).frames == 1
    assert (await old.write([offer(frame(2)), offer(frame(3))])).frames == 1
    await old.close()
    await new.close()
