"""Incidents and the public tables, on TimescaleDB and on plain PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import psycopg
import pytest

from hubwatch_alarms import acts, incident_acts
from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.mover import Mover, apply
from hubwatch_alarms.triggers import Acknowledge
from hubwatch_core.alarm import Adjudication
from hubwatch_core.clock import SECOND_US, now_us
from hubwatch_core.errors import Permanent
from hubwatch_core.permission import Actor
from hubwatch_store.alarms import alarms
from hubwatch_store.database import Pool, listen, open_pool
from support.alarms_database import Hands, hands_on, settings_of
from support.alarms_examples import START_US, detection


@pytest.fixture
def hands(migrated_database: str) -> Iterator[Hands]:
    with hands_on(migrated_database) as made:
        for sensor, zone in (("fence-1", "north"), ("fence-2", "north"), ("rpm-2", "gate-2"), ("door-3", "east")):
            made.place("rotterdam", sensor, zone)
        yield made


@pytest.fixture
async def pool(migrated_database: str, hands: Hands) -> AsyncIterator[Pool]:
    async with open_pool(settings_of(migrated_database)) as made:
        yield made


@pytest.fixture
def mover(pool: Pool) -> Mover:
    return Mover(pool, [], Instructions.load())


def incident_of(hands: Hands, sensor: str) -> int:
    (row,) = hands.rows("SELECT incident FROM alarms WHERE sensor = %s ORDER BY id DESC LIMIT 1", sensor)
    return int(row["incident"])


async def test_alarms_of_one_zone_within_minutes_are_one_incident(hands: Hands, mover: Mover) -> None:
    hands.detect(detection(number=1), detection(number=2, sensor="fence-2", start=START_US + 60 * SECOND_US))
    await mover.round()
    assert incident_of(hands, "fence-1") == incident_of(hands, "fence-2")
    assert [row["alarms"] for row in hands.rows("SELECT * FROM incidents")] == [2]


async def test_alarms_of_one_zone_far_apart_in_time_are_two_incidents(hands: Hands, mover: Mover) -> None:
    hands.detect(detection(number=1), detection(number=2, sensor="fence-2", start=START_US + 301 * SECOND_US))
    await mover.round()
    assert incident_of(hands, "fence-1") != incident_of(hands, "fence-2")


async def test_critical_alarm_joins_what_happens_elsewhere_in_its_hub(hands: Hands, mover: Mover) -> None:
    hands.detect(detection(number=1), detection(number=2, sensor="door-3"))
    hands.detect(detection(number=3, sensor="rpm-2", priority=1, start=START_US + SECOND_US))
    await mover.round()
    assert incident_of(hands, "fence-1") != incident_of(hands, "door-3")
    assert incident_of(hands, "rpm-2") in {incident_of(hands, "fence-1"), incident_of(hands, "door-3")}


async def test_hubs_never_share_an_incident(hands: Hands, mover: Mover) -> None:
    hands.detect(detection(number=1, priority=1), detection(number=2, priority=1, hub="basel"))
    await mover.round()
    assert len(hands.rows("SELECT * FROM incidents")) == 2


async def test_incident_closes_with_the_last_of_its_alarms_and_takes_no_new_ones(
    hands: Hands, mover: Mover, pool: Pool
) -> None:
    hands.detect(detection(number=1, over=True), detection(number=2, sensor="fence-2", over=True))
    await mover.round()
    first, second = hands.alarms()
    await acknowledge(pool, first["id"])
    assert hands.rows("SELECT closed FROM incidents") == [{"closed": None}]
    await acknowledge(pool, second["id"])
    assert hands.rows("SELECT closed IS NOT NULL AS over FROM incidents") == [{"over": True}]
    hands.detect(detection(number=3, type_="perimeter.masked", start=START_US + 60 * SECOND_US))
    await mover.round()
    assert len(hands.rows("SELECT * FROM incidents")) == 2


async def test_machine_closes_nothing_that_somebody_has_or_has_commented_on(
    hands: Hands, mover: Mover, pool: Pool
) -> None:
    far = START_US + 20 * 60 * SECOND_US
    hands.detect(detection(number=1, over=True), detection(number=2, sensor="door-3", start=far, over=True))
    await mover.round()
    kim = Actor("kim", verified=False)
    first, second = hands.alarms()
    async with alarms.moving(pool) as connection:
        await incident_acts.comment(connection, kim, first["incident"], "footprints")
        await incident_acts.assign(connection, kim, second["incident"], "lee", None)
    for each in (first, second):
        await acknowledge(pool, each["id"])
    assert hands.rows("SELECT closed FROM incidents") == [{"closed": None}, {"closed": None}]
    async with alarms.moving(pool) as connection:
        await incident_acts.assign(connection, kim, second["incident"], None, None)
        found, _ = await incident_acts.close(connection, kim, first["incident"], Adjudication.REAL, "burglars")
    assert (found.state, found.comments) == ("closed", 0)
    assert hands.rows("SELECT closed IS NOT NULL AS over FROM incidents") == [{"over": True}, {"over": True}]
    words = hands.rows("SELECT action, by FROM incident_journal WHERE incident = %s ORDER BY id", second["incident"])
    assert [(row["action"], row["by"]) for row in words] == [
        ("assigned", "kim"), ("unassigned", "kim"), ("closed", "system"),
    ]  # fmt: skip


async def test_word_about_an_incident_no_longer_stands_once_it_is_open_again_and_figures_count_the_last_one(
    hands: Hands, mover: Mover, pool: Pool
) -> None:
    kim, now = Actor("kim", verified=False), now_us()
    hands.detect(detection(number=1, start=now, over=True))
    await mover.round()
    (alarm,) = hands.alarms()
    await acknowledge(pool, alarm["id"])
    async with alarms.moving(pool) as connection:
        await incident_acts.close(connection, kim, alarm["incident"], Adjudication.FALSE, "a fox")
    judged = "SELECT j.verdict, i.verdict AS word FROM judged_alarms j, incidents i"
    assert hands.rows(judged) == [{"verdict": "false", "word": "false"}]
    hands.detect(detection(number=2, start=now + SECOND_US))
    await mover.round()
    (again,) = hands.alarms()
    assert (again["id"], again["state"]) == (alarm["id"], "acknowledged")
    assert hands.rows(judged) == [{"verdict": None, "word": None}]
    assert hands.rows("SELECT closed, judged, judged_by FROM incidents") == [
        {"closed": None, "judged": None, "judged_by": None}
    ]
    said = hands.rows("SELECT note FROM incident_journal WHERE action = 'reopened'")
    assert said == [{"note": "that it was false, as kim said, no longer stands"}]
    async with alarms.moving(pool) as connection:
        await incident_acts.close(connection, kim, alarm["incident"], Adjudication.REAL, "two men", end_alarms=True)
    assert hands.rows(judged) == [{"verdict": "real", "word": "real"}]
    assert hands.rows('SELECT judged, "false", "real" FROM false_alarms') == [{"judged": 1, "false": 0, "real": 1}]


async def test_closing_anew_judges_also_an_alarm_that_was_judged_by_itself_before_it_came_back(
    hands: Hands, mover: Mover, pool: Pool
) -> None:
    kim, now = Actor("kim", verified=False), now_us()
    hands.detect(detection(number=1, start=now, over=True), detection(number=2, sensor="fence-2", start=now, over=True))
    await mover.round()
    for each in hands.alarms():
        await acknowledge(pool, each["id"])
        async with alarms.moving(pool) as connection:
            await acts.adjudicate(connection, kim, each["id"], Adjudication.INNOCENT, None)
    hands.detect(detection(number=3, start=now + SECOND_US))
    await mover.round()
    async with alarms.moving(pool) as connection:
        incident = hands.alarms()[0]["incident"]
        await incident_acts.close(connection, kim, incident, Adjudication.REAL, None, end_alarms=True)
    words = hands.rows("SELECT sensor, verdict FROM judged_alarms ORDER BY sensor")
    assert [(row["sensor"], row["verdict"]) for row in words] == [("fence-1", "real"), ("fence-2", "innocent")]


async def test_more_severe_alarm_raises_its_incident_and_says_so_in_title_and_timeline(
    hands: Hands, mover: Mover, pool: Pool
) -> None:
    hands.detect(detection(number=1, priority=3))
    await mover.round()
    (quiet,) = hands.rows("SELECT priority, title FROM incidents")
    assert (quiet["priority"], quiet["title"]) == (3, "Intrusion at the perimeter, rotterdam / north")
    hands.detect(detection(number=2, sensor="fence-2", priority=1, type_="radiation.gamma", start=START_US + SECOND_US))
    await mover.round()
    (grave,) = hands.rows("SELECT id, priority, title FROM incidents")
    assert grave["priority"] == 1
    assert grave["title"].startswith(Instructions.load().of("radiation.gamma").title)
    raised = hands.rows("SELECT action, alarm, note FROM incident_journal")
    assert [(row["action"], row["alarm"], row["note"]) for row in raised] == [
        ("raised", hands.alarms()[1]["id"], "medium before, now critical")
    ]
    told = hands.rows("SELECT what, action FROM incident_timeline WHERE incident = %s ORDER BY at, key", grave["id"])
    assert ("act", "raised") in [(row["what"], row["action"]) for row in told]
    # Whoever closes an incident has seen each of its alarms.
    async with alarms.moving(pool) as connection:
        with pytest.raises(Permanent, match="take them first"):
            await incident_acts.close(connection, Actor("kim", verified=False), grave["id"], Adjudication.FALSE, None)


async def test_order_to_a_device_and_a_level_are_in_the_timeline(hands: Hands, mover: Mover) -> None:
    hands.detect(detection())
    await mover.round()
    (place,) = hands.rows("SELECT id FROM sensors WHERE sensor = 'fence-2'")
    (incident,) = hands.rows("SELECT id, opened FROM incidents")
    hands.rows("INSERT INTO hubs (hub) VALUES ('rotterdam') RETURNING hub")
    hands.rows("SELECT ensure_partitions('event', ARRAY[%s]) AS x", incident["opened"])
    for type_, later in (("command.executed", "1 min"), ("door.opened", "1 min"), ("command.refused", "-1 min")):
        hands.connection.execute(
            "INSERT INTO event (time, sensor_id, type, subject, attrs, late) VALUES"
            " (%s + %s::interval, %s, %s, 'badge:1', '{\"target\": \"latch\"}', false)",
            (incident["opened"], later, place["id"], type_),
        )
    hands.rows(
        "INSERT INTO level_journal (hub, level, former, by, note, at) VALUES ('rotterdam', 2, 1, 'robin', 'x', %s)"
        " RETURNING 1",
        incident["opened"] + timedelta(minutes=2),
    )
    told = hands.rows(
        "SELECT what, action, by, details ->> 'target' AS target FROM incident_timeline"
        " WHERE what IN ('command', 'level') ORDER BY at"
    )
    assert told == [
        {"what": "command", "action": "command.executed", "by": "badge:1", "target": "latch"},
        {"what": "level", "action": "2", "by": "robin", "target": None},
    ]


async def test_database_itself_refuses_a_second_open_alarm_of_a_condition(hands: Hands, mover: Mover) -> None:
    hands.detect(detection())
    await mover.round()
    copy = """INSERT INTO alarms (hub, sensor, type, priority, state, opened, last_active, why)
        SELECT hub, sensor, type, priority, state, opened, last_active, why FROM alarms"""
    with pytest.raises(psycopg.errors.UniqueViolation):
        hands.connection.execute(copy)


async def test_database_itself_refuses_to_change_the_journal(hands: Hands, mover: Mover) -> None:
    hands.detect(detection())
    await mover.round()
    for statement in ("UPDATE alarm_journal SET by = 'nobody'", "DELETE FROM alarm_journal"):
        with pytest.raises(psycopg.errors.RestrictViolation):
            hands.connection.execute(statement.encode())


async def test_listener_hears_detections_ends_and_moves(hands: Hands, mover: Mover, migrated_database: str) -> None:
    heard = listen(settings_of(migrated_database), ["hubwatch_detections", "hubwatch_alarms"])
    assert await anext(heard) == ""
    hands.detect(detection())
    assert await next_channel(heard) == "hubwatch_detections"
    await mover.round()
    assert await next_channel(heard) == "hubwatch_alarms"
    hands.end(detection().id, START_US + SECOND_US)
    assert await next_channel(heard) == "hubwatch_detections"
    await heard.aclose()


async def next_channel(heard: AsyncIterator[str]) -> str:
    async for channel in heard:
        if channel:
            return channel
    raise AssertionError("the listener ended")


async def acknowledge(pool: Pool, alarm: int) -> None:
    async with alarms.moving(pool) as connection:
        found = await alarms.alarm_by_id(connection, alarm)
        assert found is not None
        await apply(connection, found, Acknowledge(now_us(), "kim"))
