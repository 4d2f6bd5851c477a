"""Cardholders, rules, persons and dead letters over the API: by role and hub, journalled, with the console's login."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from hubwatch_collector.second_chances import SecondChances
from hubwatch_collector.settings import CollectorSettings
from hubwatch_core import wire
from hubwatch_core.http.api_client import ApiClient
from hubwatch_core.permission import Role
from hubwatch_ops.database.dead_letters import app as letters_app
from hubwatch_ops.database.retention import retention_app
from hubwatch_ops.login import _show_notice
from hubwatch_ops.privacy import app as privacy_app
from hubwatch_ops.site import app as site_app
from support.alarms_database import Hands, hands_on
from support.console_running import Client, add_person, running_api
from support.role_logins import RoleLogins, roles_in
from support.site_applied import applied
from support.store_examples import frame

HUB = "harbour"
SITE = (
    f'[hub]\nid = "{HUB}"\nname = "H"\nmode = "sea"\ntime_zone = "Europe/Amsterdam"\n[[zones]]\nid = "office"\n'
    '[[shifts]]\nname = "early"\ndays = "mon-fri"\nfrom = "06:00"\nto = "14:00"\n'
)
ACTS = "SELECT act, hub, subject FROM audit WHERE who = %s AND verified ORDER BY id"
LETTER = """INSERT INTO hubwatch.dead_letters (topic, payload, reason, hub, agent, digest)
VALUES (%s, %s, 'not understood then', %s, %s, %s) RETURNING id"""
WHO = "badge:p1-5f2c"
NOTICE = "Property of the port.\nWhat is done here is recorded."


@pytest.fixture
def logins(migrated_plain_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RoleLogins]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    applied(migrated_plain_dsn, SITE)
    with roles_in(migrated_plain_dsn) as made:
        yield made


@pytest.fixture
def hands(logins: RoleLogins) -> Iterator[Hands]:
    with hands_on(logins.dsn) as made:
        yield made


@pytest.fixture
async def api(logins: RoleLogins, hands: Hands) -> AsyncIterator[Client]:
    async with running_api(logins.of("console"), notice={"text": NOTICE}) as client:
        yield client


class Person:
    """Somebody who gives commands, and asks the API."""

    def __init__(self, api: Client, logins: RoleLogins, folder: Path) -> None:
        self.api, self._logins, self._folder = api, logins, folder
        self.client = api

    async def be(self, user: str, role: Role, *hubs: str) -> None:
        """Log in as somebody who is new."""
        token = await add_person(self._logins.dsn, user, role, *hubs)
        self.client = self.api.with_token(token)
        file = self._folder / "hubwatch" / "login.json"
        file.parent.mkdir(exist_ok=True)
        file.touch(0o600)
        file.write_text(json.dumps({"address": self.api.address, "user": user, "token": token}), encoding="utf-8")

    async def said(self, app: typer.Typer, *words: str, code: int = 0) -> str:
        """Give a command, and return what it says."""
        result = await asyncio.to_thread(CliRunner().invoke, app, list(words))
        assert result.exit_code == code, result.output
        return result.output


@pytest.fixture
def person(api: Client, logins: RoleLogins, tmp_path: Path) -> Person:
    return Person(api, logins, tmp_path)


def acts(hands: Hands, who: str) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in hands.rows(ACTS, who)]


async def test_supervisor_imports_the_cardholders_of_their_hub_and_rules_are_not_theirs(
    person: Person, hands: Hands, tmp_path: Path
) -> None:
    file = tmp_path / "people.csv"
    head = "badge,home zone,shift,on call,clearance,valid from,valid to,name\n"
    file.write_text(head + "1,office,early,yes,2,2026-01-01,,Kim\n2,,,,,,2026-03-01,Li\n", encoding="utf-8")
    command = ("cardholders", "import", str(file), "--raw", "--with-names", "--hub", HUB, "--note", "march list")
    await person.be("ann", Role.TECHNICIAN, HUB)
    assert "needs the role supervisor" in await person.said(site_app, *command, code=1)
    await person.be("bo", Role.SUPERVISOR, "elsewhere")
    assert "needs the role supervisor" in await person.said(site_app, *command, code=1)
    await person.be("robin", Role.SUPERVISOR, HUB)
    said = await person.said(site_app, *command)
    assert f"import 1 of hub {HUB} is in force: 2 cardholders, 2 of them new or changed, 0 removed" in said
    found = hands.rows("SELECT subject, home_zone, shift, on_call, clearance FROM cardholders ORDER BY 1")
    assert [tuple(row.values()) for row in found] == [
        ("badge:1", "office", "early", True, 2), ("badge:2", None, None, False, 0),
    ]  # fmt: skip
    assert hands.rows("SELECT name FROM cardholder_names ORDER BY 1") == [{"name": "Kim"}, {"name": "Li"}]
    wrong = {"people": [{"subject": "badge:3", "home_zone": "cellar"}], "note": "x"}
    refused = await person.client.ask("PUT", f"/hubs/{HUB}/cardholders", wrong)
    assert (refused.status, "no zone or shift cellar" in refused.body["detail"]) == (400, True)
    wrong = {"people": [{"subject": "badge:3", "name": "secret \u202e"}], "note": "x"}
    refused = await person.client.ask("PUT", f"/hubs/{HUB}/cardholders", wrong)
    assert (refused.status, "secret" in str(refused.body)) == (400, False)
    assert hands.rows("SELECT count(*) AS many FROM cardholders") == [{"many": 2}]
    assert "needs the role administrator" in await person.said(
        retention_app, "set", "environment", "--raw", "30", "--why", "disk", code=1
    )
    assert acts(hands, "robin") == [("cardholder.import", HUB, "import 1")]


async def test_rules_are_changed_by_an_administrator_of_every_hub_only(person: Person, hands: Hands) -> None:
    rule = ("set", "environment", "--raw", "30", "--why", "disk")
    await person.be("ann", Role.ADMINISTRATOR, HUB)
    assert "at every hub" in await person.said(retention_app, *rule, code=1)
    await person.be("eve", Role.ADMINISTRATOR)
    assert "environment: raw 30, 1m 400, 1h forever, events 400" in await person.said(retention_app, *rule)
    assert "5 min before, 5 min after" in await person.said(
        retention_app, "evidence", "--before", "5", "--after", "5", "--why", "case law"
    )
    await person.said(privacy_app, "keep", "365", "--reason", "policy")
    shown = await person.said(retention_app, "show")
    assert "environment              30      400  forever      400  disk" in shown
    assert "5 min before to 5 min after" in shown
    assert acts(hands, "eve") == [
        ("retention.change", None, what) for what in ("rule environment", "evidence", "persons")
    ]
    (row,) = hands.rows("SELECT details FROM audit WHERE subject = 'persons'")
    assert row["details"] == {"former": 730, "days": 365, "reason": "policy"}


async def test_person_is_given_out_and_forgotten_by_whoever_may_at_each_hub(
    person: Person, hands: Hands, tmp_path: Path
) -> None:
    hands.rows("INSERT INTO hubs (hub) VALUES ('elsewhere') RETURNING 1")
    hands.rows("INSERT INTO cardholder_imports VALUES ('harbour', 1, now(), 'x', 'x', 1, 1, 0, false) RETURNING 1")
    hands.rows("INSERT INTO cardholder_imports VALUES ('elsewhere', 1, now(), 'x', 'x', 1, 1, 0, false) RETURNING 1")
    add = "INSERT INTO cardholders (hub, subject, on_call, clearance, version) VALUES (%s, %s, false, 0, 1) RETURNING 1"
    hands.rows(add, HUB, WHO)
    await person.be("ann", Role.ADMINISTRATOR, HUB)
    file = tmp_path / "about.json"
    assert "1 cardholder" in await person.said(privacy_app, "export", WHO, "--to", str(file))
    assert json.loads(file.read_text(encoding="utf-8"))["cardholder"][0]["hub"] == HUB
    hands.rows(add, "elsewhere", WHO)
    order = ("erase", WHO, "--reason", "asked for")
    refused = await person.said(privacy_app, *order, code=1)
    assert ("at every hub where" in refused, "elsewhere" in refused) == (True, False)
    assert hands.rows("SELECT count(*) AS many FROM cardholders") == [{"many": 2}]
    await person.be("eve", Role.ADMINISTRATOR)
    assert "2 cardholders" in await person.said(privacy_app, *order)
    assert hands.rows("SELECT subject FROM cardholders") == []
    assert "eve: asked for" in await person.said(privacy_app, "records", "--subject", WHO)
    assert acts(hands, "ann") == [("person.export", HUB, "a person")]
    assert acts(hands, "eve") == [("person.erase", None, "erasure 1")]
    assert WHO not in str(hands.rows("SELECT * FROM audit"))


async def test_dead_letter_is_tried_again_by_a_collector_and_seen_at_its_hub_only(
    person: Person, hands: Hands, logins: RoleLogins
) -> None:
    good, bad = frame(1, hub=HUB), b"not JSON"
    topic = f"hubwatch/1/{HUB}/gate-7/frame"
    numbers = [
        hands.rows(LETTER, topic, payload, HUB, "gate-7", bytes([n]))[0]["id"]
        for n, payload in enumerate((wire.encode(good), bad))
    ]
    await person.be("bo", Role.TECHNICIAN, "elsewhere")
    assert "no dead letters" in await person.said(letters_app, "list")
    assert (await person.client.get(f"/dead-letters/{numbers[0]}")).status == 403
    assert (await person.client.post(f"/dead-letters/{numbers[0]}/replay")).status == 403
    assert (await person.client.post("/dead-letters/replay")).body == {"asked": 0}
    await person.be("kim", Role.TECHNICIAN, HUB)
    assert "not understood then" in await person.said(letters_app, "list")
    assert "not JSON" in await person.said(letters_app, "show", str(numbers[1]))
    assert "2 are tried again" in await person.said(letters_app, "replay")
    chances = SecondChances(CollectorSettings(database=logins.settings("collector")))
    try:
        assert await chances.round() == 1
        assert await chances.round() == 0
    finally:
        await chances.close()
    assert hands.rows("SELECT seq FROM frames") == [{"seq": 1}]
    (left,) = (await person.client.get("/dead-letters")).body["letters"]
    assert (left["id"], left["waits"], left["still_dead"] is not None) == (numbers[1], False, True)
    assert acts(hands, "kim") == [("dead_letter.replay", None, "dead letters")]


async def test_notice_is_shown_before_anybody_logs_in(api: Client, capsys: pytest.CaptureFixture[str]) -> None:
    assert (await api.get("/notice")).body == {"notice": NOTICE}
    await asyncio.to_thread(_show_notice, ApiClient(api.address))
    assert capsys.readouterr().err.endswith(NOTICE + "\n")
