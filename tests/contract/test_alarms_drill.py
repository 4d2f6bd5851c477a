"""Exercises: made-up detections go through everything, say so, and leave what is real alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest

from hubwatch_alarms import acts, drilling, incident_acts, people, views
from hubwatch_alarms.drilling import DrillWish
from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.mover import Mover
from hubwatch_alarms.notify.log import LogRouteSection
from hubwatch_alarms.scenarios import packaged
from hubwatch_alarms.settings import CommandSettings
from hubwatch_core.alarm import Action
from hubwatch_core.clock import now_us
from hubwatch_core.delivery import DeliveryOutcome, DeliveryResult
from hubwatch_core.errors import BadCall, Permanent
from hubwatch_core.permission import EVERY_HUB, Actor, Grant, Role
from hubwatch_store.alarms import Drill, alarms, drills, figures, incidents, notifications
from hubwatch_store.database import Pool, connect, open_pool
from hubwatch_store.users import NotAllowed
from support.alarms_database import Hands, hands_on, settings_of
from support.alarms_examples import detection
from support.role_logins import roles_in

HUB = "rotterdam"
SUPERVISOR = Actor("kim", (Grant(Role.SUPERVISOR, frozenset({EVERY_HUB})),))
GUARD = Actor("lee", (Grant(Role.GUARD, frozenset({EVERY_HUB})),))
ROUTE = LogRouteSection(name="journal", kind="log", on=(Action.OPENED, Action.CLOSED))


@pytest.fixture
def hands(migrated_database: str) -> Iterator[Hands]:
    with hands_on(migrated_database) as made:
        made.rows("INSERT INTO hubs (hub) VALUES (%s) ON CONFLICT DO NOTHING RETURNING hub", HUB)
        for sensor, kind, zone in (("fence-1", "perimeter", "north"), ("door-1", "access", "north"),
                                   ("ups-1", "power", "north"), ("door-2", "access", "south")):  # fmt: skip
            made.place(HUB, sensor, zone)
            made.rows("UPDATE sensors SET kind = %s WHERE sensor = %s RETURNING id", kind, sensor)
        yield made


@pytest.fixture
async def pool(migrated_database: str, hands: Hands) -> AsyncIterator[Pool]:
    async with open_pool(settings_of(migrated_database)) as made:
        yield made


@pytest.fixture
def mover(pool: Pool) -> Mover:
    return Mover(pool, [ROUTE], Instructions.load())


async def begin(pool: Pool, scenario: str = "cut-fence-at-night", person: Actor = SUPERVISOR, **more: Any) -> Drill:
    async with alarms.moving(pool) as connection:
        return await drilling.start(connection, person, DrillWish(scenario, HUB, **more), packaged())


async def ended(pool: Pool, number: int, person: Actor = GUARD) -> None:
    async with alarms.moving(pool) as connection:
        await drilling.end(connection, person, number)


async def reported(pool: Pool, number: int) -> dict[str, Any]:
    async with pool.connection() as connection:
        return await drilling.report(connection, number, Instructions.load())


def everything_due(hands: Hands) -> None:
    hands.rows("UPDATE drill_steps SET due = now() RETURNING number")


async def test_exercise_stands_beside_a_real_alarm_of_the_same_condition(
    hands: Hands, mover: Mover, pool: Pool
) -> None:
    hands.detect(detection(number=1, start=now_us()))
    await mover.round()
    drill = await begin(pool)
    await mover.round()
    await mover.round()
    hands.detect(detection(number=2, start=now_us()))
    await mover.round()
    real, made_up = hands.alarms()
    assert (real["exercise"], real["detections"]) == (None, 2)
    assert (made_up["exercise"], made_up["detections"]) == (drill.id, 1)
    assert (real["sensor"], real["type"]) == (made_up["sensor"], made_up["type"])
    assert real["incident"] != made_up["incident"]
    first, second = hands.rows("SELECT title, exercise FROM incidents ORDER BY id")
    assert (first["exercise"], second["exercise"]) == (None, drill.id)
    assert second["title"] == f"EXERCISE: {first['title']}"


async def test_real_alarm_opens_beside_an_exercise_and_is_told_before_it(
    hands: Hands, mover: Mover, pool: Pool
) -> None:
    await begin(pool)
    everything_due(hands)
    await mover.round()
    await mover.round()
    assert len(hands.alarms()) == 3
    hands.detect(detection(number=1, start=now_us(), priority=4))
    await mover.round()
    claimed = await notifications.claim(pool, "journal", lease_s=10, give_up_after_s=3600)
    assert claimed is not None
    assert claimed.alarm.exercise is None
    async with pool.connection() as connection:
        shown = await views.listed(connection, hub=HUB, closed=False, most=1)
    assert [each.exercise for each in shown.alarms] == [None]
    assert shown.more == 3


async def test_key_figures_counts_and_causes_leave_exercises_out(hands: Hands, mover: Mover, pool: Pool) -> None:
    await begin(pool, "power-lost", zone="north")
    everything_due(hands)
    await mover.round()
    await mover.round()
    hands.detect(detection(number=1, start=now_us(), type_="integrity.sensor_silent", priority=3))
    await mover.round()
    assert [row["exercise"] is None for row in hands.alarms()] == [False, False, True]
    async with pool.connection() as connection:
        (of_hub,) = await figures.figures(connection)
        assert sum((await alarms.count_open(connection)).values()) == 1
        assert await figures.causes(connection, [row["id"] for row in hands.alarms() if row["exercise"] is None]) == {}
        untold = await notifications.untold(connection, 0)
    assert of_hub.per_hour * 24 == pytest.approx(1)
    assert untold.alarms == 1
    assert hands.rows("SELECT alarm FROM judged_alarms") == [{"alarm": hands.alarms()[2]["id"]}]


async def test_exercise_ends_at_its_time_and_closes_what_it_opened(hands: Hands, mover: Mover, pool: Pool) -> None:
    drill = await begin(pool)
    await mover.round()
    await mover.round()
    assert [row["state"] for row in hands.alarms()] == ["unacknowledged"]
    hands.rows("UPDATE drills SET began = now() - INTERVAL '2 hours', ends = now() RETURNING id")
    for _ in range(3):
        await mover.round()
    (alarm,) = hands.alarms()
    assert alarm["state"] == "normal"
    assert hands.rows("SELECT ended_by FROM drills") == [{"ended_by": "system"}]
    assert hands.rows("SELECT closed IS NOT NULL AS over FROM incidents") == [{"over": True}]
    assert hands.rows("SELECT count(*) AS n FROM detection") == [{"n": 1}]
    assert hands.rows("SELECT * FROM drill_steps WHERE NOT over") == []
    last = hands.rows("SELECT note FROM alarm_journal WHERE action = 'closed'")
    assert last == [{"note": f"exercise {drill.id} is over"}]
    await begin(pool)


async def test_incident_of_an_exercise_ends_with_it_whoever_has_it_or_has_commented_on_it(
    hands: Hands, mover: Mover, pool: Pool
) -> None:
    drill = await begin(pool)
    hands.detect(detection(number=1, start=now_us()))
    await mover.round()
    await mover.round()
    incident = {row["exercise"]: row["incident"] for row in hands.alarms()}
    async with alarms.moving(pool) as connection:
        for each in incident.values():
            await incident_acts.comment(connection, GUARD, each, "I see nobody")
            await incident_acts.assign(connection, Actor("lee", verified=False), each, "lee", None)
    await mover.round()
    assert hands.rows("SELECT closed FROM incidents") == [{"closed": None}, {"closed": None}]
    await ended(pool, drill.id)
    await mover.round()
    open_ones = hands.rows("SELECT id FROM incidents WHERE closed IS NULL")
    assert open_ones == [{"id": incident[None]}]
    last = hands.rows("SELECT incident, action, by, note FROM incident_journal WHERE action = 'closed'")
    assert last == [
        {"incident": incident[drill.id], "action": "closed", "by": "system", "note": f"exercise {drill.id} is over"}
    ]


async def test_condition_of_a_step_goes_when_the_scenario_says(hands: Hands, mover: Mover, pool: Pool) -> None:
    await begin(pool)
    await mover.round()
    await mover.round()
    hands.rows("UPDATE drill_steps SET until = now() WHERE number = 1 RETURNING number")
    await mover.round()
    await mover.round()
    assert [row["state"] for row in hands.alarms()] == ["returned"]


async def test_report_says_who_was_told_by_what_and_who_answered_when(hands: Hands, mover: Mover, pool: Pool) -> None:
    drill = await begin(pool, "duress", zone="south", note="monthly")
    await mover.round()
    await mover.round()
    message = await notifications.claim(pool, "journal", lease_s=10, give_up_after_s=3600)
    assert message is not None
    await notifications.finish(pool, message, DeliveryOutcome(DeliveryResult.DELIVERED), state="delivered")
    async with alarms.moving(pool) as connection:
        await acts.acknowledge(connection, GUARD, message.alarm.id, None)
    await ended(pool, drill.id)
    await mover.round()
    told = await reported(pool, drill.id)
    (alarm,) = told["alarms"]
    assert (told["title"], told["by"], told["ended_by"]) == (
        "EXERCISE: Somebody is forced to open a door",
        "kim",
        "lee",
    )
    assert (told["steps"], told["made_up"], told["told"], told["answered"]) == (1, 1, 1, 1)
    assert (alarm["sensor"], alarm["answered_by"], alarm["answer"]) == ("door-2", "lee", "acknowledged")
    assert alarm["title"].startswith("EXERCISE: ")
    assert alarm["answered_after_s"] >= alarm["told"][0]["after_s"] > 0
    assert [(each["event"], each["route"], each["outcome"]) for each in alarm["told"]] == [
        ("opened", "journal", "delivered"),
        ("closed", "journal", "waiting"),
    ]
    acted = hands.rows("SELECT who, act, subject FROM audit WHERE act LIKE 'alarm.drill%%' ORDER BY id")
    assert [(row["who"], row["act"], row["subject"]) for row in acted] == [
        ("kim", "alarm.drill", f"exercise {drill.id}"),
        ("lee", "alarm.drill_end", f"exercise {drill.id}"),
    ]


@pytest.mark.parametrize(
    ("scenario", "more", "words"),
    [
        ("source-in-a-lorry", {}, "has nothing of the kind radiation_portal"),
        ("duress", {"zone": "west"}, "has no zone west"),
        ("duress", {"duration_s": 9 * 3600.0}, "at most 4 h"),
        ("nothing", {}, "is no scenario"),
    ],
)
async def test_what_cannot_be_tried_is_refused_and_leaves_nothing(
    hands: Hands, pool: Pool, scenario: str, more: dict[str, Any], words: str
) -> None:
    with pytest.raises((Permanent, BadCall), match=words):
        await begin(pool, scenario, **more)
    assert hands.rows("SELECT id FROM drills") == []


async def test_one_at_a_time_begun_by_a_supervisor_and_ended_once(hands: Hands, pool: Pool) -> None:
    with pytest.raises(NotAllowed, match="supervisor"):
        await begin(pool, person=GUARD)
    drill = await begin(pool)
    with pytest.raises(Permanent, match=f"exercise {drill.id} of kim runs"):
        await begin(pool, "duress")
    await ended(pool, drill.id)
    with pytest.raises(Permanent, match="over already"):
        await ended(pool, drill.id)
    assert hands.rows("SELECT id FROM detection") == []


async def test_nothing_real_can_be_marked_or_mixed(hands: Hands, mover: Mover, pool: Pool) -> None:
    drill = await begin(pool)
    await mover.round()
    await mover.round()
    hands.detect(detection(number=1, start=now_us()))
    await mover.round()
    with pytest.raises(psycopg.errors.CheckViolation, match="no running drill"):
        hands.rows(
            "INSERT INTO detection (id, type, hub, sensor, start, detected, score, priority, detector, version, late,"
            " why, exercise) SELECT 'other', type, hub, sensor, start, detected, score, priority, detector, version,"
            " late, why, %s FROM detection WHERE exercise IS NULL RETURNING id",
            drill.id,
        )
    made_up, real = hands.alarms()
    with pytest.raises(psycopg.errors.CheckViolation, match="cannot be one incident"):
        hands.rows("UPDATE alarms SET incident = %s WHERE id = %s RETURNING id", made_up["incident"], real["id"])
    async with alarms.moving(pool) as connection:
        near = await incidents.neighbours(connection, HUB, 0, now_us() + 10**6)
        assert {each.incident for each in near} == {real["incident"]}
    assert await unheard(pool) == []


async def test_rights_of_programs_suffice_and_detectors_can_mark_nothing(migrated_timescale_dsn: str) -> None:
    with roles_in(migrated_timescale_dsn) as logins, hands_on(migrated_timescale_dsn) as hands:
        hands.rows("INSERT INTO hubs (hub) VALUES (%s) ON CONFLICT DO NOTHING RETURNING hub", HUB)
        hands.place(HUB, "door-1", "north")
        hands.rows("UPDATE sensors SET kind = 'access' RETURNING id")
        begun = await people.drill(
            CommandSettings(database=logins.settings("console")), DrillWish("duress", HUB), "kim"
        )
        async with open_pool(logins.settings("alarms")) as pool:
            mover = Mover(pool, [ROUTE], Instructions.load())
            for _ in range(2):
                await mover.round()
            operator = CommandSettings(database=logins.settings("operator"))
            assert (await people.drill_report(operator, begun["drill"]))["made_up"] == 1
            await people.end_drill(operator, begun["drill"], "lee")
            await mover.round()
        assert [row["state"] for row in hands.alarms()] == ["normal"]
        for role in ("collector", "detectors"):
            async with await connect(logins.settings(role)) as connection:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    await connection.execute(
                        "INSERT INTO hubwatch.drill_steps (drill, number, detection, due, type, sensor, priority,"
                        " score, why) VALUES (1, 9, 'real', now(), 'x', 'y', 1, 1, 'z')"
                    )


async def unheard(pool: Pool) -> list[int]:
    async with pool.connection() as connection:
        return [each.id for each, _ in await drills.left(connection, 10)]
