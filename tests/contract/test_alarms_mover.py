"""Findings to alarms, on TimescaleDB and on plain PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.lifecycle import MoveRefused
from hubwatch_alarms.mover import BATCH, Mover, apply
from hubwatch_alarms.notify.log import LogRouteSection
from hubwatch_alarms.triggers import Acknowledge, Shelve
from hubwatch_core.clock import SECOND_US, now_us, to_datetime
from hubwatch_core.wire import Clear
from hubwatch_store.alarms import alarms
from hubwatch_store.database import Pool, open_pool
from hubwatch_store.detections import DetectionBatch, keep
from support.alarms_database import Hands, hands_on, settings_of
from support.alarms_examples import START_US, detection

EVERYTHING = LogRouteSection(name="all", kind="log")
CRITICAL = LogRouteSection(name="critical", kind="log", min_priority=1)
RADIATION = LogRouteSection(name="rad", kind="log", types=("radiation",))


@pytest.fixture
def hands(migrated_database: str) -> Iterator[Hands]:
    with hands_on(migrated_database) as made:
        yield made


@pytest.fixture
async def pool(migrated_database: str, hands: Hands) -> AsyncIterator[Pool]:
    async with open_pool(settings_of(migrated_database)) as made:
        yield made


@pytest.fixture
def mover(pool: Pool) -> Mover:
    return Mover(pool, [EVERYTHING, CRITICAL, RADIATION], Instructions.load())


async def test_detection_opens_an_alarm_with_its_facts_its_zone_and_an_incident(hands: Hands, mover: Mover) -> None:
    hands.place("rotterdam", "fence-1", "north")
    found = detection(priority=2, why="fence section moved twice in 4 s")
    hands.detect(found)
    done = await mover.round()
    (alarm,) = hands.alarms()
    assert done.arrivals == 1
    assert alarm["state"] == "unacknowledged"
    assert (alarm["hub"], alarm["zone"], alarm["sensor"]) == ("rotterdam", "north", "fence-1")
    assert (alarm["type"], alarm["subject"], alarm["priority"]) == ("perimeter.intrusion", None, 2)
    assert (alarm["opened"], alarm["last_active"]) == (to_datetime(found.start), to_datetime(found.detected))
    assert (alarm["detections"], alarm["active"]) == (1, 1)
    assert (alarm["why"], alarm["score"], alarm["late"]) == (found.why, found.score, False)
    assert (alarm["returned"], alarm["closed"], alarm["acknowledged_by"]) == (None, None, None)
    (entry,) = hands.rows("SELECT * FROM alarm_journal")
    assert (entry["action"], entry["by"], entry["from_state"], entry["to_state"]) == (
        "opened",
        "system",
        None,
        "unacknowledged",
    )
    assert entry["detection"] == found.id
    (incident,) = hands.rows("SELECT * FROM incidents")
    assert alarm["incident"] == incident["id"]
    assert (incident["alarms"], incident["closed"]) == (1, None)
    assert incident["title"] == "Intrusion at the perimeter, rotterdam / north"


async def test_each_detection_is_taken_exactly_once_however_often_one_looks(hands: Hands, mover: Mover) -> None:
    hands.detect(detection(number=1), detection(number=2))
    await mover.round()
    again = await mover.round()
    (alarm,) = hands.alarms()
    assert again.arrivals == 0
    assert alarm["detections"] == 2
    assert hands.actions(alarm["id"]) == ["opened", "repeated"]


async def test_end_of_the_last_open_detection_returns_the_alarm(hands: Hands, mover: Mover) -> None:
    first, second = detection(number=1), detection(number=2, start=START_US + SECOND_US)
    hands.detect(first, second)
    await mover.round()
    hands.end(first.id, START_US + 5 * SECOND_US)
    await mover.round()
    assert [row["state"] for row in hands.alarms()] == ["unacknowledged"]
    hands.end(second.id, START_US + 9 * SECOND_US)
    await mover.round()
    (alarm,) = hands.alarms()
    assert alarm["state"] == "returned"
    assert alarm["returned"] == to_datetime(START_US + 9 * SECOND_US)


async def test_detection_and_its_end_in_one_batch_open_a_returned_alarm(hands: Hands, mover: Mover) -> None:
    found = detection()
    hands.detect(found)
    hands.end(found.id, START_US + 5 * SECOND_US)
    await mover.round()
    (alarm,) = hands.alarms()
    assert (alarm["state"], alarm["active"]) == ("returned", 0)
    assert hands.actions(alarm["id"]) == ["opened"]


async def test_end_written_before_its_detection_is_not_lost(hands: Hands, mover: Mover) -> None:
    found = detection()
    hands.end(found.id, START_US + 5 * SECOND_US)
    await mover.round()
    hands.detect(found)
    await mover.round()
    await mover.round()
    (alarm,) = hands.alarms()
    assert (alarm["state"], alarm["returned"]) == ("returned", to_datetime(START_US + 5 * SECOND_US))


async def test_acknowledged_alarm_whose_condition_goes_closes_with_its_incident(
    hands: Hands, mover: Mover, pool: Pool
) -> None:
    found = detection()
    hands.detect(found)
    await mover.round()
    await acknowledge(pool, hands.alarms()[0]["id"], "kim")
    hands.end(found.id, START_US + 5 * SECOND_US)
    await mover.round()
    (alarm,) = hands.alarms()
    assert (alarm["state"], alarm["acknowledged_by"]) == ("normal", "kim")
    assert hands.actions(alarm["id"]) == ["opened", "acknowledged", "returned", "closed"]
    assert hands.rows("SELECT closed IS NOT NULL AS over FROM incidents") == [{"over": True}]


async def test_condition_after_a_closed_alarm_opens_a_new_one(hands: Hands, mover: Mover, pool: Pool) -> None:
    hands.detect(detection(number=1, over=True))
    await mover.round()
    await acknowledge(pool, hands.alarms()[0]["id"], "kim")
    hands.detect(detection(number=2, start=START_US + 600 * SECOND_US))
    await mover.round()
    assert [row["state"] for row in hands.alarms()] == ["normal", "unacknowledged"]


async def test_conditions_that_differ_in_subject_have_their_own_alarms(hands: Hands, mover: Mover) -> None:
    hands.detect(detection(number=1, subject="badge:1"), detection(number=2, subject="badge:2"), detection(number=3))
    await mover.round()
    assert [row["subject"] for row in hands.alarms()] == ["badge:1", "badge:2", None]


async def test_shelf_that_is_over_gives_the_alarm_back_unacknowledged(hands: Hands, mover: Mover, pool: Pool) -> None:
    hands.detect(detection())
    await mover.round()
    alarm = hands.alarms()[0]["id"]
    now = now_us()
    async with alarms.moving(pool) as connection:
        held = await alarms.alarm_by_id(connection, alarm)
        assert held is not None
        await apply(connection, held, Shelve(now, "kim", now + 60 * SECOND_US, "works"))
    await mover.round()
    assert hands.alarms()[0]["state"] == "shelved"
    hands.rows("UPDATE alarms SET shelved_until = shelved_until - INTERVAL '61 s' RETURNING 1")
    await mover.round()
    assert hands.alarms()[0]["state"] == "unacknowledged"
    assert hands.actions(alarm) == ["opened", "shelved", "shelf_expired"]


async def test_refused_move_writes_nothing(hands: Hands, mover: Mover, pool: Pool) -> None:
    hands.detect(detection())
    await mover.round()
    alarm = hands.alarms()[0]["id"]
    await acknowledge(pool, alarm, "kim")
    with pytest.raises(MoveRefused, match="is with kim"):
        await acknowledge(pool, alarm, "lee")
    assert hands.actions(alarm) == ["opened", "acknowledged"]


async def test_messages_are_queued_only_on_routes_that_want_them(hands: Hands, mover: Mover) -> None:
    hands.detect(detection(number=1, priority=1), detection(number=2, type_="radiation.gamma", sensor="rpm-2"))
    await mover.round()
    fence, portal = hands.alarms()
    told = {(row["alarm"], row["route"]) for row in hands.outbox()}
    assert told == {(fence["id"], "all"), (fence["id"], "critical"), (portal["id"], "all"), (portal["id"], "rad")}


async def test_what_a_command_wrote_is_routed_by_the_next_round(hands: Hands, mover: Mover, pool: Pool) -> None:
    informed = Mover(pool, [LogRouteSection(name="acks", kind="log", on=("acknowledged",))], Instructions.load())
    hands.detect(detection())
    await mover.round()
    await acknowledge(pool, hands.alarms()[0]["id"], "kim")
    await informed.round()
    assert [row["route"] for row in hands.outbox()] == ["all", "acks"]


async def test_two_movers_side_by_side_neither_double_nor_lose(
    hands: Hands, pool: Pool, migrated_database: str
) -> None:
    async with open_pool(settings_of(migrated_database)) as other_pool:
        movers = [Mover(each, [EVERYTHING], Instructions.load()) for each in (pool, other_pool)]
        total = 2 * BATCH + 50
        for i in range(0, total, 50):
            hands.detect(*(detection(number=i + j, sensor=f"fence-{j}") for j in range(50)))
        for _ in range(4):
            await asyncio.gather(*(each.round() for each in movers))
    found = hands.alarms()
    assert len(found) == 50
    assert sum(row["detections"] for row in found) == total
    assert hands.rows("SELECT count(*) AS n FROM alarm_journal WHERE detection IS NOT NULL") == [{"n": total}]
    assert len(hands.outbox()) == 50


async def test_round_takes_batch_after_batch_until_its_time_is_over(hands: Hands, pool: Pool) -> None:
    hands.detect(*(detection(number=number) for number in range(3 * BATCH + 1)))
    hands.connection.execute("ALTER TABLE alarm_detection ADD CONSTRAINT bad CHECK (detection NOT LIKE '%00000301')")
    one_batch, in_no_hurry = (Mover(pool, [EVERYTHING], Instructions.load(), taking_s=each) for each in (0.0, 3600.0))
    first = await one_batch.round()
    assert (first.arrivals, first.more) == (BATCH, True)
    rest = await in_no_hurry.round()
    assert (rest.arrivals, rest.more) == (2 * BATCH + 1, True)  # what it moved is as much as a batch: it looks again
    assert not (await in_no_hurry.round()).more
    assert hands.alarms()[0]["detections"] == 3 * BATCH
    assert [row["detection"] for row in hands.rows("SELECT detection FROM alarm_refused")] == [detection(number=301).id]


async def test_round_that_dies_before_commit_leaves_everything_waiting(hands: Hands, mover: Mover, pool: Pool) -> None:
    hands.detect(detection())
    with pytest.raises(RuntimeError, match="power cut"):
        await take_and_die(pool)
    assert hands.alarms() == []
    await mover.round()
    assert len(hands.alarms()) == 1


async def acknowledge(pool: Pool, alarm: int, by: str) -> None:
    async with alarms.moving(pool) as connection:
        found = await alarms.alarm_by_id(connection, alarm)
        assert found is not None
        await apply(connection, found, Acknowledge(now_us(), by))


async def take_and_die(pool: Pool) -> None:
    async with alarms.moving(pool) as connection:
        assert len(await alarms.take_arrivals(connection, 10)) == 1
        raise RuntimeError("power cut")


async def test_highest_score_comes_with_the_end_and_stays_in_the_alarm(hands: Hands, pool: Pool, mover: Mover) -> None:
    found = detection(score=6.1)
    await keep(pool, DetectionBatch([found]))
    await mover.round()
    await keep(pool, DetectionBatch([Clear(found.id, found.detected + 1, found.detected + 1, score=50.0)]))
    await mover.round()
    (alarm,) = hands.alarms()
    assert (alarm["score"], alarm["peak"]) == (6.1, 50.0)
    (stored,) = hands.rows("SELECT score, peak FROM detections")
    assert (stored["score"], stored["peak"]) == (6.1, 50.0)


async def test_late_detection_finds_the_alarm_that_people_closed_meanwhile(
    hands: Hands, pool: Pool, mover: Mover
) -> None:
    first = detection()
    await keep(pool, DetectionBatch([first, Clear(first.id, first.start + 60_000_000, first.start + 60_000_000)]))
    await mover.round()
    hands.rows("UPDATE alarms SET state = 'normal', closed = now() RETURNING id")
    within = detection(number=2, start=first.start + 1, end=first.start + 2, late=True)
    beyond = detection(number=3, start=first.start + 1, end=first.start + 61_000_000, late=True)
    await keep(pool, DetectionBatch([within]))
    await mover.round()
    assert [(each["state"], each["detections"]) for each in hands.alarms()] == [("normal", 2)]
    await keep(pool, DetectionBatch([beyond]))
    await mover.round()
    assert [(each["state"], each["late"]) for each in hands.alarms()] == [("normal", False), ("returned", True)]
