"""Lists a page at a time: every row once, whatever comes meanwhile; an answer that is still good is not sent again."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hubwatch_console.paging import cursor_of
from hubwatch_core.permission import Role
from support.alarms_database import Hands
from support.console_hub import HUB, a_bad_morning, alarmed
from support.console_running import Client, add_person
from support.eventually import eventually

ALARM = (
    "INSERT INTO alarms (hub, zone, sensor, type, priority, state, opened, last_active, closed, detections, active, "
    "why) SELECT %s, 'z', %s || n, 'access.held', 1 + n %% 4, %s, now() - n / 3 * interval '1 s', now(), "
    "CASE WHEN %s = 'normal' THEN now() END, 1, 0, 'open' FROM generate_series(1, %s) n RETURNING id"
)
INCIDENT = (
    "INSERT INTO incidents (hub, opened, closed, title, priority) SELECT %s, now() - n * interval '1 min', "
    "CASE WHEN %s THEN now() - n / 3 * interval '1 s' END, 'x', 1 + n %% 4 FROM generate_series(1, %s) n RETURNING id"
)
OTHERS = (
    ("/drills?", "drills", "INSERT INTO drills (hub, scenario, title, began, ends, by, verified, ended, ended_by) "
     "SELECT 'rotterdam', 'x', 'x', now(), now() + interval '1 h', 'kim', true, now(), 'kim' "
     "FROM generate_series(1, %s) RETURNING id"),
    ("/handovers?", "handovers", "INSERT INTO handovers (hub, drafted, drafted_by, drafted_verified, facts) "
     "SELECT 'hub-' || n, now(), 'kim', true, '{}' FROM generate_series(1, %s) n RETURNING id"),
    ("/approvals?decided=true&", "approvals", "INSERT INTO approvals (act, hub, subject, reason, asked_by, expires, "
     "decision, decided, decided_by, details) SELECT 'level.lower', 'rotterdam', 's' || n, 'x', 'lee', now() + "
     "interval '1 h', CASE WHEN n %% 2 = 0 THEN 'refused' END, CASE WHEN n %% 2 = 0 THEN now() END, "
     "CASE WHEN n %% 2 = 0 THEN 'kim' END, '{}' FROM generate_series(1, %s) n RETURNING id"),
    ("/suppressions?", "suppressions", "INSERT INTO alarm_suppression (kind, hub, starts, ends, critical, by, "
     "verified, reason) SELECT 'works', 'h' || n %% 2, now() + n / 3 * interval '1 s', now() + interval '1 d', false, "
     "'kim', true, 'x' FROM generate_series(1, %s) n RETURNING id"),
    ("/users?", "users", "INSERT INTO users (name, created_by) SELECT 'user' || n, 'os:root' "
     "FROM generate_series(1, %s) n RETURNING id"),
    ("/dead-letters?", "letters", "INSERT INTO dead_letters (topic, payload, reason, digest, last_seen) SELECT 't', "
     "'', 'x', sha256(n::text::bytea), now() - n / 3 * interval '1 s' FROM generate_series(1, %s) n RETURNING id"),
    ("/agents/keys?", "keys", "INSERT INTO agent_keys (hub, agent, not_before, not_after, public_key, serial, "
     "certificate, enrolled_at) SELECT 'h' || n %% 2, 'a' || n %% 3, now(), now() + interval '1 d', "
     "sha256(n::text::bytea), upper(to_hex(n)), '', now() - n / 4 * interval '1 s' "
     "FROM generate_series(1, %s) n RETURNING serial"),
)  # fmt: skip


@pytest.fixture
async def boss(api: Client, dsn: str) -> Client:
    return api.with_token(await add_person(dsn, "robin", Role.ADMINISTRATOR))


async def pages(client: Client, path: str, name: str, most: int) -> AsyncIterator[list[Any]]:
    """Yield page after page of a list."""
    cursor = ""
    while True:
        answer = await client.get(f"{path}most={most}{cursor}")
        assert answer.status == 200, answer.body
        yield answer.body[name]
        if answer.body["next"] is None:
            return
        assert len(answer.body[name]) == most
        cursor = f"&cursor={answer.body['next']}"


async def whole(client: Client, path: str, name: str, most: int) -> list[Any]:
    return [each async for page in pages(client, path, name, most) for each in page]


@pytest.mark.parametrize("flooded", [False, True], ids=["calm", "flood"])
async def test_alarms_are_read_once_while_others_come(boss: Client, hands: Hands, flooded: bool) -> None:
    there = {row["id"] for row in hands.rows(ALARM, HUB, "door-", "unacknowledged", "x", 23)}
    there |= {row["id"] for row in hands.rows(ALARM, "basel", "gate-", "acknowledged", "x", 9)}
    if flooded:
        hands.rows(
            "INSERT INTO alarm_journal (alarm, at, action, by, to_state) SELECT id, now(), 'opened', 'system', "
            "'unacknowledged' FROM alarms WHERE hub = %s RETURNING id", HUB,
        )  # fmt: skip
    assert (await boss.get("/alarms")).body["floods"] == ([HUB] if flooded else [])
    all_at_once = [each["id"] for each in await whole(boss, "/alarms?", "alarms", 1000)]
    assert set(all_at_once) == there
    seen: list[int] = []
    async for page in pages(boss, "/alarms?", "alarms", 5):
        seen += [each["id"] for each in page]
        if len(seen) == 5:
            # In front of all, and behind.
            hands.rows(ALARM, HUB, "new-", "unacknowledged", "x", 3)
            hands.rows("UPDATE alarms SET state = 'normal', closed = now() WHERE id = %s RETURNING 1", seen[0])
    assert len(seen) == len(set(seen))
    assert [each for each in seen if each in there] == all_at_once


async def test_more_says_how_many_come_after_the_page_and_no_hub_is_shown_that_one_does_not_see(
    boss: Client, api: Client, dsn: str, hands: Hands
) -> None:
    hands.rows(ALARM, HUB, "door-", "unacknowledged", "x", 7)
    hands.rows(ALARM, "basel", "gate-", "unacknowledged", "x", 7)
    hands.rows(ALARM, HUB, "old-", "normal", "normal", 4)
    first = (await boss.get("/alarms?most=5")).body
    second = (await boss.get(f"/alarms?most=5&cursor={first['next']}")).body
    assert (first["more"], second["more"]) == (9, 4)
    kim = api.with_token(await add_person(dsn, "kim", Role.GUARD, HUB))
    answer = (await kim.get(f"/alarms?cursor={first['next']}")).body
    assert {each["hub"] for each in answer["alarms"]} == {HUB}
    closed = await whole(kim, "/alarms?closed=true&", "alarms", 3)
    assert [each["closed"] is not None for each in closed] == [False] * 7 + [True] * 4


async def test_incidents_are_read_once_the_open_ones_first(boss: Client, hands: Hands) -> None:
    opened = {row["id"] for row in hands.rows(INCIDENT, HUB, False, 8)}
    closed = {row["id"] for row in hands.rows(INCIDENT, HUB, True, 9)}
    found = [each["id"] for each in await whole(boss, "/incidents?closed=true&", "incidents", 3)]
    assert (set(found[:8]), set(found[8:]), len(found)) == (opened, closed, 17)
    assert found == [each["id"] for each in await whole(boss, "/incidents?closed=true&", "incidents", 1000)]
    assert {each["id"] for each in await whole(boss, "/incidents?", "incidents", 3)} == opened


@pytest.mark.parametrize(("path", "name", "fill"), OTHERS, ids=[each[1] for each in OTHERS])
async def test_list_is_read_once_in_its_order(
    boss: Client, hands: Hands, dsn: str, path: str, name: str, fill: str
) -> None:
    assert len(hands.rows(fill, 11)) == 11
    if name == "users":
        hands.rows('INSERT INTO user_secrets ("user") SELECT id FROM users ON CONFLICT DO NOTHING RETURNING 1')
    every = await whole(boss, path, name, 500 if name == "letters" else 200)
    assert len(every) >= 11
    for most in (1, 4):
        assert await whole(boss, path, name, most) == every


async def test_own_tokens_are_read_once(boss: Client) -> None:
    for n in range(5):
        await boss.post("/tokens", label=f"t{n}", valid_s=3600)
    found = await whole(boss, "/tokens?", "tokens", 2)
    assert [each["label"] for each in found] == [f"t{n}" for n in range(5)]


@pytest.mark.parametrize(
    "cursor",
    [
        "x", "", "====", "\u00e9", cursor_of("drills", (1,)), cursor_of("alarms", (1,)), cursor_of("alarms", ["1"] * 8),
        cursor_of("alarms", [True] * 8), cursor_of("alarms", [2**63] * 8), cursor_of("alarms", [1.5] * 8),  # type: ignore[list-item]
    ],
)  # fmt: skip
async def test_cursor_of_no_page_of_this_list_is_refused(boss: Client, cursor: str) -> None:
    answer = await boss.get(f"/alarms?cursor={cursor}")
    assert answer.status == 400
    assert answer.body["detail"] == "cursor must be the `next` of a page of this list"


@pytest.mark.parametrize(
    ("path", "kind", "place"),
    [
        ("/suppressions", "suppressions", ("h", "alarm", "yesterday", 1)),
        ("/dead-letters", "dead letters", ("9999-12-31T23:59:59+99:99", 1)),
        ("/agents/keys", "keys", ("h", "a", "", "0A")),
        ("/users", "users", ("a\0b",)),
    ],
)
async def test_cursor_that_somebody_made_up_is_refused(boss: Client, path: str, kind: str, place: Any) -> None:
    assert (await boss.get(f"{path}?cursor={cursor_of(kind, place)}")).status == 400


async def settled(client: Client, path: str) -> str:
    """Return the tag of an answer once it stays: a console that has just begun learns of its hubs."""
    tags: list[str] = []

    async def is_settled() -> bool:
        tags.append((await client.get(path)).headers["etag"])
        return len(tags) > 20 and len(set(tags[-20:])) == 1

    await eventually(is_settled)
    return tags[-1]


@pytest.mark.parametrize("path", ["/alarms", "/incidents", "/blind", "/health", f"/hubs/{HUB}/level"])
async def test_what_has_not_changed_is_not_sent_again(boss: Client, dsn: str, hands: Hands, path: str) -> None:
    await alarmed(dsn, hands, *a_bad_morning())
    tag = await settled(boss, path)
    for given in (tag, f'"other", W/{tag}', "*"):
        again = await boss.ask("GET", path, **{"If-None-Match": given})
        assert (again.status, again.body, again.headers["etag"]) == (304, "", tag)
    for given in ('"other"', tag.strip('"'), ""):
        assert (await boss.ask("GET", path, **{"If-None-Match": given})).status == 200
    hands.rows("UPDATE alarms SET priority = 1, hub = 'rotterdam' RETURNING 1")
    hands.rows("UPDATE incidents SET title = 'other' RETURNING 1")
    hands.rows("UPDATE agents SET state = 'offline', software = 'other' RETURNING 1")
    await boss.post(f"/hubs/{HUB}/level", level=2, note="order")
    changed = await boss.ask("GET", path, **{"If-None-Match": tag})
    assert (changed.status, changed.headers["etag"] == tag) == (200, False)


async def test_hub_that_one_does_not_see_has_no_level_and_nothing_blind(api: Client, dsn: str) -> None:
    far = api.with_token(await add_person(dsn, "far", Role.VIEWER, "basel"))
    assert (await far.get(f"/hubs/{HUB}/level")).status == 404
    for hub in (HUB, "nowhere", "nowhere%00"):
        assert (await far.get(f"/blind?hub={hub}")).status == 404, hub
    assert (await far.get("/blind?hub=basel")).status == 404, "a hub that is not there yet"
    assert (await far.get("/blind")).body == {"hubs": [], "zones": [], "sensors": 0, "whole": True}
    health = (await far.get("/health")).body
    assert (health["hubs"], health["agents"], json.dumps(health).count("quay")) == ([], [], 0)


async def test_nothing_is_called_well_before_it_is_known(boss: Client) -> None:
    for path in ("/health", "/blind"):
        (hub,) = (await boss.get(path)).body["hubs"]
        assert hub["doubts"] != []
