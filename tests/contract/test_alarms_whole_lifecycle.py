"""Delays, being told again, latching, chatter over a closing: through the database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.mover import Mover, apply
from hubwatch_alarms.notify.log import LogRouteSection
from hubwatch_alarms.priorities import Priorities
from hubwatch_alarms.triggers import Acknowledge, Close, Trigger
from hubwatch_core.clock import SECOND_US, now_us
from hubwatch_core.wire import Detection
from hubwatch_store.alarms import alarms
from hubwatch_store.database import Pool, open_pool
from support.alarms_database import Hands, hands_on, settings_of
from support.alarms_examples import detection

MINUTE_US = 60 * SECOND_US
ROUTE = LogRouteSection(name="all", kind="log")


@pytest.fixture
def hands(migrated_plain_dsn: str) -> Iterator[Hands]:
    with hands_on(migrated_plain_dsn) as made:
        yield made


@pytest.fixture
async def pool(migrated_plain_dsn: str, hands: Hands) -> AsyncIterator[Pool]:
    async with open_pool(settings_of(migrated_plain_dsn)) as made:
        yield made


@pytest.fixture
def mover_with(pool: Pool, tmp_path: Path) -> Callable[[str], Mover]:
    """Make a mover whose table says this of fence alarms."""

    def make(said: str) -> Mover:
        file = tmp_path / "priority.toml"
        file.write_text(f'[types."perimeter.intrusion"]\n{said}\n', encoding="utf-8")
        return Mover(pool, [ROUTE], Instructions.load(), priorities=Priorities.load(file))

    return make


async def act(pool: Pool, alarm: int, trigger: Trigger) -> None:
    async with alarms.moving(pool) as connection:
        found = await alarms.alarm_by_id(connection, alarm)
        assert found is not None
        await apply(connection, found, trigger, verified=True)


def fresh(number: int = 1, *, ago_s: int = 0, over: bool = False, priority: int = 2) -> Detection:
    return detection(number=number, start=now_us() - ago_s * SECOND_US, over=over, priority=priority)


def states(hands: Hands) -> list[str]:
    return [row["state"] for row in hands.alarms()]


def told(hands: Hands) -> list[str]:
    return [
        row["action"]
        for row in hands.rows(
            "SELECT j.action FROM notification_outbox o JOIN alarm_journal j ON j.id = o.journal ORDER BY o.journal"
        )
    ]


def delayed(hands: Hands) -> list[str | None]:
    return [row["outcome"] for row in hands.rows("SELECT outcome FROM alarm_delayed ORDER BY detection")]


async def test_condition_waits_for_its_on_delay_and_then_makes_one_alarm(
    hands: Hands, mover_with: Callable[[str], Mover]
) -> None:
    mover = mover_with("on_delay_s = 600")
    hands.detect(fresh())
    await mover.round()
    assert (states(hands), delayed(hands)) == ([], [None])
    hands.rows("UPDATE alarm_delayed SET due = now() RETURNING detection")
    for _ in range(3):
        await mover.round()
    assert (states(hands), delayed(hands)) == (["unacknowledged"], ["alarmed"])
    assert told(hands) == ["opened"]


@pytest.mark.parametrize("together", [True, False], ids=["end in the same batch", "end later"])
async def test_condition_that_goes_within_its_on_delay_makes_no_alarm_and_stays_on_record(
    hands: Hands, mover_with: Callable[[str], Mover], together: bool
) -> None:
    mover = mover_with("on_delay_s = 600")
    found = fresh()
    hands.detect(found)
    passed = 0 if together else (await mover.round()).passed
    hands.end(found.id, found.start + SECOND_US)
    passed += (await mover.round()).passed + (await mover.round()).passed
    assert passed == 1
    assert (states(hands), delayed(hands)) == ([], ["passed"])


async def test_condition_that_went_after_its_on_delay_is_not_lost(
    hands: Hands, mover_with: Callable[[str], Mover]
) -> None:
    mover = mover_with("on_delay_s = 600")
    found = fresh(ago_s=10)
    hands.detect(found)
    await mover.round()
    hands.end(found.id, found.start + 601 * SECOND_US)
    hands.rows("UPDATE alarm_delayed SET since = since RETURNING detection")
    await mover.round()
    # The end lies ahead of the clock here, and counts as now: it has not lasted.
    assert delayed(hands) == ["passed"]
    older = fresh(2, ago_s=700)
    hands.detect(older)
    hands.end(older.id, older.start + 650 * SECOND_US)
    await mover.round()
    assert states(hands) == ["returned"]


async def test_what_was_over_when_it_was_made_and_what_is_critical_is_never_delayed(
    hands: Hands, mover_with: Callable[[str], Mover]
) -> None:
    mover = mover_with("on_delay_s = 600")
    hands.detect(fresh(1, over=True))
    await mover.round()
    assert states(hands) == ["returned"]
    hands.detect(fresh(2, priority=1))
    await mover.round()
    assert states(hands) == ["unacknowledged"]


async def test_delay_that_began_after_now_is_over_because_the_clock_was_set_back(
    hands: Hands, mover_with: Callable[[str], Mover]
) -> None:
    mover = mover_with("on_delay_s = 600")
    hands.detect(fresh())
    await mover.round()
    hands.rows("UPDATE alarm_delayed SET since = now() + INTERVAL '1 day', due = now() + INTERVAL '1 day' RETURNING 1")
    await mover.round()
    await mover.round()
    assert states(hands) == ["unacknowledged"]


async def test_off_delay_bridges_a_condition_that_comes_back(hands: Hands, mover_with: Callable[[str], Mover]) -> None:
    mover = mover_with("off_delay_s = 600")
    first = fresh(1, ago_s=60)
    hands.detect(first)
    await mover.round()
    hands.end(first.id, first.start + SECOND_US)
    await mover.round()
    assert states(hands) == ["unacknowledged"]
    second = fresh(2)
    hands.detect(second)
    await mover.round()
    assert hands.actions(hands.alarms()[0]["id"]) == ["opened", "repeated"]
    hands.end(second.id, second.start + SECOND_US)
    await mover.round()
    hands.rows("UPDATE alarms SET returns_at = now() RETURNING id")
    await mover.round()
    assert states(hands) == ["returned"]


async def test_alarm_that_nobody_takes_is_told_again_each_time_its_time_is_over(
    hands: Hands, mover_with: Callable[[str], Mover], pool: Pool
) -> None:
    mover = mover_with("realarm_s = 600")
    hands.detect(fresh())
    await mover.round()
    await mover.round()
    assert told(hands) == ["opened"]
    for _ in range(2):
        hands.rows("UPDATE alarms SET realarm = now() RETURNING id")
        await mover.round()
        await mover.round()
    assert told(hands) == ["opened", "realarmed", "realarmed"]
    await act(pool, hands.alarms()[0]["id"], Acknowledge(now_us(), "kim"))
    assert hands.alarms()[0]["realarm"] is None


async def test_moment_far_ahead_is_of_a_clock_that_was_set_back(
    hands: Hands, mover_with: Callable[[str], Mover]
) -> None:
    mover = mover_with("realarm_s = 600")
    hands.detect(fresh())
    await mover.round()
    hands.rows("UPDATE alarms SET realarm = now() + INTERVAL '1 day' RETURNING id")
    await mover.round()
    assert told(hands) == ["opened", "realarmed"]


async def test_latching_alarm_stays_until_somebody_resets_it(
    hands: Hands, mover_with: Callable[[str], Mover], pool: Pool
) -> None:
    mover = mover_with("latching = true")
    found = fresh(ago_s=60)
    hands.detect(found)
    await mover.round()
    (alarm,) = [row["id"] for row in hands.alarms()]
    await act(pool, alarm, Acknowledge(now_us(), "kim"))
    hands.end(found.id, found.start + SECOND_US)
    await mover.round()
    assert states(hands) == ["acknowledged"]
    await act(pool, alarm, Acknowledge(now_us(), "lee"))
    assert states(hands) == ["normal"]


async def test_flapping_contact_is_told_once_however_often_somebody_acknowledges_it(
    hands: Hands, mover_with: Callable[[str], Mover], pool: Pool
) -> None:
    mover = mover_with("")
    for number in range(1, 5):
        found = fresh(number)
        hands.detect(found)
        await mover.round()
        if number == 1:
            await act(pool, hands.alarms()[0]["id"], Acknowledge(now_us(), "kim"))
        hands.end(found.id, now_us())
        await mover.round()
    (alarm,) = hands.alarms()
    assert (alarm["state"], alarm["detections"], alarm["acknowledged_by"]) == ("normal", 4, "kim")
    assert told(hands) == ["opened"]
    assert hands.actions(alarm["id"]).count("reopened") == 3
    assert hands.rows("SELECT alarms, closed IS NOT NULL AS over FROM incidents") == [{"alarms": 1, "over": True}]


@pytest.mark.parametrize("after", ["a person closed it", "five minutes", "an hour since it was acknowledged"])
async def test_what_is_not_chatter_is_told_anew(
    hands: Hands, mover_with: Callable[[str], Mover], pool: Pool, after: str
) -> None:
    mover = mover_with("")
    first = fresh(1, ago_s=30)
    hands.detect(first)
    await mover.round()
    alarm = hands.alarms()[0]["id"]
    await act(pool, alarm, Acknowledge(now_us(), "kim"))
    if after == "a person closed it":
        await act(pool, alarm, Close(now_us(), "kim", "taken down"))
    else:
        hands.end(first.id, now_us())
        await mover.round()
    if after == "five minutes":
        hands.rows("UPDATE alarms SET closed = closed - INTERVAL '6 minutes' RETURNING id")
    elif after == "an hour since it was acknowledged":
        hands.rows("UPDATE alarms SET acknowledged = acknowledged - INTERVAL '61 minutes' RETURNING id")
    hands.detect(fresh(2))
    await mover.round()
    assert states(hands) == ["normal", "unacknowledged"]
    assert told(hands) == ["opened", "opened"]


async def test_critical_condition_that_comes_back_is_always_told(
    hands: Hands, mover_with: Callable[[str], Mover], pool: Pool
) -> None:
    mover = mover_with("")
    for number in (1, 2):
        hands.detect(fresh(number, over=True, priority=1))
        await mover.round()
        await act(pool, hands.alarms()[-1]["id"], Acknowledge(now_us(), "kim"))
    assert told(hands) == ["opened", "opened"]
