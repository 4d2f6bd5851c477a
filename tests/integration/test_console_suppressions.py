"""What is expected, over the API: by whom, and what takes two persons."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.mover import Mover
from hubwatch_core.permission import Role
from hubwatch_store.database import open_pool
from support.alarms_database import Hands, hands_on, settings_of
from support.alarms_examples import detection
from support.console_running import Client, add_person, running_api

HUB = "rotterdam"
WORKS = {"kind": "works", "hub": HUB, "note": "new posts", "duration_s": 3600, "sensor": "fence-1"}


@pytest.fixture
def dsn(migrated_plain_dsn: str) -> str:
    return migrated_plain_dsn


@pytest.fixture
async def anybody(dsn: str) -> AsyncIterator[Client]:
    async with running_api(dsn) as client:
        yield client


@pytest.fixture
async def hands(dsn: str) -> AsyncIterator[Hands]:
    with hands_on(dsn) as made:
        made.rows("INSERT INTO hubs (hub) VALUES (%s) ON CONFLICT DO NOTHING RETURNING hub", HUB)
        for sensor in ("fence-1", "fence-2"):
            made.place(HUB, sensor, "north")
        yield made


async def moved(dsn: str) -> None:
    async with open_pool(settings_of(dsn)) as pool:
        await Mover(pool, [], Instructions.load()).round()


async def test_responder_says_what_is_expected_and_a_guard_ends_it(anybody: Client, dsn: str, hands: Hands) -> None:
    pat = anybody.with_token(await add_person(dsn, "pat", Role.RESPONDER, HUB))
    kim = anybody.with_token(await add_person(dsn, "kim", Role.GUARD, HUB))
    assert (await kim.post("/suppressions", **WORKS)).status == 403
    added = await pat.post("/suppressions", **WORKS)
    assert added.status == 200
    hands.detect(detection())
    await moved(dsn)
    assert [row["state"] for row in hands.alarms()] == ["suppressed"]
    shown = (await kim.get("/suppressions")).body["suppressions"]
    assert [(each["what"], each["kind"], each["by"]) for each in shown] == [
        ("alarm", "suppressed", "system"),
        ("expected", "works", "pat"),
    ]
    number = added.body["suppression"]
    assert (await kim.post(f"/suppressions/{number}/lift")).body == {"suppression": number, "by": "kim"}
    assert (await kim.post(f"/suppressions/{number}/lift")).status == 409
    await moved(dsn)
    assert [row["state"] for row in hands.alarms()] == ["unacknowledged"]
    acts = hands.rows("SELECT who, act FROM audit WHERE act LIKE 'alarm.%%' ORDER BY id")
    assert [(row["who"], row["act"]) for row in acts] == [("pat", "alarm.suppress"), ("kim", "alarm.lift")]


async def test_person_of_another_hub_neither_sees_nor_ends_it(anybody: Client, dsn: str, hands: Hands) -> None:
    pat = anybody.with_token(await add_person(dsn, "pat", Role.RESPONDER, HUB))
    lee = anybody.with_token(await add_person(dsn, "lee", Role.SUPERVISOR, "basel"))
    number = (await pat.post("/suppressions", **WORKS)).body["suppression"]
    assert (await lee.get("/suppressions")).body == {"suppressions": [], "next": None}
    assert (await lee.post(f"/suppressions/{number}/lift")).status == 409
    assert (await lee.post("/suppressions", **WORKS)).status == 403
    assert hands.rows("SELECT lifted FROM alarm_suppression") == [{"lifted": None}]


@pytest.mark.parametrize("more", [{"critical": True}, {"sensor": None, "zone": "north"}, {"sensor": None}])
async def test_what_blinds_is_so_once_a_second_person_agrees(
    anybody: Client, dsn: str, hands: Hands, more: dict[str, object]
) -> None:
    pat = anybody.with_token(await add_person(dsn, "pat", Role.RESPONDER, HUB))
    robin = anybody.with_token(await add_person(dsn, "robin", Role.SUPERVISOR, HUB))
    asked = await pat.post("/suppressions", **WORKS | more)
    assert asked.status == 202
    assert hands.rows("SELECT id FROM alarm_suppression") == []
    number = asked.body["approval"]
    assert (await pat.post(f"/approvals/{number}/approve")).status == 403
    agreed = await robin.post(f"/approvals/{number}/approve")
    assert (agreed.status, agreed.body["done"]) == (200, True)
    assert hands.rows("SELECT by, agreed_by, verified, reason FROM alarm_suppression") == [
        {"by": "pat", "agreed_by": "robin", "verified": True, "reason": "new posts"}
    ]


async def test_last_sensor_of_several_that_is_heard_is_shelved_by_two(anybody: Client, dsn: str, hands: Hands) -> None:
    pat = anybody.with_token(await add_person(dsn, "pat", Role.RESPONDER, HUB))
    robin = anybody.with_token(await add_person(dsn, "robin", Role.SUPERVISOR, HUB))
    hands.detect(detection(number=1), detection(number=2, sensor="fence-2"))
    await moved(dsn)
    first, second = (row["id"] for row in hands.alarms())
    assert (await pat.post(f"/alarms/{first}/shelve", duration_s=600, note="x")).body["state"] == "shelved"
    asked = await pat.post(f"/alarms/{second}/shelve", duration_s=600, note="x")
    assert asked.status == 202
    assert (await robin.post(f"/approvals/{asked.body['approval']}/approve")).body["done"]
    assert [row["state"] for row in hands.alarms()] == ["shelved", "shelved"]


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"kind": "sleep"}, 422),
        ({"duration_s": 0}, 422),
        ({"who": "me"}, 422),
        ({"starts": "2026-12-01T06:00:00"}, 400),
        ({"note": " "}, 400),
        ({"sensor": "fence-9"}, 409),
        ({"duration_s": 1e9}, 422),
        ({"duration_s": 300 * 86_400}, 409),
    ],
)
async def test_request_that_makes_no_sense_is_refused(
    anybody: Client, dsn: str, hands: Hands, more: dict[str, object], status: int
) -> None:
    pat = anybody.with_token(await add_person(dsn, "pat", Role.RESPONDER, HUB))
    assert (await pat.post("/suppressions", **WORKS | more)).status == status
    assert hands.rows("SELECT id FROM alarm_suppression") == []


async def test_critical_alarm_is_shelved_for_two_hours_at_most(anybody: Client, dsn: str, hands: Hands) -> None:
    pat = anybody.with_token(await add_person(dsn, "pat", Role.RESPONDER, HUB))
    hands.detect(detection(priority=1))
    await moved(dsn)
    (alarm,) = (row["id"] for row in hands.alarms())
    refused = await pat.post(f"/alarms/{alarm}/shelve", duration_s=3 * 3600, note="x")
    assert (refused.status, "critical" in refused.body["detail"]) == (409, True)
    assert (await pat.post(f"/alarms/{alarm}/shelve", duration_s=3600, note="x")).body["state"] == "shelved"
