"""`hubwatch login` and what people do then: their acts are theirs, by the API, and never by the database's password."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pyotp
import pytest
import typer
from typer.testing import CliRunner

from hubwatch_alarms.cli import app as alarms_app
from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.mover import Mover
from hubwatch_core.permission import Role
from hubwatch_ops.approvals import app as approvals_app
from hubwatch_ops.database.retention import hold_app
from hubwatch_ops.level import app as level_app
from hubwatch_ops.login import login, logout, whoami
from hubwatch_store.database import open_pool
from support.alarms_database import Hands, hands_on, settings_of
from support.alarms_examples import detection
from support.console_running import Client, add_person, one_time, running_api

GOOD = "four tall quay cranes"

people = typer.Typer()
for each in (login, logout, whoami):
    people.command(each.__name__)(each)


@pytest.fixture
def dsn(migrated_plain_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    monkeypatch.setenv("HUBWATCH_DATABASE__DSN", migrated_plain_dsn)
    return migrated_plain_dsn


@pytest.fixture
async def api(dsn: str) -> AsyncIterator[Client]:
    async with running_api(dsn) as client:
        yield client


@pytest.fixture
async def hands(dsn: str) -> AsyncIterator[Hands]:
    with hands_on(dsn) as made:
        yield made


async def said(app: typer.Typer, *words: str, given: str = "", code: int = 0) -> str:
    result = await asyncio.to_thread(CliRunner().invoke, app, list(words), input=given)
    assert result.exit_code == code, result.output
    return result.output


def be(tmp_path: Path, api: Client, token: str, user: str) -> None:
    """Let the commands act as somebody, as after a login."""
    file = tmp_path / "hubwatch" / "login.json"
    file.parent.mkdir(exist_ok=True)
    file.touch(0o600)
    file.write_text(json.dumps({"address": api.address, "user": user, "token": token}), encoding="utf-8")


async def alarm(dsn: str, hands: Hands, **facts: Any) -> str:
    hands.detect(detection(**facts))
    async with open_pool(settings_of(dsn)) as pool:
        await Mover(pool, [], Instructions.load()).round()
    return str(hands.alarms()[-1]["id"])


async def test_guard_logs_in_the_first_time_acknowledges_and_logs_out(
    api: Client, dsn: str, hands: Hands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = await alarm(dsn, hands)
    monkeypatch.delenv("HUBWATCH_DATABASE__DSN")
    password = await one_time(dsn, "kim")
    output = await said(people, "login", api.address, "--user", "kim", given=f"{password}\n{GOOD}\n{GOOD}\n")
    file = tmp_path / "hubwatch" / "login.json"
    assert f"you are kim at {api.address}; the token is in {file}" in output
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    assert await said(people, "whoami") == f"kim at {api.address}: guard at every hub\n"
    listed = await said(alarms_app, "list")
    for part in (number, "unacknowledged", "Intrusion", "rotterdam / fence-1", "nobody told: no route carries it"):
        assert part in listed
    assert await said(alarms_app, "ack", number, "--note", "on my way") == f"alarm {number} is acknowledged, with kim\n"
    assert await said(alarms_app, "ack", number) == f"alarm {number} was already yours\n"
    shown = await said(alarms_app, "show", number)
    for part in ("Intrusion", "acknowledged", "on my way", "nobody was notified yet", "the fence moved for 2.1 s"):
        assert part in shown
    assert "needs the role supervisor" in await said(alarms_app, "close", number, "--reason", "x", code=1)
    (entry,) = hands.rows("SELECT by, note, verified FROM alarm_journal WHERE action = 'acknowledged'")
    assert entry == {"by": "kim", "note": "on my way", "verified": True}
    assert await said(people, "logout") == "kim is logged out\n"
    assert not file.exists()
    assert "who are you?" in await said(alarms_app, "ack", number, code=2)


async def test_supervisor_sets_up_a_second_factor_on_the_way(
    api: Client, dsn: str, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = await one_time(dsn, "robin", Role.SUPERVISOR)
    monkeypatch.setattr(pyotp, "random_base32", lambda: "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
    code = pyotp.TOTP("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP").now()
    given = f"robin\n{password}\n{GOOD}\n{GOOD}\n{code}\n"
    assert "your role needs a second factor" in await said(people, "login", api.address, given=given)
    assert "to be set up" not in await said(people, "whoami")
    assert "wrong" in await said(people, "login", api.address, given=f"robin\n{GOOD}\n{code}\n", code=1)
    assert hands.rows("SELECT count(*) AS n FROM audit WHERE act = 'user.second_factor'") == [{"n": 1}]


async def test_name_given_with_by_is_refused_where_there_is_a_directory(api: Client, dsn: str, hands: Hands) -> None:
    number = await alarm(dsn, hands)
    await add_person(dsn, "kim", Role.GUARD)
    hands.rows("INSERT INTO hubs (hub) VALUES ('rotterdam') ON CONFLICT DO NOTHING RETURNING hub")
    for app, words in (
        (alarms_app, ("ack", number, "--by", "kim")),
        (alarms_app, ("adjudicate", number, "real", "--by", "kim")),
        (hold_app, ("release", "1", "--by", "kim", "--reason", "x", "--dsn", dsn)),
        (level_app, ("set", "rotterdam", "2", "--by", "kim", "--note", "x", "--dsn", dsn)),
    ):
        assert "has a directory of users" in await said(app, *words, code=1)
    assert hands.actions(int(number)) == ["opened"]


async def test_where_there_is_no_directory_the_journal_says_unverified(dsn: str, hands: Hands) -> None:
    number = await alarm(dsn, hands, type_="radiation.gamma")
    await said(alarms_app, "ack", number, "--by", "kim")
    alone = ("shelve", number, "--by", "kim", "--for", "1h", "--note", "works")
    for second in ((), ("--agreed-by", "kim")):
        assert "radiation: a second person must agree" in await said(alarms_app, *alone, *second, code=1)
    await said(alarms_app, *alone, "--agreed-by", "lee")
    shown = await said(alarms_app, "show", number)
    assert "kim (unverified)" in shown
    assert "works (agreed by lee)" in shown
    acts = hands.rows("SELECT verified FROM audit WHERE act LIKE 'alarm.%%' ORDER BY id")
    assert [row["verified"] for row in acts] == [False, False]


async def test_two_persons_shelve_radiation_on_the_terminal(
    api: Client, dsn: str, hands: Hands, tmp_path: Path
) -> None:
    number = await alarm(dsn, hands, type_="radiation.gamma")
    kim, robin = await add_person(dsn, "kim", Role.RESPONDER), await add_person(dsn, "robin", Role.SUPERVISOR)
    be(tmp_path, api, kim, "kim")
    asked = await said(alarms_app, "shelve", number, "--for", "1h", "--note", "source test")
    approval = asked.split("approve ")[1].split("`")[0]
    assert "the second of two persons" in await said(approvals_app, "approve", approval, code=1)
    be(tmp_path, api, robin, "robin")
    listed = await said(approvals_app, "list")
    assert f"alarm.shelve_radiation at rotterdam: alarm {number}, asked by kim: source test (waits until" in listed
    assert "is approved and done" in await said(approvals_app, "approve", approval, "--note", "seen")
    assert hands.actions(int(number)) == ["opened", "shelved"]
    assert await said(approvals_app, "list") == "nothing waits for a second person\n"


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ("http://hub.example:8443", "must begin with https://"),
        ("hub.example", "no address of an API"),
        ("https://u:p@hub.example", "no address of an API"),
        ("https://[", "no address of an API"),
    ],
)
async def test_address_that_would_show_the_password_is_refused(dsn: str, address: str, line: str) -> None:
    output = await said(people, "login", address, given="kim\nx\n", code=2)
    assert line in output
    assert "u:p" not in output


async def test_file_that_others_may_read_is_not_used(api: Client, dsn: str, tmp_path: Path) -> None:
    be(tmp_path, api, await add_person(dsn, "kim", Role.GUARD), "kim")
    (tmp_path / "hubwatch" / "login.json").chmod(0o644)
    assert "may be read by others" in await said(people, "whoami", code=1)
