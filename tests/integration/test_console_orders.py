"""What people order over the API besides handling alarms: by role and hub, in the journal under their own name."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import AsyncIterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import trustme

from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.mover import Mover
from hubwatch_core.permission import Role
from hubwatch_store.database import DatabaseSection, open_pool
from hubwatch_store.ingest import Writer
from support.alarms_database import Hands, hands_on, settings_of
from support.console_running import Client, add_person, running_api
from support.enrolled import enrolled as enrolled_agent
from support.eventually import eventually
from support.site_applied import fenced
from support.store_examples import birth, offer

HUB, AGENT = "harbour", "gate-7"
ACTS = "SELECT act, who, verified, subject FROM audit WHERE who IN ('kim', 'robin') ORDER BY id"
TOLD = 'SELECT type, hub, sensor, d."end" IS NOT NULL AS over FROM detections d ORDER BY start'


@pytest.fixture
async def hands(migrated_plain_dsn: str) -> AsyncIterator[Hands]:
    writer = Writer(DatabaseSection(dsn=migrated_plain_dsn))
    await writer.write([offer(birth())])
    await writer.close()
    with hands_on(migrated_plain_dsn) as made:
        yield made


@pytest.fixture
def root(tmp_path: Path) -> str:
    """Make a root, and return its fingerprint."""
    made = trustme.CA().cert_pem
    made.write_to_path(str(tmp_path / "ca.pem"))
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(made.bytes().decode())).hexdigest()


@pytest.fixture
async def anybody(migrated_plain_dsn: str, hands: Hands, root: str, tmp_path: Path) -> AsyncIterator[Client]:
    async with running_api(migrated_plain_dsn, authority={"ca_file": tmp_path / "ca.pem"}) as client:
        yield client


@pytest.fixture
async def enrolled(migrated_plain_dsn: str, hands: Hands) -> str:
    """Enrol the agent, and return the serial of its key."""
    return await enrolled_agent(migrated_plain_dsn, HUB, AGENT)


@pytest.fixture
async def kim(anybody: Client, migrated_plain_dsn: str) -> Client:
    return anybody.with_token(await add_person(migrated_plain_dsn, "kim", Role.TECHNICIAN, HUB))


@pytest.fixture
async def robin(anybody: Client, migrated_plain_dsn: str) -> Client:
    return anybody.with_token(await add_person(migrated_plain_dsn, "robin", Role.SUPERVISOR, HUB))


def acts(hands: Hands) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in hands.rows(ACTS)]


def told(hands: Hands) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in hands.rows(TOLD)]


async def moved(dsn: str) -> None:
    async with open_pool(settings_of(dsn)) as pool:
        await Mover(pool, [], Instructions.load()).round()


async def test_agent_is_revoked_by_two_and_the_hub_is_told_at_once(
    migrated_plain_dsn: str, hands: Hands, enrolled: str, kim: Client, robin: Client
) -> None:
    asked = await kim.post(f"/agents/{HUB}/{AGENT}/revoke", reason="stolen at 03:00")
    assert asked.status == 202
    number = asked.body["approval"]
    assert hands.rows("SELECT revoked_at FROM agent_keys") == [{"revoked_at": None}]
    assert told(hands) == [("integrity.revocation_asked", HUB, AGENT, False)]
    await moved(migrated_plain_dsn)
    (alarm,) = hands.alarms()
    assert (alarm["type"], alarm["sensor"], alarm["priority"]) == ("integrity.revocation_asked", AGENT, 1)
    assert f"approval {number}" in alarm["why"]
    assert (await kim.post(f"/agents/{HUB}/{AGENT}/revoke", reason="again")).status == 409
    assert (await kim.post(f"/approvals/{number}/approve")).status == 403
    agreed = await robin.post(f"/approvals/{number}/approve", note="called kim")
    assert (agreed.status, agreed.body["done"]) == (200, True)
    (key,) = hands.rows("SELECT revoked_at IS NOT NULL AS revoked, revoked_by, reason FROM agent_keys")
    assert key == {"revoked": True, "revoked_by": "kim and robin", "reason": "stolen at 03:00"}
    assert told(hands) == [("integrity.revocation_asked", HUB, AGENT, True)]
    assert acts(hands) == [
        ("approval.ask", "kim", True, f"certificate.revoke agent {AGENT}"),
        ("enrolment.revoked", "kim", True, AGENT),
        ("approval.approved", "robin", True, f"certificate.revoke agent {AGENT}"),
    ]
    (revoked,) = hands.rows("SELECT details FROM audit WHERE act = 'enrolment.revoked'")
    assert revoked["details"] == {"serials": [enrolled], "reason": "stolen at 03:00", "agreed_by": "robin"}
    assert (await kim.post(f"/agents/{HUB}/{AGENT}/revoke", reason="once more")).status == 409


async def test_who_was_made_a_supervisor_today_is_no_second_person(
    migrated_plain_dsn: str, hands: Hands, enrolled: str
) -> None:
    async with running_api(migrated_plain_dsn, login={"second_person_after_s": 86_400}) as client:
        kim = client.with_token(await add_person(migrated_plain_dsn, "kim", Role.TECHNICIAN, HUB))
        robin = client.with_token(await add_person(migrated_plain_dsn, "robin", Role.SUPERVISOR, HUB))
        number = (await kim.post(f"/agents/{HUB}/{AGENT}/revoke", reason="stolen")).body["approval"]
        answer = await robin.post(f"/approvals/{number}/approve")
        assert (answer.status, "within 24 h is no second person yet" in str(answer.body)) == (403, True)
        assert hands.rows("SELECT revoked_at FROM agent_keys") == [{"revoked_at": None}]
        hands.rows("UPDATE approvals SET asked = asked + interval '2 days' RETURNING 1")
        assert (await robin.post(f"/approvals/{number}/approve")).status == 200


async def test_revocation_that_is_refused_or_over_changes_nothing_and_ends_its_alarm(
    hands: Hands, enrolled: str, kim: Client, robin: Client
) -> None:
    for word in ("refused", "expired"):
        number = (await kim.post(f"/agents/{HUB}/{AGENT}/revoke", reason="looks odd")).body["approval"]
        if word == "refused":
            assert (await robin.post(f"/approvals/{number}/refuse")).body["decision"] == word
        else:
            hands.rows("UPDATE approvals SET expires = now() WHERE decision IS NULL RETURNING 1")
            assert (await robin.post(f"/approvals/{number}/approve")).status == 409
            assert (await robin.get("/approvals")).body == {"approvals": [], "next": None}
    assert hands.rows("SELECT revoked_at FROM agent_keys") == [{"revoked_at": None}]
    assert [row[3] for row in told(hands)] == [True, True]


async def test_request_that_nobody_decides_is_over_although_nobody_looks(
    migrated_plain_dsn: str, hands: Hands, enrolled: str, kim: Client
) -> None:
    assert (await kim.post(f"/agents/{HUB}/{AGENT}/revoke", reason="looks odd")).status == 202
    hands.rows("UPDATE approvals SET expires = now() RETURNING 1")
    async with running_api(migrated_plain_dsn):
        await eventually(lambda: told(hands) == [("integrity.revocation_asked", HUB, AGENT, True)])
    assert hands.rows("SELECT decision FROM approvals") == [{"decision": "expired"}]


async def test_leave_to_enrol_carries_the_root_and_keys_are_listed(
    hands: Hands, enrolled: str, kim: Client, root: str
) -> None:
    made = await kim.post(f"/agents/{HUB}/gate-8/token", valid_s=600)
    assert made.status == 201
    assert made.body["token"].endswith(f".{root}")
    assert (await kim.post(f"/agents/{HUB}/{AGENT}/renew")).status == 204
    listed = (await kim.get("/agents/keys")).body
    assert [(key["agent"], key["serial"], key["renewal_asked"]) for key in listed["keys"]] == [(AGENT, enrolled, True)]
    assert [(each["agent"], each["by"]) for each in listed["tokens"]] == [("gate-8", "kim")]
    assert acts(hands) == [
        ("enrolment.token_made", "kim", True, "gate-8"),
        ("enrolment.renewal_asked", "kim", True, AGENT),
    ]
    assert (await kim.post(f"/agents/{HUB}/gate-8/token", valid_s=8 * 86_400)).status == 422
    assert (await kim.post(f"/agents/{HUB}/Gate 8/token")).status == 422


async def test_sensors_are_changed_under_the_name_of_who_is_logged_in(hands: Hands, kim: Client) -> None:
    for path, body in (
        ("replace", {"since": "2026-11-01T10:00:00Z"}),
        ("move", {"zone": "pier"}),
        ("rename", {"name": "rpm-9"}),
    ):
        answer = await kim.post(f"/sensors/{HUB}/rpm-2/{path}", reason="lane closed", **body)
        assert (answer.status, answer.body) == (204, "")
    assert [row["by"] for row in hands.rows("SELECT by FROM device_journal ORDER BY id")] == ["kim"] * 3
    assert acts(hands) == [("sensor.change", "kim", True, "sensor rpm-2")] * 3
    for path, body, status in (
        ("move", {}, 400),
        ("move", {"zone": "pier", "agent": AGENT}, 400),
        ("replace", {"since": "2026-11-01T10:00:00"}, 400),
        ("share", {"agent": "nobody"}, 409),
        ("forget", {}, 409),
    ):
        answer = await kim.post(f"/sensors/{HUB}/rpm-9/{path}", reason="x", **body)
        assert (path, answer.status) == (path, status)
    assert len(acts(hands)) == 3


async def test_agent_that_is_gone_is_forgotten(hands: Hands, kim: Client) -> None:
    hands.rows("UPDATE agents SET state = 'offline' RETURNING 1")
    gone = await kim.post(f"/agents/{HUB}/{AGENT}/forget", reason="scrapped")
    assert (gone.status, gone.body) == (200, {"gone": ["rpm-2"]})
    assert acts(hands) == [("sensor.change", "kim", True, f"agent {AGENT}")]


async def test_site_is_put_in_force_once_and_its_mistakes_are_named(hands: Hands, robin: Client) -> None:
    text = resources.files("hubwatch_site").joinpath("sample.toml").read_text(encoding="utf-8")
    text = text.replace('id = "rotterdam"', f'id = "{HUB}"')
    first = await robin.ask("PUT", "/site", {"file": text, "note": "as built"})
    assert (first.status, first.body["hub"], first.body["version"], first.body["new"]) == (200, HUB, 1, True)
    again = await robin.ask("PUT", "/site", {"file": text, "note": "as built"})
    assert (again.body["version"], again.body["new"]) == (1, False)
    assert hands.rows("SELECT version, applied_by, note FROM site_versions") == [
        {"version": 1, "applied_by": "robin", "note": "as built"}
    ]
    assert acts(hands) == [("site.apply", "robin", True, "version 1")]
    wrong = await robin.ask("PUT", "/site", {"file": text + "\nnonsense = 1", "note": "x"})
    assert wrong.status == 422
    assert wrong.body["errors"]
    for body in ({}, {"file": 1, "note": "x"}, {"file": text, "note": "x", "more": 1}):
        assert (await robin.ask("PUT", "/site", body)).status == 400


async def test_site_may_be_larger_than_other_requests_but_of_nobody_unknown(anybody: Client, robin: Client) -> None:
    large = {"file": "#" * 200_000, "note": "x"}
    assert (await robin.ask("PUT", "/site", large)).status == 422
    assert (await anybody.ask("PUT", "/site", large)).status == 401

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3 << 10):
            yield b"x" * 1024

    headers = {"Authorization": f"Bearer {robin.token}"}
    async with robin.http.put(f"{robin.address}/api/v1/site", data=pieces(), headers=headers) as response:
        assert response.status == 413


async def test_hold_is_made_by_a_supervisor_of_the_hub(hands: Hands, robin: Client, kim: Client) -> None:
    span = {"since": "2026-11-01T10:00:00Z", "until": "2026-11-02T10:00:00Z"}
    made = await robin.post(f"/hubs/{HUB}/holds", reason="case 7", **span)
    assert made.status == 201
    assert hands.rows("SELECT id, by, reason FROM legal_holds") == [
        {"id": made.body["hold"], "by": "robin", "reason": "case 7"}
    ]
    assert acts(hands) == [("hold.make", "robin", True, f"hold {made.body['hold']}")]
    assert (await kim.post(f"/hubs/{HUB}/holds", reason="case 7", **span)).status == 403
    assert (await robin.post(f"/hubs/{HUB}/holds", reason="x", since="2026-11-01T10:00:00")).status == 400
    assert (await robin.post(f"/hubs/{HUB}/holds", reason="x", since=span["until"], until=span["since"])).status == 409


async def test_administrator_of_every_hub_keeps_the_directory(
    anybody: Client, migrated_plain_dsn: str, hands: Hands
) -> None:
    boss = anybody.with_token(await add_person(migrated_plain_dsn, "kim", Role.ADMINISTRATOR))
    added = await boss.post("/users", name="lee", grants={"guard": [HUB]}, full_name="Lee")
    assert added.status == 201
    begun = await anybody.post("/login", user="lee", password=added.body["one_time_password"])
    assert begun.body["user"]["needs"] == ["password"]
    assert (await boss.post("/users/lee/grants", grants={"responder": [HUB]})).status == 204
    assert (await boss.post("/users/lee/disable", note="left")).status == 204
    assert (await boss.post("/users/lee/enable")).status == 204
    again = await boss.post("/users/lee/reset")
    assert again.body["one_time_password"] != added.body["one_time_password"]
    (lee,) = [user for user in (await boss.get("/users")).body["users"] if user["name"] == "lee"]
    assert (lee["name"], lee["grants"]) == ("lee", [{"role": "responder", "hubs": [HUB]}])
    assert lee["disabled"] is None
    words = [act for act, who, verified, subject in acts(hands) if (who, verified, subject) == ("kim", True, "lee")]
    assert words == ["user.add", "user.reset", "user.grant", "user.disable", "user.enable", "user.reset"]
    token = anybody.with_token((await boss.post("/tokens", label="script", valid_s=600)).body["token"])
    assert {user["name"] for user in (await token.get("/users")).body["users"]} >= {"kim", "lee"}
    assert (await token.post("/users/lee/reset")).body["detail"] == "this needs a login, an API token is not enough"
    for path, body, status in (
        ("/users", {"name": "Lee", "grants": {"guard": [HUB]}}, 400),
        ("/users", {"name": "ann", "grants": {"boss": [HUB]}}, 400),
        ("/users", {"name": "lee", "grants": {"guard": [HUB]}}, 409),
        ("/users/nobody/reset", {}, 409),
    ):
        assert (path, (await boss.post(path, **body)).status) == (path, status)


REQUESTS: tuple[tuple[str, str, dict[str, object]], ...] = (
    ("POST", f"/agents/{HUB}/{AGENT}/token", {}),
    ("POST", f"/agents/{HUB}/{AGENT}/renew", {}),
    ("POST", f"/agents/{HUB}/{AGENT}/revoke", {"reason": "x"}),
    ("POST", f"/agents/{HUB}/{AGENT}/forget", {"reason": "x"}),
    ("POST", f"/sensors/{HUB}/rpm-2/replace", {"reason": "x"}),
    ("POST", f"/sensors/{HUB}/rpm-2/move", {"reason": "x", "zone": "pier"}),
    ("POST", f"/sensors/{HUB}/rpm-2/share", {"reason": "x", "agent": AGENT}),
    ("POST", f"/sensors/{HUB}/rpm-2/rename", {"reason": "x", "name": "rpm-9"}),
    ("POST", f"/sensors/{HUB}/rpm-2/forget", {"reason": "x"}),
    ("PUT", "/site", {"file": fenced(HUB), "note": "x"}),
    ("POST", f"/hubs/{HUB}/holds", {"reason": "x", "since": "2026-11-01T10:00:00Z"}),
    ("GET", "/users", {}),
    ("POST", "/users", {"name": "lee", "grants": {"guard": ["*"]}}),
    ("POST", "/users/kim/grants", {"grants": {"guard": ["*"]}}),
    ("POST", "/users/kim/disable", {}),
    ("POST", "/users/kim/enable", {}),
    ("POST", "/users/kim/reset", {}),
)


async def test_role_too_small_or_of_another_hub_is_refused_and_nothing_happens(
    anybody: Client, migrated_plain_dsn: str, hands: Hands, enrolled: str
) -> None:
    guard = anybody.with_token(await add_person(migrated_plain_dsn, "kim", Role.GUARD, HUB))
    elsewhere = anybody.with_token(await add_person(migrated_plain_dsn, "robin", Role.ADMINISTRATOR, "basel"))
    before = hands.rows("SELECT max(id) AS last FROM audit")
    for method, path, body in REQUESTS:
        for client in (guard, elsewhere):
            answer = await client.ask(method, path, body)
            assert (path, answer.status, answer.body["type"]) == (path, 403, "urn:hubwatch:problem:not-allowed")
        assert (path, (await anybody.ask(method, path, body)).status) == (path, 401)
    assert (await elsewhere.get("/agents/keys")).body == {"keys": [], "tokens": [], "next": None}
    assert hands.rows("SELECT max(id) AS last FROM audit") == before


async def test_api_that_knows_no_root_says_what_to_set(migrated_plain_dsn: str, hands: Hands) -> None:
    async with running_api(migrated_plain_dsn) as client:
        kim = client.with_token(await add_person(migrated_plain_dsn, "kim", Role.TECHNICIAN, HUB))
        answer = await kim.post(f"/agents/{HUB}/{AGENT}/token")
    assert (answer.status, "set authority.ca_file" in answer.body["detail"]) == (409, True)
    assert hands.rows("SELECT count(*) AS n FROM enrolment_tokens") == [{"n": 0}]
