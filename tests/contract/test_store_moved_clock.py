"""What waits for a time when the database's clock was set: rows of the future stand for a clock that was set back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import psycopg
import pytest

from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.mover import Mover, apply
from hubwatch_alarms.notify.log import LogRouteSection
from hubwatch_alarms.triggers import Shelve
from hubwatch_core.alarm import Action
from hubwatch_core.clock import now_us, to_datetime
from hubwatch_store.alarms import alarms, notifications
from hubwatch_store.database import DatabaseSection, Pool, connect_sync, database_clock, open_pool
from hubwatch_store.ingest import Writer
from hubwatch_store.keeping import compaction
from hubwatch_store.upkeep import maintain
from support.alarms_database import Hands, hands_on, settings_of
from support.alarms_examples import detection
from support.store_examples import HOUR_US, birth, frame, offer, one, rows

DAY_US = 24 * HOUR_US
STEPS = ["1 hour", "1 day", "1 year"]


@pytest.fixture
async def writer(migrated_plain_dsn: str) -> AsyncIterator[Writer]:
    made = Writer(DatabaseSection(dsn=migrated_plain_dsn))
    await made.write([offer(birth())])
    yield made
    await made.close()


def change(dsn: str, query: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(query.encode())


@pytest.mark.parametrize("step", STEPS)
async def test_a_gap_is_unexplained_though_its_times_are_of_the_future(writer: Writer, step: str) -> None:
    await writer.write([offer(frame(1)), offer(frame(5))])
    dsn = writer.settings.dsn
    assert rows(dsn, "SELECT cause FROM ledger_gaps") == [("link down",)]
    change(dsn, f"UPDATE hubwatch.ledger_commit SET at = at + INTERVAL '{step}'")
    for column in ("state_since", "last_late"):
        change(dsn, f"UPDATE hubwatch.agents SET {column} = now() + INTERVAL '{step}'")
    assert rows(dsn, "SELECT cause FROM ledger_gaps") == [("unexplained",)]


async def test_frames_committed_in_the_future_are_folded_and_their_commits_forgotten(writer: Writer) -> None:
    await writer.write([offer(frame(1))])
    dsn = writer.settings.dsn
    change(dsn, "UPDATE hubwatch.ledger_commit SET at = at + INTERVAL '1 year'")
    await writer.write([offer(frame(2))])
    with connect_sync(writer.settings) as connection:
        assert compaction.fold(connection, keep=timedelta(hours=1)) == 1
    assert rows(dsn, "SELECT first_seq, last_seq FROM frame_ranges") == [(1, 1)]
    assert one(dsn, "SELECT count(*) FROM ledger_commit") == 1


async def test_retention_is_due_though_it_ended_in_the_future(writer: Writer) -> None:
    done = maintain(writer.settings, when_due=True)
    assert done is not None
    assert done.deleted is not None
    again = maintain(writer.settings, when_due=True)
    assert again is not None
    assert again.deleted is None
    change(writer.settings.dsn, "UPDATE hubwatch.maintenance_journal SET ended = ended + INTERVAL '1 year'")
    due = maintain(writer.settings, when_due=True)
    assert due is not None
    assert due.deleted is not None


async def test_a_clock_that_leaps_ahead_deletes_at_most_two_days_a_run(writer: Writer) -> None:
    """The last run was a year ago, by the clock; so was what it would delete now."""
    dsn = writer.settings.dsn
    assert one(dsn, "SELECT abs(extract(epoch FROM clock_timestamp() - hubwatch.deletion_clock())) < 60") is True
    maintain(writer.settings)
    assert one(dsn, "SELECT abs(extract(epoch FROM clock_timestamp() - at)) < 60 FROM deletion_state") is True
    change(dsn, "UPDATE hubwatch.deletion_state SET at = at - INTERVAL '1 year'")
    for run in (1, 2):
        maintain(writer.settings)
        left = one(dsn, "SELECT round(extract(epoch FROM clock_timestamp() - at) / 86400) FROM deletion_state")
        assert 365 - 2 * run <= left <= 366 - 2 * run
    change(dsn, "UPDATE hubwatch.deletion_state SET at = now() + INTERVAL '1 year'")
    maintain(writer.settings)
    assert one(dsn, "SELECT at <= clock_timestamp() FROM deletion_state") is True


async def test_aggregates_follow_a_clock_that_was_set_back(writer: Writer) -> None:
    dsn = writer.settings.dsn
    await writer.write([offer(frame(1))])
    maintain(writer.settings)
    change(
        dsn,
        "UPDATE hubwatch.rollup_state SET log_before = now() + INTERVAL '1 year',"
        " minute_to = now() + INTERVAL '1 year', hour_to = now() + INTERVAL '1 year'",
    )
    assert rows(dsn, "SELECT n FROM readings_1m") == []
    maintain(writer.settings)
    assert one(dsn, "SELECT greatest(minute_to, hour_to, log_before) <= clock_timestamp() FROM rollup_state") is True
    assert one(dsn, "SELECT sum(n) FROM readings_1m") == 2
    assert one(dsn, "SELECT sum(n) FROM readings_1h") == 2


@pytest.fixture
def hands(migrated_plain_dsn: str) -> Iterator[Hands]:
    with hands_on(migrated_plain_dsn) as made:
        yield made


@pytest.fixture
async def pool(migrated_plain_dsn: str) -> AsyncIterator[Pool]:
    async with open_pool(settings_of(migrated_plain_dsn)) as made:
        yield made


@pytest.fixture
def mover(pool: Pool) -> Mover:
    return Mover(pool, [LogRouteSection(name="duty", kind="log")], Instructions.load())


async def test_a_shelf_ends_when_the_clock_was_set_back_to_before_it(hands: Hands, pool: Pool, mover: Mover) -> None:
    hands.detect(detection())
    await mover.round()
    (alarm,) = hands.alarms()
    async with alarms.moving(pool) as connection:
        now = await database_clock(connection)
        found = await alarms.alarm_by_id(connection, alarm["id"])
        assert found is not None
        # So a shelf of two hours looks that was put up before the clock was set back by a year.
        year = now + 365 * DAY_US
        await apply(connection, found, Shelve(year, "kim", year + 2 * HOUR_US, "works at the fence"))
    await mover.round()
    (alarm,) = hands.alarms()
    assert alarm["state"] == "unacknowledged"
    assert hands.actions(alarm["id"])[-1] == "shelf_expired"


async def test_a_shelf_that_is_not_over_stays(hands: Hands, pool: Pool, mover: Mover) -> None:
    hands.detect(detection())
    await mover.round()
    (alarm,) = hands.alarms()
    async with alarms.moving(pool) as connection:
        now = await database_clock(connection)
        found = await alarms.alarm_by_id(connection, alarm["id"])
        assert found is not None
        await apply(connection, found, Shelve(now, "kim", now + 2 * HOUR_US, "works at the fence"))
    await mover.round()
    assert hands.alarms()[0]["state"] == "shelved"


async def test_a_message_is_tried_though_its_time_is_of_the_future(hands: Hands, pool: Pool, mover: Mover) -> None:
    hands.detect(detection())
    await mover.round()
    for column in ("queued", "due"):
        change(dsn_of(pool), f"UPDATE hubwatch.notification_outbox SET {column} = {column} + INTERVAL '1 year'")
    first = await notifications.claim(pool, "duty", lease_s=60, give_up_after_s=3600)
    assert first is not None
    assert first.age_s == 0
    assert await notifications.claim(pool, "duty", lease_s=60, give_up_after_s=3600) is None, "it is being tried"
    change(dsn_of(pool), "UPDATE hubwatch.notifications SET at = at + INTERVAL '1 hour'")
    assert await notifications.claim(pool, "duty", lease_s=60, give_up_after_s=3600) is not None


@pytest.mark.parametrize("step_us", [-365 * DAY_US, -DAY_US, -HOUR_US, HOUR_US, DAY_US])
async def test_what_comes_back_is_told_again_whatever_its_agents_clock_says(
    hands: Hands, pool: Pool, mover: Mover, step_us: int
) -> None:
    now = now_us()
    hands.detect(detection(number=1, start=now - 3 * HOUR_US, over=True))
    await mover.round()
    with psycopg.connect(dsn_of(pool), autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")  # the journal is never changed but by this test
        connection.execute("UPDATE hubwatch.alarm_journal SET at = at - INTERVAL '3 hours'")
    hands.detect(detection(number=2, start=now + step_us, over=True))
    await mover.round()
    (alarm,) = hands.alarms()
    assert hands.actions(alarm["id"])[-1] == Action.RECURRED
    assert alarm["last_active"] <= to_datetime(now_us())


async def test_an_alarm_that_was_last_active_in_the_future_is_told_again(
    hands: Hands, pool: Pool, mover: Mover
) -> None:
    now = now_us()
    hands.detect(detection(number=1, start=now - HOUR_US, over=True))
    await mover.round()
    change(dsn_of(pool), "UPDATE hubwatch.alarms SET last_active = now() + INTERVAL '1 day'")
    hands.detect(detection(number=2, start=now, over=True))
    await mover.round()
    (alarm,) = hands.alarms()
    assert hands.actions(alarm["id"])[-1] == Action.RECURRED
    assert alarm["last_active"] <= to_datetime(now_us())


def dsn_of(pool: Pool) -> str:
    return pool._settings.dsn
