"""What people do with incidents over the API: comment, assign, merge, split, close; and the timeline that tells it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.mover import Mover
from hubwatch_core.permission import Role
from hubwatch_store.audit import verify
from hubwatch_store.database import DatabaseSection, connect_sync, open_pool
from support.alarms_database import Hands, hands_on, settings_of
from support.alarms_examples import START_US, detection
from support.console_running import Answer, Client, add_person, running_api

HUB = "rotterdam"
MINUTES = 60 * 1_000_000


@pytest.fixture
def dsn(migrated_plain_dsn: str) -> str:
    return migrated_plain_dsn


@pytest.fixture
async def anybody(dsn: str) -> AsyncIterator[Client]:
    async with running_api(dsn) as client:
        yield client


@pytest.fixture
async def hands(dsn: str) -> AsyncIterator[Hands]:
    """Two incidents at one hub, of three alarms and of one, and one at another."""
    with hands_on(dsn) as made:
        made.rows("INSERT INTO hubs (hub) VALUES ('rotterdam'), ('basel') RETURNING hub")
        for sensor in ("fence-1", "fence-2", "fence-3"):
            made.place(HUB, sensor, "north")
        made.detect(
            detection(number=1, priority=3),
            detection(number=2, sensor="fence-2", over=True, priority=3),
            detection(number=3, sensor="fence-3", over=True, priority=3),
            detection(number=4, sensor="door-3", type_="access.forced", start=START_US + 20 * MINUTES, over=True),
            detection(number=5, hub="basel", sensor="door-1"),
        )
        await moved(dsn)
        yield made


async def moved(dsn: str) -> None:
    async with open_pool(settings_of(dsn)) as pool:
        await Mover(pool, [], Instructions.load()).round()


def incident_of(hands: Hands, sensor: str) -> int:
    (row,) = hands.rows("SELECT incident FROM alarms WHERE sensor = %s", sensor)
    return int(row["incident"])


def alarm_of(hands: Hands, sensor: str) -> int:
    (row,) = hands.rows("SELECT id FROM alarms WHERE sensor = %s", sensor)
    return int(row["id"])


async def lines(client: Client, incident: int, **query: object) -> list[tuple[str, str, str]]:
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    page = (await client.get(f"/incidents/{incident}/timeline?{asked}")).body
    return [(row["what"], row["action"], row["by"]) for row in page["rows"]]


async def test_comment_keeps_an_incident_open_until_a_person_says_what_it_was(
    anybody: Client, dsn: str, hands: Hands
) -> None:
    kim = anybody.with_token(await add_person(dsn, "kim", Role.GUARD, HUB))
    pat = anybody.with_token(await add_person(dsn, "pat", Role.RESPONDER, HUB))
    number = incident_of(hands, "door-3")
    said = await kim.post(f"/incidents/{number}/comment", text="the lock is gone")
    assert (said.status, said.body["comments"]) == (200, 1)
    refused = await pat.post(f"/incidents/{number}/close", verdict="real", note="theft")
    assert (refused.status, "take them first" in refused.body["detail"]) == (409, True)
    await kim.post(f"/incidents/{number}/acknowledge")
    assert hands.rows("SELECT state FROM alarms WHERE sensor = 'door-3'") == [{"state": "normal"}]
    shown = (await kim.get(f"/incidents/{number}")).body
    assert (shown["state"], shown["open"], [each["sensor"] for each in shown["of_it"]]) == ("waiting", 0, ["door-3"])
    assert (await kim.post(f"/incidents/{number}/close", verdict="real")).status == 403
    closed = (await pat.post(f"/incidents/{number}/close", verdict="real", note="theft")).body
    assert (closed["state"], closed["verdict"], closed["judged_by"], closed["ended"]) == ("closed", "real", "pat", [])
    assert (await kim.post(f"/incidents/{number}/comment", text="late")).status == 409
    assert await lines(kim, number) == [
        ("detection", "access.forced", "perimeter"),
        ("move", "opened", "system"),
        ("comment", "commented", "kim"),
        ("move", "acknowledged", "kim"),
        ("move", "closed", "kim"),
        ("act", "closed", "pat"),
        ("adjudication", "real", "pat"),
    ]
    acts = hands.rows("SELECT who, verified, act FROM audit WHERE act LIKE 'incident.%%' ORDER BY id")
    assert [(row["who"], row["verified"], row["act"]) for row in acts] == [
        ("kim", True, "incident.comment"),
        ("pat", True, "incident.close"),
    ]


async def test_closing_judges_each_detection_but_those_that_were_judged_by_themselves(
    anybody: Client, dsn: str, hands: Hands
) -> None:
    pat = anybody.with_token(await add_person(dsn, "pat", Role.RESPONDER, HUB))
    robin = anybody.with_token(await add_person(dsn, "robin", Role.SUPERVISOR, HUB))
    number = incident_of(hands, "fence-1")
    await pat.post(f"/alarms/{alarm_of(hands, 'fence-2')}/adjudicate", verdict="innocent")
    await pat.post(f"/incidents/{number}/acknowledge")
    refused = await pat.post(f"/incidents/{number}/close", verdict="false")
    assert (refused.status, "is still open" in refused.body["detail"]) == (409, True)
    assert (await pat.post(f"/incidents/{number}/close", verdict="false", end_alarms=True)).status == 403
    closed = (await robin.post(f"/incidents/{number}/close", verdict="false", end_alarms=True)).body
    assert closed["ended"] == [alarm_of(hands, "fence-1")]
    figures = (
        "SELECT alarms, judged, \"false\", innocent FROM false_alarms WHERE hub = %s AND type = 'perimeter.intrusion'"
    )
    assert hands.rows(figures, HUB) == [{"alarms": 3, "judged": 3, "false": 2, "innocent": 1}]
    await pat.post(f"/incidents/{number}/close", verdict="test")
    words = hands.rows("SELECT sensor, verdict FROM judged_alarms WHERE hub = %s AND type LIKE 'perimeter%%'", HUB)
    assert {row["sensor"]: row["verdict"] for row in words} == {
        "fence-1": "test", "fence-2": "innocent", "fence-3": "test",
    }  # fmt: skip
    with connect_sync(DatabaseSection(dsn=dsn)) as connection:
        assert list(verify(connection)) == []


async def test_incident_is_given_to_somebody_who_may_take_alarms_there(anybody: Client, dsn: str, hands: Hands) -> None:
    kim = anybody.with_token(await add_person(dsn, "kim", Role.GUARD, HUB))
    await add_person(dsn, "lee", Role.GUARD, "basel")
    await add_person(dsn, "vic", Role.VIEWER, HUB)
    number = incident_of(hands, "door-3")
    for nobody in ("lee", "vic", "no-one"):
        assert (await kim.post(f"/incidents/{number}/assign", to=nobody)).status == 409
    assert (await kim.post(f"/incidents/{number}/assign", to="kim")).body["assigned"] == "kim"
    await kim.post(f"/incidents/{number}/acknowledge")
    assert (await kim.get(f"/incidents/{number}")).body["state"] == "waiting"
    assert (await kim.post(f"/incidents/{number}/assign", to=None)).body["state"] == "closed"
    assert ("act", "assigned", "kim") in await lines(kim, number)


async def test_merging_brings_alarms_and_what_was_said_and_splitting_takes_alarms_away(
    anybody: Client, dsn: str, hands: Hands
) -> None:
    kim = anybody.with_token(await add_person(dsn, "kim", Role.GUARD, HUB))
    pat = anybody.with_token(await add_person(dsn, "pat", Role.RESPONDER, HUB))
    fence, door = incident_of(hands, "fence-1"), incident_of(hands, "door-3")
    await kim.post(f"/incidents/{door}/comment", text="same people")
    assert (await kim.post(f"/incidents/{fence}/merge", other=door)).status == 403
    merged = (await pat.post(f"/incidents/{fence}/merge", other=door, note="one group")).body
    assert (merged["alarms"], merged["comments"], merged["priority"]) == (4, 1, 2)
    await moved(dsn)
    assert "forced" in (await pat.get(f"/incidents/{fence}")).body["title"].lower()
    assert (await pat.get(f"/incidents/{door}")).body["state"] == "merged"
    assert [each["id"] for each in (await pat.get(f"/incidents?hub={HUB}")).body["incidents"]] == [fence]
    assert ("comment", "commented", "kim") in await lines(pat, fence)
    assert (await pat.post(f"/incidents/{door}/comment", text="x")).status == 409
    split = (await pat.post(f"/incidents/{fence}/split", alarms=[alarm_of(hands, "fence-3")], note="a fox")).body
    assert (split["alarms"], split["priority"]) == (1, 3)
    assert incident_of(hands, "fence-3") == split["id"]
    left = (await pat.get(f"/incidents/{fence}")).body
    assert (left["alarms"], sorted(each["sensor"] for each in left["of_it"])) == (3, ["door-3", "fence-1", "fence-2"])
    every = [alarm_of(hands, sensor) for sensor in ("fence-1", "fence-2", "door-3")]
    for wrong in (every, [alarm_of(hands, "fence-3")], [10**12]):
        assert (await pat.post(f"/incidents/{fence}/split", alarms=wrong)).status == 409
    for wrong_other in (fence, incident_of(hands, "door-1"), 10**12):
        assert (await pat.post(f"/incidents/{fence}/merge", other=wrong_other)).status in {404, 409}


async def test_person_of_another_hub_sees_and_does_nothing(anybody: Client, dsn: str, hands: Hands) -> None:
    lee = anybody.with_token(await add_person(dsn, "lee", Role.SUPERVISOR, "basel"))
    number = incident_of(hands, "fence-1")
    answers: list[Answer] = [
        await lee.get(f"/incidents/{number}"),
        await lee.get(f"/incidents/{number}/timeline"),
        await lee.post(f"/incidents/{number}/comment", text="x"),
        await lee.post(f"/incidents/{number}/assign", to="lee"),
        await lee.post(f"/incidents/{number}/merge", other=incident_of(hands, "door-1")),
        await lee.post(f"/incidents/{incident_of(hands, 'door-1')}/merge", other=number),
        await lee.post(f"/incidents/{number}/split", alarms=[alarm_of(hands, "fence-1")]),
        await lee.post(f"/incidents/{number}/close", verdict="false"),
    ]
    assert [answer.status for answer in answers] == [404] * 8
    assert {answer.headers["content-type"] for answer in answers} == {"application/problem+json"}
    assert hands.rows("SELECT * FROM incident_journal") == []


async def test_timeline_comes_page_by_page_and_each_row_once(anybody: Client, dsn: str, hands: Hands) -> None:
    kim = anybody.with_token(await add_person(dsn, "kim", Role.GUARD, HUB))
    number = incident_of(hands, "fence-1")
    await asyncio.gather(*(kim.post(f"/incidents/{number}/comment", text=f"note {n}") for n in range(3)))
    hands.rows(
        "INSERT INTO level_journal (hub, level, former, by, note) VALUES (%s, 2, 1, 'robin', 'x') RETURNING 1", HUB
    )
    every = (await kim.get(f"/incidents/{number}/timeline?most=500")).body
    assert (len(every["rows"]), every["next"]) == (10, None)
    assert [row["what"] for row in every["rows"]].count("comment") == 3
    assert every["rows"][-1]["what"] == "level"
    pages, after = [], ""
    while True:
        page = (await kim.get(f"/incidents/{number}/timeline?most=3{after}")).body
        pages += page["rows"]
        if page["next"] is None:
            break
        assert len(page["rows"]) == 3
        after = f"&after={page['next']}"
    assert pages == every["rows"]
    for wrong in ("x", "2026-11-30T00:00:00Z~", "2026-11-30T00:00:00~5", "~"):
        assert (await kim.get(f"/incidents/{number}/timeline?after={wrong}")).status == 400


NONSENSE: list[tuple[str, dict[str, object], int]] = [
    ("comment", {"text": " "}, 400),
    ("comment", {}, 422),
    ("comment", {"text": "x" * 1001}, 422),
    ("assign", {}, 422),
    ("assign", {"to": ""}, 422),
    ("merge", {"other": 0}, 422),
    ("split", {"alarms": []}, 422),
    ("split", {"alarms": ["x"]}, 422),
    ("close", {"verdict": "boring"}, 400),
    ("close", {"verdict": "other"}, 400),
    ("close", {"verdict": "real", "by": "somebody"}, 422),
]


async def test_request_that_makes_no_sense_is_refused(anybody: Client, dsn: str, hands: Hands) -> None:
    robin = anybody.with_token(await add_person(dsn, "robin", Role.SUPERVISOR, HUB))
    number = incident_of(hands, "fence-1")
    answers = [(await robin.post(f"/incidents/{number}/{act}", **body)).status for act, body, _ in NONSENSE]
    assert answers == [status for _, _, status in NONSENSE]
    assert hands.rows("SELECT * FROM incident_journal") == []
