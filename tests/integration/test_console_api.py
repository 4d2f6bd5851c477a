"""The API against a real database: who may do what, two persons, limits, and what goes wrong in problem details."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.mover import Mover
from hubwatch_core.permission import Role
from hubwatch_store.database import DatabaseSection, connect_sync, open_pool
from support.alarms_database import Hands, settings_of
from support.alarms_examples import detection
from support.console_running import Client, add_person, one_time, running_api
from support.eventually import eventually

ASKED_OF_TWO = "SELECT act FROM audit WHERE act NOT LIKE 'user%%' AND act <> 'alarm_journal' ORDER BY id"

HUB = "rotterdam"
GOOD = "four tall quay cranes"


@pytest.fixture
def dsn(migrated_plain_dsn: str) -> str:
    return migrated_plain_dsn


@pytest.fixture
async def anybody(dsn: str) -> AsyncIterator[Client]:
    async with running_api(dsn) as client:
        yield client


async def opened(dsn: str, hands: Hands, **facts: Any) -> int:
    """Return the number of a new alarm."""
    hands.detect(detection(**facts))
    async with open_pool(settings_of(dsn)) as pool:
        await Mover(pool, [], Instructions.load()).round()
    return int(hands.alarms()[-1]["id"])


async def test_login_chooses_a_password_and_logs_out(anybody: Client, dsn: str) -> None:
    password = await one_time(dsn, "kim")
    answer = await anybody.post("/login", user="kim", password=password)
    assert (answer.status, answer.body["user"]["needs"]) == (200, ["password"])
    kim = anybody.with_token(answer.body["token"])
    assert (await kim.get("/alarms")).status == 403
    assert (await kim.post("/password", former=password, password="password1234")).status == 400
    assert (await kim.post("/password", former=password, password=GOOD)).status == 204
    assert (await kim.get("/me")).body["needs"] == []
    assert (await kim.get("/alarms")).body == {"alarms": [], "more": 0, "at_least": False, "floods": [], "next": None}
    assert (await kim.post("/logout")).status == 204
    assert (await kim.get("/me")).status == 401


async def test_refused_login_says_no_more_than_it_must_and_then_to_wait(anybody: Client, dsn: str) -> None:
    await one_time(dsn, "kim")
    for _ in range(6):
        answer = await anybody.post("/login", user="kim", password="wrong")
        assert answer.status == 401
        assert answer.body["type"] == "urn:hubwatch:problem:login-refused"
    answer = await anybody.post("/login", user="kim", password="wrong")
    assert (answer.status, answer.body["type"]) == (429, "urn:hubwatch:problem:login-locked")
    assert 0 < int(answer.headers["retry-after"]) <= 31


@pytest.mark.parametrize("token", [None, "", "hw_wrong", "x" * 5000, "hw_\u00fc"])
async def test_without_a_good_token_nothing_is_shown(anybody: Client, token: str | None) -> None:
    client = anybody if token is None else anybody.with_token(token)
    for path in ("/me", "/alarms", "/alarms/1", "/approvals", "/openapi.json", "/tokens"):
        answer = await client.get(path)
        assert answer.status == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["cache-control"] == "no-store"


async def test_people_see_and_handle_alarms_of_their_hubs_only(anybody: Client, dsn: str, hands: Hands) -> None:
    here, there = await opened(dsn, hands), await opened(dsn, hands, number=2, hub="basel")
    kim = anybody.with_token(await add_person(dsn, "kim", Role.GUARD, HUB))
    assert [each["id"] for each in (await kim.get("/alarms")).body["alarms"]] == [here]
    assert (await kim.get(f"/alarms/{there}")).status == 404
    assert (await kim.get("/alarms?hub=basel")).body["alarms"] == []
    assert (await kim.post(f"/alarms/{there}/acknowledge")).status == 404
    answer = await kim.post(f"/alarms/{here}/acknowledge", note="on my way")
    assert (answer.status, answer.body["state"], answer.body["acknowledged_by"]) == (200, "acknowledged", "kim")
    shown = (await kim.get(f"/alarms/{here}")).body
    assert [(each["by"], each["verified"]) for each in shown["journal"]] == [("system", None), ("kim", True)]
    assert hands.rows("SELECT who, verified, hub, act, subject FROM audit WHERE act LIKE 'alarm.%%'") == [
        {"who": "kim", "verified": True, "hub": HUB, "act": "alarm.acknowledge", "subject": f"alarm {here}"}
    ]


async def test_role_too_small_is_refused_and_changes_nothing(anybody: Client, dsn: str, hands: Hands) -> None:
    alarm = await opened(dsn, hands)
    viewer = anybody.with_token(await add_person(dsn, "vic", Role.VIEWER, HUB))
    guard = anybody.with_token(await add_person(dsn, "kim", Role.GUARD, HUB))
    for client, path, body in (
        (viewer, "acknowledge", {}),
        (viewer, "adjudicate", {"verdict": "real"}),
        (guard, "shelve", {"duration_s": 60, "note": "x"}),
        (guard, "close", {"reason": "x"}),
    ):
        answer = await client.post(f"/alarms/{alarm}/{path}", **body)
        assert (answer.status, answer.body["type"]) == (403, "urn:hubwatch:problem:not-allowed")
    assert hands.actions(alarm) == ["opened"]


async def test_whole_life_of_an_alarm_over_the_api(anybody: Client, dsn: str, hands: Hands) -> None:
    alarm = await opened(dsn, hands)
    boss = anybody.with_token(await add_person(dsn, "robin", Role.SUPERVISOR, HUB))
    assert (await boss.post(f"/alarms/{alarm}/shelve", duration_s=60, note="works")).body["state"] == "shelved"
    assert (await boss.post(f"/alarms/{alarm}/unshelve")).status == 200
    assert (await boss.post(f"/alarms/{alarm}/adjudicate", verdict="test")).body["verdict"] == "test"
    assert (await boss.post(f"/alarms/{alarm}/close", reason="fence is gone")).body["state"] == "normal"
    again = await boss.post(f"/alarms/{alarm}/acknowledge")
    assert (again.status, again.body["status"]) == (409, 409)
    for path, body in (("shelve", {"duration_s": 600_000, "note": "x"}), ("close", {"reason": " "})):
        assert (await boss.post(f"/alarms/{alarm}/{path}", **body)).status in {400, 409}
    assert [row["verified"] for row in hands.rows("SELECT verified FROM adjudications")] == [True]


async def test_radiation_is_shelved_once_a_second_person_agrees(anybody: Client, dsn: str, hands: Hands) -> None:
    alarm = await opened(dsn, hands, type_="radiation.gamma", sensor="rpm-2")
    kim = anybody.with_token(await add_person(dsn, "kim", Role.SUPERVISOR, HUB))
    robin = anybody.with_token(await add_person(dsn, "robin", Role.SUPERVISOR, HUB))
    alex = anybody.with_token(await add_person(dsn, "alex", Role.GUARD, HUB))
    asked = await kim.post(f"/alarms/{alarm}/shelve", duration_s=3600, note="source test")
    assert asked.status == 202
    number = asked.body["approval"]
    assert hands.actions(alarm) == ["opened"]
    assert (await kim.post(f"/approvals/{number}/approve")).status == 403
    assert (await alex.post(f"/approvals/{number}/approve")).status == 403
    assert [each["subject"] for each in (await robin.get("/approvals")).body["approvals"]] == [f"alarm {alarm}"]
    agreed = await robin.post(f"/approvals/{number}/approve", note="seen the permit")
    assert (agreed.status, agreed.body["decision"], agreed.body["done"]) == (200, "approved", True)
    assert hands.actions(alarm) == ["opened", "shelved"]
    (entry,) = hands.rows("SELECT by, note, verified FROM alarm_journal WHERE action = 'shelved'")
    assert entry == {"by": "kim", "note": entry["note"], "verified": True}
    assert entry["note"].endswith("source test (agreed by robin)")
    assert (await robin.post(f"/approvals/{number}/approve")).status == 409
    acts = [row["act"] for row in hands.rows(ASKED_OF_TWO)]
    assert acts == ["approval.ask", "alarm.shelve_radiation", "approval.approved"]


async def test_nothing_is_done_for_somebody_who_was_disabled_meanwhile(anybody: Client, dsn: str, hands: Hands) -> None:
    alarm = await opened(dsn, hands, type_="radiation.gamma", sensor="rpm-2")
    kim = anybody.with_token(await add_person(dsn, "kim", Role.RESPONDER, HUB))
    robin = anybody.with_token(await add_person(dsn, "robin", Role.SUPERVISOR, HUB))
    number = (await kim.post(f"/alarms/{alarm}/shelve", duration_s=3600, note="x")).body["approval"]
    hands.rows("UPDATE users SET disabled = now() WHERE name = 'kim' RETURNING 1")
    answer = await robin.post(f"/approvals/{number}/approve")
    assert (answer.status, hands.actions(alarm)) == (403, ["opened"])
    assert (await robin.post(f"/approvals/{number}/refuse")).body["decision"] == "refused"


async def test_two_who_agree_at_a_time_shelve_once(anybody: Client, dsn: str, hands: Hands) -> None:
    alarm = await opened(dsn, hands, type_="radiation.gamma", sensor="rpm-2")
    kim, robin, alex = [
        anybody.with_token(await add_person(dsn, name, Role.SUPERVISOR, HUB)) for name in ("kim", "robin", "alex")
    ]
    number = (await kim.post(f"/alarms/{alarm}/shelve", duration_s=3600, note="x")).body["approval"]
    answers = await asyncio.gather(*(each.post(f"/approvals/{number}/approve") for each in (robin, alex)))
    assert sorted(each.status for each in answers) == [200, 409]
    assert hands.actions(alarm) == ["opened", "shelved"]


async def test_level_is_raised_by_one_and_lowered_by_two(anybody: Client, dsn: str, hands: Hands) -> None:
    hands.rows("INSERT INTO hubs (hub) VALUES ('rotterdam') RETURNING hub")
    kim = anybody.with_token(await add_person(dsn, "kim", Role.SUPERVISOR, HUB))
    robin = anybody.with_token(await add_person(dsn, "robin", Role.SUPERVISOR, HUB))
    assert (await kim.post(f"/hubs/{HUB}/level", level=3, note="order")).body == {"hub": HUB, "level": 3, "former": 1}
    lowered = await kim.post(f"/hubs/{HUB}/level", level=1, note="over")
    assert lowered.status == 202
    assert hands.rows("SELECT security_level FROM hubs")[0]["security_level"] == 3
    assert (await robin.post(f"/approvals/{lowered.body['approval']}/approve")).body["done"] is True
    assert hands.rows("SELECT security_level FROM hubs")[0]["security_level"] == 1
    assert hands.rows("SELECT by FROM level_journal ORDER BY id DESC LIMIT 1") == [{"by": "kim and robin"}]
    told = [row["act"] for row in hands.rows(ASKED_OF_TWO)]
    assert told == ["level.raise", "approval.ask", "level.lower", "approval.approved"]
    assert (await kim.post("/hubs/basel/level", level=2, note="x")).status == 403


async def test_level_that_somebody_raises_meanwhile_is_not_lowered_by_one(
    anybody: Client, dsn: str, hands: Hands
) -> None:
    hands.rows("INSERT INTO hubs (hub) VALUES ('rotterdam') RETURNING hub")
    kim = anybody.with_token(await add_person(dsn, "kim", Role.SUPERVISOR, HUB))
    with connect_sync(DatabaseSection(dsn=dsn)) as other, other.transaction():
        other.execute("UPDATE hubwatch.hubs SET security_level = 3 WHERE hub = 'rotterdam'")
        pid = other.info.backend_pid
        raising = asyncio.create_task(kim.post(f"/hubs/{HUB}/level", level=2, note="order"))
        waiting = "SELECT pid FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))"
        await eventually(lambda: hands.rows(waiting, pid))
    answer = await raising
    assert (answer.status, "it is 3 now" in answer.body["detail"]) == (409, True)
    assert hands.rows("SELECT security_level FROM hubs")[0]["security_level"] == 3
    assert hands.rows("SELECT id FROM level_journal") == []
    assert (await kim.post(f"/hubs/{HUB}/level", level=2, note="order")).status == 202


async def test_hold_is_released_by_two(anybody: Client, dsn: str, hands: Hands) -> None:
    hands.rows("INSERT INTO hubs (hub) VALUES ('rotterdam') RETURNING hub")
    (row,) = hands.rows(
        "INSERT INTO legal_hold (hub, held_from, held_to, reason, by)"
        " VALUES ('rotterdam', now(), now() + INTERVAL '1 day', 'court', 'kim') RETURNING id"
    )
    kim = anybody.with_token(await add_person(dsn, "kim", Role.SUPERVISOR, HUB))
    robin = anybody.with_token(await add_person(dsn, "robin", Role.SUPERVISOR, HUB))
    asked = await kim.post(f"/holds/{row['id']}/release", reason="case closed")
    assert asked.status == 202
    assert hands.rows("SELECT released FROM legal_holds")[0]["released"] is None
    assert (await robin.post(f"/approvals/{asked.body['approval']}/approve")).status == 200
    assert hands.rows("SELECT released_by, release_reason FROM legal_holds") == [
        {"released_by": "kim and robin", "release_reason": "case closed"}
    ]
    assert (await kim.post(f"/holds/{row['id']}/release", reason="x")).status == 409


async def test_api_token_is_limited_and_makes_no_others(anybody: Client, dsn: str, hands: Hands) -> None:
    alarm = await opened(dsn, hands)
    boss = anybody.with_token(await add_person(dsn, "robin", Role.SUPERVISOR))
    made = await boss.post("/tokens", label="wall", valid_s=3600, role="viewer", hubs=[HUB])
    assert made.status == 201
    wall = anybody.with_token(made.body["token"])
    assert (await wall.get("/me")).body["scope"] == {"role": "viewer", "hubs": [HUB]}
    assert (await wall.get(f"/alarms/{alarm}")).status == 200
    assert (await wall.post(f"/alarms/{alarm}/acknowledge")).status == 403
    assert (await wall.post("/tokens", label="more", valid_s=3600)).status == 403
    assert (await boss.post("/tokens", label="long", valid_s=1e9)).status == 400
    assert [each["label"] for each in (await boss.get("/tokens")).body["tokens"]] == ["wall"]
    assert (await boss.ask("DELETE", f"/tokens/{made.body['id']}")).status == 204
    assert (await wall.get("/me")).status == 401


async def test_request_that_is_none_is_told_without_what_it_held(anybody: Client) -> None:
    answer = await anybody.post("/login", user="kim", password={"secret": "s3cr3t"}, more=1)
    assert answer.status == 422
    assert {each["at"] for each in answer.body["errors"]} == {"body.password", "body.more"}
    assert "s3cr3t" not in str(answer.body)
    for method, path, status in (("GET", "/nowhere", 404), ("DELETE", "/login", 405), ("GET", "/alarms/x", 401)):
        found = await anybody.ask(method, path)
        assert (found.status, found.body["status"]) == (status, status)
        assert found.headers["content-type"] == "application/problem+json"


async def test_large_requests_are_refused_also_those_that_say_no_length(anybody: Client) -> None:
    large = {"user": "x" * 70_000, "password": "x"}
    assert (await anybody.ask("POST", "/login", large)).status == 413

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(70):
            yield b"x" * 1024

    async with anybody.http.post(f"{anybody.address}/api/v1/login", data=pieces()) as response:
        assert response.status == 413


async def test_address_that_asks_too_often_is_told_to_wait(dsn: str) -> None:
    async with running_api(dsn, api={"requests_per_s": 0.01, "requests_burst": 3}) as client:
        statuses = [(await client.get("/me")).status for _ in range(5)]
    assert statuses == [401, 401, 401, 429, 429]


async def test_database_that_is_away_is_503_and_shows_nothing_of_it(dsn: str, hands: Hands) -> None:
    async with running_api(dsn) as client:
        kim = client.with_token(await add_person(dsn, "kim", Role.GUARD))
        hands.connection.execute("ALTER TABLE hubwatch.user_grants RENAME TO gone")
        broken = await kim.get("/alarms")
        hands.connection.execute("ALTER TABLE hubwatch.gone RENAME TO user_grants")
    assert (broken.status, broken.body["detail"]) == (500, "the fault has been logged")


async def test_first_start_makes_an_administrator_and_prints_the_password_once(
    dsn: str, capfd: pytest.CaptureFixture[str]
) -> None:
    async with running_api(dsn) as client:
        said: list[str] = []

        def printed() -> bool:
            said.append(capfd.readouterr().err)
            return "one-time password" in "".join(said)

        await eventually(printed)
        password = "".join(said).split("one-time password ")[1].split()[0]
        answer = await client.post("/login", user="administrator", password=password)
        assert (answer.status, answer.body["user"]["needs"]) == (200, ["password", "second_factor"])
    async with running_api(dsn) as client:
        assert (await client.get("/me")).status == 401
    assert "one-time password" not in capfd.readouterr().err


async def test_second_factor_of_before_is_encrypted_once_there_is_a_key(dsn: str, hands: Hands, tmp_path: Path) -> None:
    key = tmp_path / "seal.key"
    key.write_text(base64.b64encode(os.urandom(32)).decode(), encoding="ascii")
    key.chmod(0o600)
    asked = "SELECT second_factor LIKE 's1.%%' AS sealed FROM user_secrets WHERE second_factor IS NOT NULL"
    async with running_api(dsn) as client:
        robin = client.with_token(await add_person(dsn, "robin", Role.SUPERVISOR, second_factor=False))
        assert (await robin.post("/second-factor")).status == 200
    assert hands.rows(asked) == [{"sealed": False}]
    async with running_api(dsn, login={"second_factor_key_file": key}) as client:
        await eventually(lambda: hands.rows(asked) == [{"sealed": True}])
