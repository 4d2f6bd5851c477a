"""Messages of one incident to one person, on both kinds of PostgreSQL: one that grows, the critical one alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from hubwatch_alarms import acts
from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.mover import Mover
from hubwatch_alarms.notify.log import LogRouteSection
from hubwatch_alarms.oncall.escalation import Escalations
from hubwatch_alarms.oncall.escalation_settings import EscalationSection, StepSection
from hubwatch_alarms.oncall.settings import PersonSection, WaySection
from hubwatch_core.delivery import DeliveryOutcome, DeliveryResult
from hubwatch_core.permission import Actor
from hubwatch_store.alarms import Claimed, alarms, notifications
from hubwatch_store.database import Pool, open_pool
from support.alarms_database import Hands, hands_on, settings_of
from support.alarms_examples import detection

KIM = PersonSection(name="kim", ways=(WaySection(route="mail"),))
TELL = EscalationSection(name="duty", steps=(StepSection(people=("kim",)),))
TAKEN = DeliveryOutcome(DeliveryResult.DELIVERED, 250)
AWAY = DeliveryOutcome(DeliveryResult.TRANSIENT, 421, "SMTP 421")


@pytest.fixture
def hands(migrated_database: str) -> Iterator[Hands]:
    with hands_on(migrated_database) as made:
        yield made


@pytest.fixture
async def pool(migrated_database: str) -> AsyncIterator[Pool]:
    async with open_pool(settings_of(migrated_database)) as made:
        yield made


async def opened(hands: Hands, pool: Pool, priorities: dict[int, int]) -> None:
    """Open an alarm for each number, with its priority, all in one zone and so of one incident."""
    for number in priorities:
        hands.place("rotterdam", f"fence-{number}", "quay")
    hands.detect(*(detection(number=n, sensor=f"fence-{n}", priority=priority) for n, priority in priorities.items()))
    routes = [LogRouteSection(name="journal", kind="log")]
    await Mover(pool, routes, Instructions.load(), escalations=Escalations([TELL], [KIM])).round()
    assert len({row["incident"] for row in hands.alarms()}) == 1


async def claim(pool: Pool, group_s: float = 60) -> Claimed | None:
    return await notifications.claim(pool, "mail", ways=["mail/kim"], lease_s=60, give_up_after_s=3600, group_s=group_s)


async def claimed(pool: Pool, group_s: float = 60) -> Claimed:
    found = await claim(pool, group_s)
    assert found is not None
    return found


def states(hands: Hands) -> list[str]:
    return [row["state"] for row in hands.outbox() if row["route"] == "mail/kim"]


async def test_tampering_is_told_at_once_and_alone_whatever_its_priority(hands: Hands, pool: Pool) -> None:
    await opened(hands, pool, dict.fromkeys(range(3), 2))
    hands.rows("UPDATE alarms SET type = 'access.tamper' WHERE sensor = 'fence-2' RETURNING 1")
    first = await claimed(pool)
    assert "fence-2" not in {each.sensor for each in first.carried} or first.alarm.sensor == "fence-2"
    await notifications.finish(pool, first, TAKEN, state="delivered")
    second = await claimed(pool)
    assert {first.alarm.sensor, second.alarm.sensor} >= {"fence-2"}
    assert (first if first.alarm.sensor == "fence-2" else second).carried == ()


async def test_120_alarms_at_once_are_the_critical_one_alone_and_one_message_of_the_rest(
    hands: Hands, pool: Pool
) -> None:
    await opened(hands, pool, {n: 1 if n == 77 else 2 + n % 2 for n in range(120)})
    critical = await claimed(pool)
    assert (critical.alarm.sensor, critical.alarm.priority, critical.carried) == ("fence-77", 1, ())
    await notifications.finish(pool, critical, TAKEN, state="delivered")
    rest = await claimed(pool, group_s=0)
    assert (rest.alarm.priority, len(rest.carried)) == (2, 118)
    assert [each.priority for each in rest.carried] == sorted(each.priority for each in rest.carried)
    await notifications.finish(pool, rest, TAKEN, state="delivered")
    assert states(hands) == ["delivered"] * 120
    told = [row for row in hands.attempts() if row["route"] == "mail/kim"]
    assert [(row["outcome"], row["status"]) for row in told] == [("delivered", 250)] * 120
    assert await claim(pool) is None


async def test_what_comes_meanwhile_is_told_in_the_next_message_and_the_critical_at_once(
    hands: Hands, pool: Pool
) -> None:
    await opened(hands, pool, {1: 2})
    await notifications.finish(pool, await claimed(pool), TAKEN, state="delivered")
    await opened(hands, pool, {2: 2, 3: 3})
    assert await claim(pool) is None
    await opened(hands, pool, {4: 1})
    assert (await claimed(pool)).alarm.sensor == "fence-4"
    hands.rows("UPDATE notification_outbox SET finished = finished - INTERVAL '61 s' RETURNING 1")
    grown = await claimed(pool)
    assert (grown.alarm.sensor, [each.sensor for each in grown.carried]) == ("fence-2", ["fence-3"])


async def test_alarm_more_urgent_than_all_that_a_person_was_told_is_told_first_and_alone(
    hands: Hands, pool: Pool
) -> None:
    await opened(hands, pool, {1: 3})
    await notifications.finish(pool, await claimed(pool), TAKEN, state="delivered")
    await opened(hands, pool, {2: 3, 3: 2})
    higher = await claimed(pool)
    assert (higher.alarm.sensor, higher.carried) == ("fence-3", ())
    assert await claim(pool) is None
    await notifications.finish(pool, higher, TAKEN, state="delivered")
    assert await claim(pool) is None
    rest = await claimed(pool, group_s=0)
    assert (rest.alarm.sensor, rest.carried) == ("fence-2", ())


async def test_message_that_fails_lets_go_of_the_others_and_the_next_attempt_tells_them_all(
    hands: Hands, pool: Pool
) -> None:
    await opened(hands, pool, {1: 2, 2: 2})
    first = await claimed(pool)
    assert len(first.carried) == 1
    await notifications.postpone(pool, first, AWAY, pause_s=0, hold_route=False)
    again = await claimed(pool)
    assert ([again.attempt, again.carried[0].attempt], len(again.carried)) == ([2, 2], 1)
    told = [(row["carried_by"], row["carried_attempt"]) for row in hands.attempts() if row["carried_by"]]
    assert told == [(first.id, 1), (again.id, 2)]


async def test_message_of_a_dead_process_is_told_again_with_all_it_carried(hands: Hands, pool: Pool) -> None:
    await opened(hands, pool, {1: 2, 2: 2})
    await claimed(pool)
    assert await claim(pool) is None
    hands.rows("UPDATE notification_outbox SET due = now() - INTERVAL '1 s' WHERE route = 'mail/kim' RETURNING 1")
    again = await claimed(pool)
    assert ([again.attempt, again.carried[0].attempt], len(again.carried)) == ([2, 2], 1)


async def test_alarm_that_somebody_has_is_not_carried_along(hands: Hands, pool: Pool) -> None:
    await opened(hands, pool, {1: 2, 2: 2, 3: 2})
    async with alarms.moving(pool) as connection:
        await acts.acknowledge(connection, Actor("ada", verified=False), hands.alarms()[1]["id"], None)
    message = await claimed(pool)
    assert [each.sensor for each in message.carried] == ["fence-3"]


async def test_route_to_nobody_in_particular_gets_every_message_by_itself(hands: Hands, pool: Pool) -> None:
    await opened(hands, pool, {1: 2, 2: 2})
    for _ in range(2):
        message = await notifications.claim(pool, "journal", lease_s=60, give_up_after_s=3600, group_s=60)
        assert message is not None
        assert message.carried == ()
        await notifications.finish(pool, message, TAKEN, state="delivered")


async def test_clock_set_back_does_not_hold_the_next_message_back(hands: Hands, pool: Pool) -> None:
    await opened(hands, pool, {1: 2})
    await notifications.finish(pool, await claimed(pool), TAKEN, state="delivered")
    hands.rows("UPDATE notification_outbox SET finished = finished + INTERVAL '1 d' RETURNING 1")
    await opened(hands, pool, {2: 2})
    assert (await claimed(pool)).alarm.sensor == "fence-2"
