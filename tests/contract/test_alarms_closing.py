"""Alarms that end because what reported them is gone, on TimescaleDB and on plain PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.mover import BATCH, Mover, apply
from hubwatch_alarms.triggers import Acknowledge
from hubwatch_core.clock import SECOND_US
from hubwatch_store.alarms import alarms, closing
from hubwatch_store.database import Pool, open_pool
from support.alarms_database import Hands, hands_on, settings_of
from support.alarms_examples import START_US, detection


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
    return Mover(pool, [], Instructions.load())


async def ask(pool: Pool, *, keep: bool = False, sensor: str | None = None, types: list[str] | None = None) -> None:
    async with pool.connection() as connection:
        await closing.ask_closing(
            connection,
            hub="rotterdam",
            sensor=sensor,
            types=types,
            by="kim",
            reason="the gateway was taken away",
            keep_unacknowledged=keep,
        )


async def acknowledge(pool: Pool, alarm: int) -> None:
    async with alarms.moving(pool) as connection:
        found = await alarms.alarm_by_id(connection, alarm)
        assert found is not None
        await apply(connection, found, Acknowledge(START_US, "lee"))


async def test_wish_ends_what_it_names_and_nothing_else_and_the_journal_says_why(
    hands: Hands, pool: Pool, mover: Mover
) -> None:
    hands.detect(
        detection(number=1),
        detection(number=2, type_="radiation.gamma"),
        detection(number=3, type_="radiationless"),
        detection(number=4, sensor="fence-2"),
        detection(number=5, hub="antwerp"),
    )
    await mover.round()
    await ask(pool, sensor="fence-1", types=["radiation", "perimeter.intrusion"])
    await mover.round()
    assert [alarm["state"] for alarm in hands.alarms()] == ["normal", "normal", *["unacknowledged"] * 3]
    (entry,) = hands.rows("SELECT * FROM alarm_journal WHERE alarm = %s AND action = 'closed'", hands.alarms()[0]["id"])
    assert (entry["by"], entry["note"], entry["from_state"]) == ("kim", "the gateway was taken away", "unacknowledged")
    assert hands.rows("SELECT * FROM alarm_closing") == []


async def test_wish_also_ends_what_was_detected_before_it_and_not_taken_yet(
    hands: Hands, pool: Pool, mover: Mover
) -> None:
    hands.detect(*(detection(number=n, sensor=f"s-{n}") for n in range(BATCH + 1)))
    await ask(pool)
    while (await mover.round()).more:
        pass
    assert hands.rows("SELECT * FROM alarm_closing") == []
    assert {alarm["state"] for alarm in hands.alarms()} == {"normal"}
    assert len(hands.alarms()) == BATCH + 1
    assert hands.rows("SELECT count(*) AS n FROM incidents WHERE closed IS NULL") == [{"n": 0}]


async def test_with_keeping_only_what_somebody_acknowledged_closes(hands: Hands, pool: Pool, mover: Mover) -> None:
    hands.detect(detection(number=1), detection(number=2, sensor="fence-2"))
    await mover.round()
    await acknowledge(pool, hands.alarms()[1]["id"])
    await ask(pool, keep=True)
    await mover.round()
    assert [alarm["state"] for alarm in hands.alarms()] == ["returned", "normal"]


async def test_end_that_comes_later_does_not_end_what_was_detected_since(
    hands: Hands, pool: Pool, mover: Mover
) -> None:
    hands.detect(detection(number=1))
    await mover.round()
    await ask(pool, keep=True)
    await mover.round()
    hands.detect(detection(number=2, start=START_US + 60 * SECOND_US))
    await mover.round()
    hands.end("01JD3Z" + f"{1:020d}", START_US + 61 * SECOND_US)
    await mover.round()
    (alarm,) = hands.alarms()
    assert (alarm["state"], alarm["active"]) == ("unacknowledged", 1)
