"""Findings that are taken together come to the same as those that are taken one by one."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.mover import Mover, apply
from hubwatch_alarms.notify.log import LogRouteSection
from hubwatch_alarms.priorities import Priorities
from hubwatch_alarms.triggers import Acknowledge
from hubwatch_core.alarm import WAITING
from hubwatch_core.clock import SECOND_US, now_us
from hubwatch_core.wire import Detection
from hubwatch_store.alarms import alarms
from hubwatch_store.database import Pool, open_pool, queries
from support.alarms_database import Hands, hands_on, settings_of
from support.alarms_examples import detection

ROUTE = LogRouteSection(name="all", kind="log")
ONE_BY_ONE, TOGETHER = "basel", "rotterdam"
FINDINGS = 40


@pytest.fixture
def hands(migrated_timescale_dsn: str) -> Iterator[Hands]:
    with hands_on(migrated_timescale_dsn) as made:
        yield made


@pytest.fixture
async def pool(migrated_timescale_dsn: str, hands: Hands) -> AsyncIterator[Pool]:
    async with open_pool(settings_of(migrated_timescale_dsn)) as made:
        yield made


def findings(chance: random.Random) -> list[dict[str, Any]]:
    """Return detections of a few conditions: short and long, late and urgent, near each other and far apart."""
    begin = now_us() - 20_000 * SECOND_US
    found = []
    for _ in range(FINDINGS):
        begin += chance.choice([1, 20, 400]) * SECOND_US
        over = chance.random() < 0.6
        found.append(
            {
                "start": begin, "over": over, "late": over and chance.random() < 0.2, "priority": chance.randint(1, 4),
                "sensor": f"fence-{chance.randint(1, 2)}", "subject": chance.choice([None, "badge:1"]),
            }
        )  # fmt: skip
    return found


async def take_all(pool: Pool, hands: Hands, hub: str) -> None:
    """Acknowledge what waits at a hub, so that later findings come upon closed and held alarms, too."""
    for row in hands.rows("SELECT id FROM alarms WHERE hub = %s AND closed IS NULL ORDER BY id", hub):
        async with alarms.moving(pool) as connection:
            alarm = await alarms.alarm_by_id(connection, row["id"])
            assert alarm is not None
            if alarm.state in WAITING:
                await apply(connection, alarm, Acknowledge(now_us(), "kim"))


def stand(hands: Hands, hub: str) -> list[dict[str, Any]]:
    return hands.rows(
        "SELECT sensor, subject, state, priority, detections, active, late, opened, last_active, returned,"
        " realarm IS NULL AS calm,"
        " (SELECT array_agg(j.action ORDER BY j.id) FROM alarm_journal j WHERE j.alarm = a.id) AS journal,"
        " (SELECT count(*) FROM notification_outbox o WHERE o.alarm = a.id) AS messages,"
        " a.incident - (SELECT min(i.id) FROM incidents i WHERE i.hub = a.hub) AS incident"
        " FROM alarms a WHERE hub = %s ORDER BY id",
        hub,
    )


@pytest.mark.parametrize("seed", [1, 2])
async def test_together_is_the_same_as_one_by_one(hands: Hands, pool: Pool, seed: int) -> None:
    mover = Mover(pool, [ROUTE], Instructions.load())
    wanted = findings(random.Random(seed))
    for half in (wanted[: FINDINGS // 2], wanted[FINDINGS // 2 :]):
        offset = wanted.index(half[0])
        for number, each in enumerate(half, start=offset):
            hands.detect(detection(number=number, hub=ONE_BY_ONE, **each))
            await mover.round()
        for number in range(offset, offset + len(half), 3):
            hands.end(detection(number=number).id, half[number - offset]["start"] + 30 * SECOND_US)
            await mover.round()
        await take_all(pool, hands, ONE_BY_ONE)
    for half in (wanted[: FINDINGS // 2], wanted[FINDINGS // 2 :]):
        offset = wanted.index(half[0])
        together = [detection(number=1000 + offset + at, hub=TOGETHER, **each) for at, each in enumerate(half)]
        hands.detect(*together)
        await mover.round()
        for number in range(offset, offset + len(half), 3):
            hands.end(detection(number=1000 + number).id, half[number - offset]["start"] + 30 * SECOND_US)
        await mover.round()
        await take_all(pool, hands, TOGETHER)
    assert stand(hands, TOGETHER) == stand(hands, ONE_BY_ONE)


async def test_symptom_in_the_batch_of_its_cause_is_set_aside(hands: Hands, pool: Pool, tmp_path: Path) -> None:
    table = tmp_path / "priority.toml"
    table.write_text(
        '[[design]]\nname = "dead"\ntypes = ["integrity.sensor_silent"]\nwhile_open = ["power.lost"]\n',
        encoding="utf-8",
    )
    for sensor in ("ups-1", "door-1"):
        hands.place(TOGETHER, sensor, "yard")
    mover = Mover(pool, [ROUTE], Instructions.load(), priorities=Priorities.load(table))
    hands.detect(fresh(1, "ups-1", "power.lost"), fresh(2, "door-1", "integrity.sensor_silent"))
    await mover.round()
    assert [row["state"] for row in hands.alarms()] == ["unacknowledged", "suppressed"]
    assert len(hands.outbox()) == 1


async def test_finding_that_the_database_refuses_costs_itself_only(hands: Hands, pool: Pool) -> None:
    hands.connection.execute("ALTER TABLE alarms ADD CONSTRAINT bad CHECK (sensor <> 'door-3')")
    mover = Mover(pool, [ROUTE], Instructions.load())
    hands.detect(*(fresh(number, f"door-{number}", "access.forced") for number in range(7)))
    await mover.round()
    assert [row["sensor"] for row in hands.alarms()] == [f"door-{number}" for number in range(7) if number != 3]
    (refused,) = hands.rows("SELECT detection, ended, hub, reason FROM alarm_refused")
    assert (refused["detection"], refused["ended"], refused["hub"]) == (fresh(3, "", "").id, False, TOGETHER)
    assert '"bad"' in refused["reason"]
    assert len(hands.outbox()) == 6
    hands.connection.execute("ALTER TABLE alarms ADD CONSTRAINT few CHECK (sensor <> 'door-1' OR detections < 2)")
    hands.detect(*(fresh(10 + number, f"door-{number}", "access.forced") for number in range(2)))
    await mover.round()
    assert [row["detections"] for row in hands.alarms()][:2] == [2, 1]
    hands.connection.execute("ALTER TABLE alarms DROP CONSTRAINT bad, DROP CONSTRAINT few")
    hands.connection.execute(
        "WITH again AS (DELETE FROM alarm_refused RETURNING detection, ended)"
        " INSERT INTO alarm_inbox (detection, ended) SELECT detection, ended FROM again ORDER BY ended"
    )
    await mover.round()
    assert [row["detections"] for row in hands.alarms()] == [2, 2, 1, 1, 1, 1, 1]


def fresh(number: int, sensor: str, type_: str) -> Detection:
    return detection(number=number, sensor=sensor, type_=type_, start=now_us(), priority=3)


def test_neighbours_in_a_flood_of_single_incidents_are_read_a_few_times_each(hands: Hands) -> None:
    """The plan is made while there is little, and kept: it must not read all alarms for each incident of a flood."""
    many, text = 600, queries("incidents")["neighbours"]
    for number, name in enumerate(("hub", "since", "until", "exercise", "most"), start=1):
        text = text.replace(f"%({name})s", f"${number}")
    hands.connection.execute(f"PREPARE near (text, timestamptz, timestamptz, bigint, bigint) AS {text}".encode())
    hands.connection.execute("SET plan_cache_mode = force_generic_plan")
    asked = "EXECUTE near ('basel', now() - INTERVAL '5 min', now() + INTERVAL '5 min', NULL, 100)"
    assert hands.rows(asked) == []
    hands.rows(
        "WITH i AS (INSERT INTO incidents (hub, opened, title, alarms) SELECT 'basel', now(), 't', 1"
        " FROM generate_series(1, %s) RETURNING id)"
        " INSERT INTO alarms (hub, sensor, type, priority, state, opened, last_active, detections, active, why, score,"
        " late, incident) SELECT 'basel', 's' || id, 'access.held', 2, 'unacknowledged', now(), now(), 1, 1, 'w', 1,"
        " false, id FROM i RETURNING id",
        many,
    )
    (row,) = hands.rows(f"EXPLAIN (ANALYZE, FORMAT JSON) {asked}")
    plan = row["QUERY PLAN"][0]["Plan"]
    assert plan["Actual Rows"] == 100
    assert read_by(plan) < 20 * many


def read_by(node: dict[str, Any]) -> float:
    """Return how many rows all steps of a plan have given."""
    own = float(node["Actual Rows"]) * float(node["Actual Loops"])
    return own + sum(read_by(each) for each in node.get("Plans", []))
