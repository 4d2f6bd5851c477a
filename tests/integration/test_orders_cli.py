"""Commands that change agents, sensors, sites, holds and users: as whoever is logged in, never by a name alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme
import typer
from typer.testing import CliRunner

from hubwatch_core.enrolment import EnrolmentToken
from hubwatch_core.permission import Role
from hubwatch_ops.approvals import app as approvals_app
from hubwatch_ops.database.retention import hold_app
from hubwatch_ops.devices.app import agent_app, sensor_app
from hubwatch_ops.enrolment.app import app as enrol_app
from hubwatch_ops.site import app as site_app
from hubwatch_ops.users import app as users_app
from hubwatch_store.database import DatabaseSection
from hubwatch_store.ingest import Writer
from support.alarms_database import Hands, hands_on
from support.console_running import Client, add_person, running_api
from support.enrolled import enrolled
from support.site_applied import fenced
from support.store_examples import birth, offer

HUB, AGENT = "harbour", "gate-7"
UNVERIFIED = "SELECT act, who, verified FROM audit WHERE who = 'kim' ORDER BY id"


@pytest.fixture
def dsn(migrated_plain_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    monkeypatch.setenv("HUBWATCH_DATABASE__DSN", migrated_plain_dsn)
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    (tmp_path / "site.toml").write_text(fenced(HUB), encoding="utf-8")
    return migrated_plain_dsn


@pytest.fixture
async def hands(dsn: str) -> AsyncIterator[Hands]:
    writer = Writer(DatabaseSection(dsn=dsn))
    await writer.write([offer(birth())])
    await writer.close()
    with hands_on(dsn) as made:
        yield made


@pytest.fixture
async def api(dsn: str, hands: Hands, tmp_path: Path) -> AsyncIterator[Client]:
    async with running_api(dsn, authority={"ca_file": tmp_path / "ca.pem"}) as client:
        yield client


async def said(app: typer.Typer, *words: str, code: int = 0) -> str:
    result = await asyncio.to_thread(CliRunner().invoke, app, list(words))
    assert result.exit_code == code, result.output
    return result.output


async def be(tmp_path: Path, api: Client, dsn: str, user: str, role: Role, *hubs: str) -> None:
    """Let the commands act as somebody who is new, as after a login."""
    token = await add_person(dsn, user, role, *hubs)
    file = tmp_path / "hubwatch" / "login.json"
    file.parent.mkdir(exist_ok=True)
    file.touch(0o600)
    file.write_text(json.dumps({"address": api.address, "user": user, "token": token}), encoding="utf-8")


def acts(hands: Hands, who: str) -> list[str]:
    found = hands.rows(f"SELECT act, verified FROM audit WHERE who = '{who}' ORDER BY id")
    assert all(row["verified"] for row in found)
    return [row["act"] for row in found]


async def test_technician_enrols_and_asks_that_an_agent_be_revoked(
    api: Client, dsn: str, hands: Hands, tmp_path: Path
) -> None:
    serial = await enrolled(dsn, HUB, AGENT)
    await be(tmp_path, api, dsn, "kim", Role.TECHNICIAN, HUB)
    out = tmp_path / "gate-8.token"
    assert "good once, for harbour/gate-8, until" in await said(
        enrol_app, "token", "--hub", HUB, "--agent", "gate-8", "--out", str(out)
    )
    EnrolmentToken.parse(out.read_text(encoding="ascii")).check((tmp_path / "ca.pem").read_text(encoding="ascii"))
    assert "will take a new key" in await said(enrol_app, "renew", f"{HUB}/{AGENT}")
    listed = await said(enrol_app, "list", "--hub", HUB)
    assert serial in listed
    assert "good, to be renewed" in listed
    assert "token of kim, until" in listed
    asked = await said(enrol_app, "revoke", f"{HUB}/{AGENT}", "--reason", "stolen")
    number = asked.split("approve ")[1].split("`")[0]
    assert asked == (
        f"{HUB}/{AGENT} waits for a second person: `hubwatch approvals approve {number}`, by somebody else\n"
    )
    await be(tmp_path, api, dsn, "robin", Role.SUPERVISOR, HUB)
    assert "is approved and done" in await said(approvals_app, "approve", number)
    assert "revoked by kim and robin: stolen" in await said(enrol_app, "list")
    assert "no key that could be revoked" in await said(
        enrol_app, "revoke", f"{HUB}/{AGENT}", "--reason", "again", code=1
    )
    words = ["enrolment.token_made", "enrolment.renewal_asked", "approval.ask", "enrolment.revoked"]
    assert acts(hands, "kim") == words


async def test_technician_changes_sensors(api: Client, dsn: str, hands: Hands, tmp_path: Path) -> None:
    await be(tmp_path, api, dsn, "kim", Role.TECHNICIAN, HUB)
    why = ("--reason", "lane closed")
    assert "another device now" in await said(sensor_app, "replace", f"{HUB}/rpm-2", *why, "--since", "2026-11-01")
    assert "stands in zone pier now" in await said(sensor_app, "move", f"{HUB}/rpm-2", "pier", *why)
    assert "is agent gate-7's now" in await said(sensor_app, "move", f"{HUB}/rpm-2", "--to", AGENT, *why)
    assert "may list sensor rpm-2, too" in await said(sensor_app, "share", f"{HUB}/rpm-2", "--with", AGENT, *why)
    assert "is called rpm-9 now" in await said(sensor_app, "rename", f"{HUB}/rpm-2", "rpm-9", *why)
    assert "gate-7 still lists sensor rpm-9" in await said(sensor_app, "forget", f"{HUB}/rpm-9", *why, code=1)
    hands.rows("UPDATE agents SET state = 'offline' RETURNING 1")
    gone = await said(agent_app, "forget", f"{HUB}/{AGENT}", *why)
    assert gone == "agent gate-7 is forgotten\nno agent lists these sensors any more: rpm-9\n"
    assert acts(hands, "kim") == ["sensor.change"] * 6


async def test_supervisor_puts_a_site_in_force_and_makes_a_hold(
    api: Client, dsn: str, hands: Hands, tmp_path: Path
) -> None:
    await be(tmp_path, api, dsn, "kim", Role.SUPERVISOR, HUB)
    file = tmp_path / "site.toml"
    assert f"version 1 of hub {HUB} is in force" in await said(site_app, "apply", str(file), "--note", "as built")
    assert "nothing to do" in await said(site_app, "apply", str(file), "--note", "as built")
    span = ("--from", "2026-11-01", "--to", "2026-11-02", "--reason", "case 7")
    assert "is in force" in await said(hold_app, "add", "--hub", HUB, "--sensor", "rpm-2", *span)
    assert acts(hands, "kim") == ["site.apply", "hold.make"]


async def test_administrator_keeps_users_and_the_machine_no_more(
    api: Client, dsn: str, hands: Hands, tmp_path: Path
) -> None:
    await be(tmp_path, api, dsn, "kim", Role.ADMINISTRATOR)
    added = await said(users_app, "add", "lee", "--role", f"guard={HUB}", "--full-name", "Lee [b]")
    assert len(added.split()[-1]) == 19
    assert "lee is responder at harbour" in await said(users_app, "grant", "lee", "--role", f"responder={HUB}")
    await said(users_app, "disable", "lee", "--note", "left")
    assert f"lee (Lee [b]): responder at {HUB}; disabled, has to set up: password" in await said(users_app, "list")
    await said(users_app, "enable", "lee")
    assert (await said(users_app, "reset", "lee")).split()[-1] != added.split()[-1]
    facts = {each["name"]: each for each in json.loads(await said(users_app, "list", "--json"))}
    assert facts["lee"]["grants"] == {"responder": [HUB]}
    words = ["user.add", "user.reset", "user.grant", "user.disable", "user.enable", "user.reset"]
    assert acts(hands, "kim") == words
    refused = await said(users_app, "reset", "lee", "--dsn", dsn, code=1)
    assert "administrators of this hub can log in" in refused
    again = await said(users_app, "reset", "lee", "--dsn", dsn, "--recover", "phones are gone")
    assert "the one-time password" in again
    (told,) = hands.rows("SELECT verified, subject, details FROM audit WHERE act = 'user.recover'")
    assert told == {"verified": False, "subject": "lee", "details": {"why": "phones are gone"}}


async def test_role_too_small_is_told_in_words(api: Client, dsn: str, hands: Hands, tmp_path: Path) -> None:
    await be(tmp_path, api, dsn, "kim", Role.GUARD, HUB)
    for app, words, need in (
        (enrol_app, ("token", "--hub", HUB, "--agent", "gate-8"), "agent.enrol needs the role technician"),
        (enrol_app, ("revoke", f"{HUB}/{AGENT}", "--reason", "x"), "certificate.revoke needs the role technician"),
        (sensor_app, ("replace", f"{HUB}/rpm-2", "--reason", "x"), "sensor.change needs the role technician"),
        (site_app, ("apply", str(tmp_path / "site.toml"), "--note", "x"), "site.apply needs the role supervisor"),
        (hold_app, ("add", "--hub", HUB, "--from", "2026-11-01", "--reason", "x"), "hold.make needs the role super"),
        (users_app, ("reset", "kim"), "user.change needs the role administrator"),
    ):
        assert need in await said(app, *words, code=1)


def by_name(tmp_path: Path) -> tuple[tuple[typer.Typer, tuple[str, ...]], ...]:
    who = ("--by", "kim", "--reason", "x")
    token = ("token", "--hub", HUB, "--agent", "gate-8", "--by", "kim", "--pki", str(tmp_path))
    return (
        (enrol_app, token),
        (enrol_app, ("renew", f"{HUB}/{AGENT}", "--by", "kim")),
        (enrol_app, ("revoke", f"{HUB}/{AGENT}", *who)),
        (sensor_app, ("replace", f"{HUB}/rpm-2", *who)),
        (
            site_app,
            ("apply", str(tmp_path / "site.toml"), "--by", "kim", "--note", "x"),
        ),
        (hold_app, ("add", "--hub", HUB, "--from", "2026-11-01", *who)),
    )


async def test_name_alone_is_good_only_where_there_is_no_directory(dsn: str, hands: Hands, tmp_path: Path) -> None:
    await enrolled(dsn, HUB, AGENT)
    for app, words in by_name(tmp_path):
        await said(app, *words)
    assert [(row["act"], row["verified"]) for row in hands.rows(UNVERIFIED)] == [
        ("enrolment.token_made", False),
        ("enrolment.renewal_asked", False),
        ("enrolment.revoked", False),
        ("sensor.change", False),
        ("site.apply", False),
        ("hold.make", False),
    ]
    for app, words in by_name(tmp_path):
        nobody = [word for word in words if word not in {"--by", "kim"}]
        assert "who are you? Log in" in await said(app, *nobody, code=2)
    await add_person(dsn, "robin", Role.GUARD)
    for app, words in by_name(tmp_path):
        assert "has a directory of users" in await said(app, *words, code=1)
    assert len(hands.rows(UNVERIFIED)) == 6
