"""An act that is sent again with its idempotency key is done once, and answered as the first time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from hubwatch_console.done_once import MOST_ANSWER_BYTES
from hubwatch_core.permission import Role
from hubwatch_store.users.acts_once import MOST_KEPT
from support.alarms_database import Hands
from support.console_hub import HUB, alarmed, found
from support.console_running import Answer, Client, add_person, running_api

KIND = "urn:hubwatch:problem:"


async def keyed(client: Client, path: str, key: str, **body: object) -> Answer:
    return await client.ask("POST", path, body, **{"Idempotency-Key": key})


async def test_second_request_gets_the_first_answer_and_does_nothing(api: Client, dsn: str, hands: Hands) -> None:
    (alarm,) = await alarmed(dsn, hands, found(1, "access.held", "door-2", priority=3, why="open for 45 s"))
    kim = api.with_token(await add_person(dsn, "kim", Role.GUARD))
    key, path = str(uuid4()), f"/alarms/{alarm}/acknowledge"
    first = await keyed(kim, path, key, note="on my way")
    again = await keyed(kim, path, key, note="on my way")
    assert (first.status, first.body["changed"], "idempotency-replayed" in first.headers) == (200, True, False)
    assert (again.status, again.body, again.headers["idempotency-replayed"]) == (200, first.body, "true")
    assert again.headers["content-type"] == first.headers["content-type"]
    assert hands.actions(alarm) == ["opened", "acknowledged"]
    # Without a key it is another request, and finds that it is done.
    assert (await kim.post(path, note="on my way")).body["changed"] is False


async def test_key_of_another_request_is_refused_and_nothing_is_done(api: Client, dsn: str, hands: Hands) -> None:
    one, two = await alarmed(
        dsn, hands, found(1, "access.held", "door-2", priority=3, why="open for 45 s"),
        found(2, "access.held", "door-1", priority=3, why="open for 45 s"),
    )  # fmt: skip
    kim = api.with_token(await add_person(dsn, "kim", Role.GUARD))
    key = str(uuid4())
    assert (await keyed(kim, f"/alarms/{one}/acknowledge", key)).status == 200
    for path, body in ((f"/alarms/{two}/acknowledge", {}), (f"/alarms/{one}/acknowledge", {"note": "other"})):
        answer = await keyed(kim, path, key, **body)
        assert (answer.status, answer.body["type"]) == (422, f"{KIND}key-used")
    assert hands.actions(two) == ["opened"]
    # A key is of one person: what another one sends under the same is theirs.
    lee = api.with_token(await add_person(dsn, "lee", Role.GUARD))
    assert (await keyed(lee, f"/alarms/{two}/acknowledge", key)).status == 200


async def test_two_at_once_are_one_act_and_hear_the_same(api: Client, dsn: str, hands: Hands) -> None:
    kim = api.with_token(await add_person(dsn, "kim", Role.SUPERVISOR))
    key = str(uuid4())
    answers = await asyncio.gather(*(
        keyed(kim, f"/hubs/{HUB}/holds", key, reason="court", since="2026-01-01T00:00:00Z") for _ in range(6)
    ))  # fmt: skip
    assert {each.status for each in answers} == {201}
    assert len({each.body["hold"] for each in answers}) == 1
    assert len(hands.rows("SELECT id FROM legal_hold")) == 1


async def test_refused_act_may_be_tried_again_with_its_key(api: Client, dsn: str, hands: Hands) -> None:
    (alarm,) = await alarmed(dsn, hands, found(1, "access.held", "door-2", priority=3, why="open for 45 s"))
    kim = api.with_token(await add_person(dsn, "kim", Role.SUPERVISOR))
    key, path = str(uuid4()), f"/alarms/{alarm}/unshelve"
    assert (await keyed(kim, path, key)).status == 409
    await kim.post(f"/alarms/{alarm}/shelve", duration_s=60, note="works")
    assert (await keyed(kim, path, key)).status == 200
    assert hands.actions(alarm) == ["opened", "shelved", "unshelved"]


async def test_answer_with_a_secret_stands_nowhere_in_the_clear(api: Client, dsn: str, hands: Hands) -> None:
    boss = api.with_token(await add_person(dsn, "robin", Role.ADMINISTRATOR))
    key = str(uuid4())
    made = await keyed(boss, "/tokens", key, label="wall", valid_s=3600)
    again = await keyed(boss, "/tokens", key, label="wall", valid_s=3600)
    assert (made.status, again.status, again.body) == (201, 201, made.body)
    (row,) = hands.rows("SELECT key, answer FROM acts_once")
    assert made.body["token"].encode() not in bytes(row["answer"])
    assert key.encode() not in bytes(row["key"])
    # Another login of the same person learns that it is done, and no secret.
    other = api.with_token(made.body["token"])
    answer = await keyed(other, "/tokens", key, label="wall", valid_s=3600)
    assert (answer.status, answer.body["type"]) == (409, f"{KIND}done-before")
    assert len(hands.rows("SELECT id FROM user_sessions WHERE kind = 'token'")) == 1


async def test_outcome_that_was_lost_is_not_known_and_not_done_anew(api: Client, dsn: str, hands: Hands) -> None:
    (alarm,) = await alarmed(dsn, hands, found(1, "access.held", "door-2", priority=3, why="open for 45 s"))
    kim = api.with_token(await add_person(dsn, "kim", Role.GUARD))
    key, path = str(uuid4()), f"/alarms/{alarm}/acknowledge"
    await keyed(kim, path, key)
    hands.rows("UPDATE acts_once SET status = NULL, begun = now() - INTERVAL '2 minutes' RETURNING 1")
    answer = await keyed(kim, path, key)
    assert (answer.status, answer.body["type"]) == (409, f"{KIND}outcome-unknown")
    # After a day a key is forgotten, and is that of a new request.
    hands.rows("UPDATE acts_once SET begun = now() - INTERVAL '25 hours' RETURNING 1")
    assert (await keyed(kim, path, key)).body["changed"] is False


async def test_person_has_room_for_so_many_keys(api: Client, dsn: str, hands: Hands) -> None:
    kim = api.with_token(await add_person(dsn, "kim", Role.GUARD))
    lee = api.with_token(await add_person(dsn, "lee", Role.GUARD))
    hands.rows(
        'INSERT INTO acts_once ("user", key, request, status) SELECT u.id, sha256(n::text::bytea), sha256(\'\'), 200 '
        "FROM users u, generate_series(1, %s) n WHERE u.name = 'kim' RETURNING 1", MOST_KEPT,
    )  # fmt: skip
    assert (await keyed(kim, "/handovers", str(uuid4()), hub="nowhere")).status == 429
    assert (await keyed(lee, "/handovers", str(uuid4()), hub="nowhere")).status == 409
    assert (await kim.post("/handovers", hub="nowhere")).status == 409


@pytest.mark.parametrize("key", ["", "x" * 201, "tab\there", "caf\u00e9"])
async def test_key_that_is_none_is_refused(api: Client, dsn: str, key: str) -> None:
    kim = api.with_token(await add_person(dsn, "kim", Role.GUARD))
    assert (await keyed(kim, "/logout", key)).status == 400
    assert (await kim.get("/me")).status == 200


async def test_key_opens_nothing_to_who_has_no_credential(api: Client, hands: Hands) -> None:
    assert (await keyed(api, "/alarms/1/acknowledge", "k")).status == 401
    assert (await keyed(api.with_token("hw_wrong"), "/alarms/1/acknowledge", "k")).status == 401
    assert hands.rows("SELECT 1 FROM acts_once") == []


async def test_large_request_is_refused_with_a_key_as_without(api: Client, dsn: str) -> None:
    kim = api.with_token(await add_person(dsn, "kim", Role.GUARD))

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(MOST_ANSWER_BYTES // 512):
            yield b"x" * 1024

    headers = {"Authorization": f"Bearer {kim.token}", "Idempotency-Key": "k"}
    async with kim.http.post(f"{kim.address}/api/v1/handovers", data=pieces(), headers=headers) as response:
        assert response.status == 413


@pytest.mark.parametrize("prefix", ["", "/hubwatch"])
async def test_below_a_prefix_acts_are_done_once_too(dsn: str, hands: Hands, prefix: str) -> None:
    token = await add_person(dsn, "kim", Role.SUPERVISOR)
    async with running_api(dsn, api={"path_prefix": "/hubwatch"}) as api:
        address = Client(api.address + prefix, api.http, token)
        made = [
            await keyed(address, f"/hubs/{HUB}/holds", "k", reason="court", since="2026-01-01T00:00:00Z")
            for _ in range(2)
        ]  # fmt: skip
        described = (await address.get("/openapi.json")).body
    assert [each.status for each in made] == [201, 201]
    assert len(hands.rows("SELECT id FROM legal_hold")) == 1
    assert described["servers"] == [{"url": "/hubwatch"}]
