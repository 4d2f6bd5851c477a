"""The outbox on TimescaleDB and on plain PostgreSQL: who may send what, and what is written of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.mover import Mover
from hubwatch_alarms.notify.log import LogRouteSection
from hubwatch_core.alarm import Action
from hubwatch_core.delivery import DeliveryOutcome, DeliveryResult
from hubwatch_store.alarms import Claimed, notifications
from hubwatch_store.database import Pool, open_pool
from support.alarms_database import Hands, hands_on, settings_of
from support.alarms_examples import detection

FAILED = DeliveryOutcome(DeliveryResult.TRANSIENT, 503, "HTTP 503")
TAKEN = DeliveryOutcome(DeliveryResult.DELIVERED, 204)


@pytest.fixture
def hands(migrated_database: str) -> Iterator[Hands]:
    with hands_on(migrated_database) as made:
        yield made


@pytest.fixture
async def pool(migrated_database: str, hands: Hands) -> AsyncIterator[Pool]:
    async with open_pool(settings_of(migrated_database)) as made:
        await Mover(made, [], Instructions.load()).round()
        yield made


async def queued(pool: Pool, hands: Hands, *priorities: int) -> None:
    """Open an alarm of each priority and queue a message for each on the route `duty`."""
    hands.detect(*(detection(number=i, sensor=f"s-{i}", priority=priority) for i, priority in enumerate(priorities)))
    await Mover(pool, [LogRouteSection(name="duty", kind="log")], Instructions.load()).round()


async def claim(pool: Pool, lease_s: float = 60, route: str = "duty") -> Claimed | None:
    return await notifications.claim(pool, route, lease_s=lease_s, give_up_after_s=3600)


async def claimed(pool: Pool, lease_s: float = 60) -> Claimed:
    found = await claim(pool, lease_s)
    assert found is not None
    return found


async def test_claim_gives_the_message_with_its_entry_and_the_alarm_and_records_the_attempt(
    hands: Hands, pool: Pool
) -> None:
    await queued(pool, hands, 1)
    message = await claimed(pool)
    assert (message.route, message.attempt, message.entry.action) == ("duty", 1, Action.OPENED)
    assert (message.alarm.sensor, message.alarm.priority) == ("s-0", 1)
    assert 0 <= message.age_s < 30
    (attempt,) = hands.attempts()
    assert (attempt["outcome"], attempt["message"], attempt["attempt"]) == ("sending", message.id, 1)


async def test_most_urgent_message_goes_first(hands: Hands, pool: Pool) -> None:
    await queued(pool, hands, 3, 1, 2)
    assert [(await claimed(pool)).alarm.priority for _ in range(3)] == [1, 2, 3]


async def test_claimed_message_is_nobody_elses_until_its_lease_is_over(hands: Hands, pool: Pool) -> None:
    await queued(pool, hands, 1)
    first = await claimed(pool, lease_s=60)
    assert await claim(pool) is None
    hands.rows("UPDATE notification_outbox SET due = due - INTERVAL '61 s' RETURNING 1")
    again = await claimed(pool)
    assert (again.id, again.attempt) == (first.id, 2)


async def test_many_claim_at_once_and_each_message_is_claimed_once(hands: Hands, pool: Pool) -> None:
    await queued(pool, hands, *[2] * 20)
    found = await asyncio.gather(*(claim(pool) for _ in range(30)))
    ids = [message.id for message in found if message is not None]
    assert len(ids) == len(set(ids)) == 20


async def test_other_routes_messages_are_not_claimed(hands: Hands, pool: Pool) -> None:
    await queued(pool, hands, 1)
    assert await claim(pool, route="another") is None


async def test_settled_message_is_never_claimed_again_and_its_attempt_is_written_down(hands: Hands, pool: Pool) -> None:
    await queued(pool, hands, 1)
    message = await claimed(pool, lease_s=0)
    await notifications.finish(pool, message, TAKEN, state="delivered")
    assert await claim(pool) is None
    (attempt,) = hands.attempts()
    assert (attempt["outcome"], attempt["status"], attempt["error"]) == ("delivered", 204, None)
    assert hands.outbox()[0]["finished"] is not None


async def test_postponed_message_waits_for_its_pause(hands: Hands, pool: Pool) -> None:
    await queued(pool, hands, 1)
    await notifications.postpone(pool, await claimed(pool), FAILED, pause_s=60, hold_route=False)
    assert await claim(pool) is None
    hands.rows("UPDATE notification_outbox SET due = due - INTERVAL '61 s' RETURNING 1")
    assert (await claimed(pool)).attempt == 2
    assert [(row["outcome"], row["status"]) for row in hands.attempts()] == [("transient", 503), ("sending", None)]


async def test_held_route_keeps_its_other_messages_back_but_no_other_route(hands: Hands, pool: Pool) -> None:
    await queued(pool, hands, 1, 2)
    await notifications.postpone(pool, await claimed(pool), FAILED, pause_s=60, hold_route=True)
    assert await claim(pool) is None
    hands.detect(detection(number=9, sensor="s-9"))
    await Mover(pool, [LogRouteSection(name="other", kind="log")], Instructions.load()).round()
    assert await claim(pool, route="other") is not None


async def test_abandoned_message_has_its_attempt_and_its_end_in_the_record(hands: Hands, pool: Pool) -> None:
    await queued(pool, hands, 1)
    await notifications.abandon(pool, await claimed(pool), FAILED, "not delivered within 1 s")
    assert [row["state"] for row in hands.outbox()] == ["given_up"]
    assert [(row["outcome"], row["error"]) for row in hands.attempts()] == [
        ("transient", "HTTP 503"),
        ("given_up", "not delivered within 1 s"),
    ]


async def test_overdue_message_is_given_up_once_by_many_and_not_claimed(hands: Hands, pool: Pool) -> None:
    await queued(pool, hands, 1)
    assert await notifications.claim(pool, "duty", lease_s=60, give_up_after_s=0) is None
    gone = await asyncio.gather(*(notifications.give_up_overdue(pool, 0, "too old") for _ in range(4)))
    assert sum(len(one) for one in gone) == 1
    assert [row["outcome"] for row in hands.attempts()] == ["given_up"]


async def test_message_under_way_is_not_given_up_meanwhile(hands: Hands, pool: Pool) -> None:
    await queued(pool, hands, 1)
    await claimed(pool)
    assert await notifications.give_up_overdue(pool, 0, "too old") == []


async def test_sender_that_comes_back_after_its_lease_cannot_unsettle_the_message(hands: Hands, pool: Pool) -> None:
    await queued(pool, hands, 1)
    slow = await claimed(pool, lease_s=0)
    quick = await claimed(pool)
    await notifications.finish(pool, quick, TAKEN, state="delivered")
    await notifications.postpone(pool, slow, FAILED, pause_s=0, hold_route=False)
    assert await claim(pool) is None
    assert [row["state"] for row in hands.outbox()] == ["delivered"]
    assert [(row["attempt"], row["outcome"]) for row in hands.attempts()] == [(1, "transient"), (2, "delivered")]


async def test_waiting_messages_are_counted_by_route(hands: Hands, pool: Pool) -> None:
    await queued(pool, hands, 1, 2)
    async with pool.connection() as connection:
        assert await notifications.count_waiting(connection) == {"duty": 2}


async def test_clock_set_back_by_a_day_holds_no_message_back(hands: Hands, pool: Pool) -> None:
    hands.detect(detection())
    await Mover(pool, [LogRouteSection(name="duty", kind="log")], Instructions.load()).round()
    hands.rows(
        "UPDATE notification_outbox SET queued = now() + '1 d'::interval, due = now() + '1 d'::interval RETURNING id"
    )
    async with pool.connection() as connection:
        assert (await notifications.untold(connection, 60)).alarms == 1
    assert (await claimed(pool)).attempt == 1
