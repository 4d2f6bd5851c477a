"""Key figures of IEC 62682, and the order of a flood."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from prometheus_client import CollectorRegistry

from hubwatch_alarms import views
from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.metrics import AlarmMetrics
from hubwatch_alarms.mover import Mover, apply
from hubwatch_alarms.triggers import Acknowledge, Shelve
from hubwatch_core.clock import SECOND_US, now_us
from hubwatch_store.alarms import alarms, figures
from hubwatch_store.alarms.figures import Figures
from hubwatch_store.database import Pool, open_pool
from support.alarms_database import Hands, hands_on, settings_of
from support.alarms_examples import detection

SENSORS = 11


@pytest.fixture
def hands(migrated_database: str) -> Iterator[Hands]:
    with hands_on(migrated_database) as made:
        made.rows("INSERT INTO hubs (hub) VALUES ('rotterdam'), ('calm') ON CONFLICT DO NOTHING RETURNING hub")
        for number in range(SENSORS):
            made.place("rotterdam", f"s-{number}", "north")
        made.rows("UPDATE sensors SET agent = 'gate-7' RETURNING id")
        yield made


@pytest.fixture
async def pool(migrated_database: str, hands: Hands) -> AsyncIterator[Pool]:
    async with open_pool(settings_of(migrated_database)) as made:
        yield made


async def of_hub(pool: Pool, hub: str = "rotterdam") -> Figures:
    async with pool.connection() as connection:
        return {each.hub: each for each in await figures.figures(connection)}[hub]


async def listed(pool: Pool) -> views.AlarmList:
    async with pool.connection() as connection:
        return await views.listed(connection, hub=None, closed=False, most=100)


async def flood(hands: Hands, pool: Pool) -> None:
    """Open eleven silent sensors, the agent they hang on, and after them an intrusion and what is always told."""
    began = now_us() - 300 * SECOND_US
    silent = [
        detection(number=number, sensor=f"s-{number}", type_="integrity.sensor_silent", priority=3, start=began)
        for number in range(SENSORS)
    ]
    offline = detection(number=20, sensor="gate-7", type_="integrity.agent_offline", start=began + SECOND_US)
    first = detection(number=21, sensor="fence-1", priority=3, start=began + 2 * SECOND_US)
    second = detection(number=22, sensor="fence-2", priority=2, start=began + 3 * SECOND_US)
    tampered = detection(number=23, sensor="door-1", type_="access.tamper", start=began + 4 * SECOND_US)
    grave = detection(number=24, sensor="door-2", type_="access.forced", priority=1, start=began + 5 * SECOND_US)
    hands.detect(*silent, offline, first, second, tampered, grave)
    await Mover(pool, [], Instructions.load()).round()


async def test_in_a_flood_the_grave_comes_first_then_what_was_first_and_symptoms_last(hands: Hands, pool: Pool) -> None:
    await flood(hands, pool)
    found = await listed(pool)
    assert [alarm.sensor for alarm in found.alarms][:5] == ["door-1", "door-2", "gate-7", "fence-1", "fence-2"]
    offline = found.alarms[2].id
    assert {alarm.sensor: found.causes.get(alarm.id) for alarm in found.alarms[5:]} == {
        f"s-{number}": offline for number in range(SENSORS)
    }
    assert (found.floods, found.more) == (["rotterdam"], 0)


async def test_without_a_flood_the_most_urgent_and_newest_comes_first(hands: Hands, pool: Pool) -> None:
    began = now_us() - 300 * SECOND_US
    hands.detect(
        detection(number=1, sensor="fence-1", priority=3, start=began),
        detection(number=2, sensor="fence-2", priority=2, start=began + SECOND_US),
        detection(number=3, sensor="fence-3", priority=2, start=began + 2 * SECOND_US),
    )
    await Mover(pool, [], Instructions.load()).round()
    found = await listed(pool)
    assert [alarm.sensor for alarm in found.alarms] == ["fence-3", "fence-2", "fence-1"]
    assert (found.floods, found.causes) == ([], {})


async def test_symptom_of_a_cause_that_has_gone_is_its_own_alarm(hands: Hands, pool: Pool) -> None:
    await flood(hands, pool)
    hands.rows("UPDATE alarms SET active = 0 WHERE sensor = 'gate-7' RETURNING id")
    assert (await listed(pool)).causes == {}


async def test_figures_count_what_people_were_presented(hands: Hands, pool: Pool) -> None:
    await flood(hands, pool)
    found = await of_hub(pool)
    whole = SENSORS + 5
    assert found.per_hour == pytest.approx(whole / 24)
    assert found.top_10_share == pytest.approx(10 / whole)
    # All within a second: one period of ten minutes, or two at its border.
    assert found.flood_share * 144 <= 1
    assert (found.stale, found.shelved, found.suppressed, found.chattering) == (0, 0, 0, 0)
    assert found.acknowledged_p50_s is None


async def test_time_to_acknowledge_is_from_the_last_telling(hands: Hands, pool: Pool) -> None:
    hands.detect(*(detection(number=number, sensor=f"fence-{number}", start=now_us()) for number in (1, 2, 3)))
    await Mover(pool, [], Instructions.load()).round()
    told = {row["alarm"]: row["at"] for row in hands.rows("SELECT alarm, at FROM alarm_journal")}
    async with alarms.moving(pool) as connection:
        for alarm, after_s in zip(sorted(told), (10, 20, 60), strict=True):
            at = round(told[alarm].timestamp() * SECOND_US) + after_s * SECOND_US
            found = await alarms.alarm_by_id(connection, alarm)
            assert found is not None
            await apply(connection, found, Acknowledge(at, "kim"), verified=True)
    found_figures = await of_hub(pool)
    assert found_figures.acknowledged_p50_s == pytest.approx(20, abs=0.01)
    assert found_figures.acknowledged_p95_s == pytest.approx(56, abs=0.01)


async def test_what_is_set_aside_stale_or_chattering_is_counted(hands: Hands, pool: Pool) -> None:
    now = now_us()
    hands.detect(*(detection(number=number, sensor="fence-1", start=now) for number in (1, 2, 3)))
    hands.detect(detection(number=4, sensor="fence-2", start=now))
    hands.detect(detection(number=5, sensor="fence-3", start=now - 25 * 3600 * SECOND_US))
    await Mover(pool, [], Instructions.load()).round()
    (shelved,) = [row["id"] for row in hands.alarms() if row["sensor"] == "fence-2"]
    async with alarms.moving(pool) as connection:
        found = await alarms.alarm_by_id(connection, shelved)
        assert found is not None
        await apply(connection, found, Shelve(now_us(), "kim", now_us() + 600 * SECOND_US, "works"), verified=True)
    figures_then = await of_hub(pool)
    assert (figures_then.chattering, figures_then.shelved, figures_then.stale) == (1, 1, 1)


async def test_calm_hub_has_figures_too_and_metrics_leave_out_what_there_is_nothing_of(pool: Pool) -> None:
    calm = await of_hub(pool, "calm")
    assert (calm.per_hour, calm.flood_share, calm.top_10_share) == (0, 0, None)
    registry = CollectorRegistry()
    metrics = AlarmMetrics(registry)
    metrics.figures([calm])
    assert registry.get_sample_value("hubwatch_alarms_presented_per_hour", {"hub": "calm"}) == 0
    assert registry.get_sample_value("hubwatch_alarms_top_10_share", {"hub": "calm"}) is None
