"""Roles and what is known of people, machines and signed frames: each program has what it needs. On both databases."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from hubwatch_core import wire
from hubwatch_core.clock import now_us
from hubwatch_core.errors import Permanent
from hubwatch_core.permission import EVERY_HUB, Actor, Grant, Role, UserAct
from hubwatch_store import devices, login
from hubwatch_store.backup import create_backup
from hubwatch_store.database import DatabaseConnection, Pool, connect, connect_sync, open_pool
from hubwatch_store.devices import AgentKeys, Rights, SayingRules, claimed_in
from hubwatch_store.enrolment import (
    NewCertificate,
    agent_keys,
    ask_renewal,
    good_agents,
    make_token,
    redeem,
    renew,
    revoke,
    revoked_serials,
)
from hubwatch_store.ingest import Departure, Letter, Mistrust, Writer, evidence, signed_lines
from hubwatch_store.keeping import legal_hold, privacy
from hubwatch_store.login import LoginSection
from hubwatch_store.site import apply
from hubwatch_store.upkeep import maintain
from hubwatch_store.users import (
    User,
    approvals,
    begin_session,
    check_no_directory,
    directory,
    end_sessions,
    forget_old,
    has_directory,
    who,
)
from support.kept_database import DAY, HUB, NOW, kept_in
from support.role_logins import RoleLogins, roles_in
from support.site_applied import fenced
from support.store_examples import OTHER_EPOCH, birth, frame, message, offer, one, rows

ROLES = (
    "collector",
    "detectors",
    "alarms",
    "console",
    "operator",
    "maintenance",
    "backup",
    "up",
    "reader",
    "all",
    "enrol",
)
AGENT, OTHER = "gate-7", "gate-8"
ROOT = Actor("os:root", verified=False)
HERE = "192.0.2.7"
GOOD = "four tall quay cranes"
WHO = "badge:p1-5f2c"


@pytest.fixture
def logins(migrated_database: str) -> Iterator[RoleLogins]:
    with roles_in(migrated_database) as made:
        yield made


READ = {
    "users": {"alarms", "console", "operator", "up"},
    "user_grants": {"console"},
    "user_secrets": {"console"},
    "user_sessions": {"console"},
    "login_failures": {"console"},
    "oidc_logins": {"console"},
    "acts_once": {"console"},
    "approvals": {"console", "operator"},
    "agent_keys": {"collector", "console", "detectors", "enrol", "operator", "up"},
    "enrolment_tokens": {"console", "enrol", "operator", "up"},
    "intake_finding": {"collector", "maintenance", "operator", "up"},
    "sensor_grant": {"collector", "console", "detectors", "operator", "up"},
    "sensor_claim": {"collector", "console", "operator", "up"},
    "signed_frame": {"collector", "maintenance", "operator", "up"},
    "privacy_erasures": {"collector", "console", "maintenance", "operator", "up"},
    "retention_person": {"collector", "console", "maintenance", "operator", "up"},
}
"""Who reads what, beside the backup, which reads everything. A collector does the upkeep too."""
WRITE = {
    "users": {"console"},
    "user_grants": {"console"},
    "user_secrets": {"console"},
    "user_sessions": {"console"},
    "login_failures": {"console"},
    "oidc_logins": {"console"},
    "acts_once": {"console"},
    "approvals": {"console"},
    "agent_keys": {"console", "enrol", "operator", "up"},
    "enrolment_tokens": {"console", "enrol", "operator", "up"},
    "intake_finding": {"collector", "maintenance", "up"},
    "sensor_grant": {"collector", "console", "operator", "up"},
    "sensor_claim": {"collector", "console", "operator", "up"},
    "signed_frame": {"collector", "maintenance", "up"},
    "legal_hold_release": {"console", "operator"},
    "privacy_erasures": {"collector", "console", "maintenance", "operator", "up"},
    "retention_person": {"console", "operator"},
    "signed_frame_bounds": set(),
}
CHANGE = {
    "detection": {"collector", "maintenance", "up"},
    "privacy_erasures": {"collector", "maintenance", "up"},
    "signed_frame": set(),
    "legal_hold_release": set(),
}
CALL = {
    "tell_intake": {"collector", "up"},
    "may_say_until": {"collector", "detectors", "up"},
    "journal": {"collector", "detectors", "alarms", "console", "enrol", "operator", "maintenance", "up"},
    "add_to_chain": set(),
}


def holders(logins: RoleLogins, table: str, *rights: str) -> set[str]:
    """Return the roles that have one of some rights to a table: to all of it, or to columns."""
    asked = """
        SELECT r FROM unnest(%(roles)s::text[]) r, unnest(%(rights)s::text[]) p WHERE r <> 'backup' AND CASE
            WHEN p = 'DELETE' THEN has_table_privilege(%(prefix)s || '_' || r, %(table)s, p)
            ELSE has_any_column_privilege(%(prefix)s || '_' || r, %(table)s, p) END"""
    values = {"roles": list(ROLES), "rights": list(rights), "prefix": logins.prefix, "table": f"hubwatch.{table}"}
    with psycopg.connect(logins.dsn) as connection:
        return {row[0] for row in connection.execute(asked, values).fetchall()}


def test_who_reads_and_writes_what(logins: RoleLogins) -> None:
    assert {table: holders(logins, table, "SELECT") for table in READ} == READ
    assert {table: holders(logins, table, "INSERT", "UPDATE", "DELETE") for table in WRITE} == WRITE
    assert {table: holders(logins, table, "UPDATE") for table in CHANGE} == CHANGE
    asked = """
        SELECT p.proname, r FROM pg_proc p, unnest(%s::text[]) r
        WHERE p.pronamespace = 'hubwatch'::regnamespace AND p.proname = ANY (%s)
            AND has_function_privilege(%s || '_' || r, p.oid, 'EXECUTE')"""
    found: dict[str, set[str]] = {name: set() for name in CALL}
    with psycopg.connect(logins.dsn) as connection:
        for name, role in connection.execute(asked, [list(ROLES), list(CALL), logins.prefix]).fetchall():
            found[name].add(role)
    assert found == CALL


def test_alarms_know_that_there_is_a_directory_and_not_who_is_in_it(logins: RoleLogins) -> None:
    with psycopg.connect(logins.of("alarms")) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("SELECT name FROM hubwatch.users")


def listing(agent: str) -> wire.Birth:
    epoch = {"epoch": OTHER_EPOCH} if agent == OTHER else {}
    return birth(agent=agent, sent=now_us(), **epoch)


async def mistrusted(logins: RoleLogins) -> None:
    """Let a collector store what it believes, and refuse the rest."""
    writer = Writer(logins.settings("collector"), rules=SayingRules(own=True, announced=True))
    try:
        await writer.write([offer(listing(AGENT)), offer(listing(OTHER))])
        forged = Letter("not signed", hub="harbour", agent=AGENT, kind=Mistrust.FORGED)
        await writer.write([offer(frame(1)), offer(frame(1, agent=OTHER, epoch=OTHER_EPOCH)), offer(forged)])
    finally:
        await writer.close()


def told(dsn: str) -> list[str]:
    return [row[0] for row in rows(dsn, "SELECT type FROM detections ORDER BY type")]


async def test_collector_refuses_tells_and_keeps(logins: RoleLogins) -> None:
    await mistrusted(logins)
    assert told(logins.dsn) == ["integrity.frame_forged", "integrity.sensor_claimed"]
    assert one(logins.dsn, "SELECT agent FROM sensor_claim") == OTHER
    writer = Writer(logins.settings("collector"))
    try:
        await writer.write([offer(Departure("harbour", OTHER))])
    finally:
        await writer.close()
    assert one(logins.dsn, "SELECT count(*) FROM sensor_claim") == 0
    async with await connect(logins.settings("collector")) as connection:
        await evidence.keep(connection, [message(b"{}")])
    assert one(logins.dsn, "SELECT frames FROM signed_frame") == 1


@pytest.mark.parametrize("role", ["collector", "detectors"])
async def test_who_believes_agents_knows_their_keys_and_sensors(logins: RoleLogins, role: str) -> None:
    await mistrusted(logins)
    settings = logins.settings(role)
    keys = AgentKeys(settings, "keys")
    try:
        (fault,) = await keys.faults([(message(b"{}"), listing(AGENT))])
        assert fault is not None
    finally:
        await keys.close()
    async with await connect(settings) as connection:
        assert await claimed_in(connection, listing(OTHER)) == {"rpm-2": AGENT}
        (sifted,) = await Rights(SayingRules(own=True)).sift(connection, [frame(2, agent=OTHER, epoch=OTHER_EPOCH)])
        assert sifted.claimed == ("rpm-2",)


async def test_operator_gives_sensors_and_reads_what_is_signed(logins: RoleLogins) -> None:
    await mistrusted(logins)
    async with await connect(logins.settings("operator")) as connection:
        await devices.share(connection, "harbour", "rpm-2", OTHER, "kim", "both see it")
        await devices.give(connection, "harbour", "rpm-2", OTHER, "kim", "moved")
        await devices.rename(connection, "harbour", "rpm-2", "rpm-3", "kim", "renamed")
    assert rows(logins.dsn, "SELECT sensor, agent FROM sensor_grant") == [("rpm-3", OTHER)]
    with connect_sync(logins.settings("operator")) as command:
        day = timedelta(days=1)
        assert list(signed_lines(command, "harbour", AGENT, datetime.now(UTC) - day, datetime.now(UTC) + day)) == []


def issue(public_key: bytes) -> NewCertificate:
    begin = datetime.now(UTC) - timedelta(days=1)
    return NewCertificate(os.urandom(8).hex().upper(), begin, begin + timedelta(days=90), public_key, b"c")


@pytest.mark.parametrize("server", ["up", "operator"])
async def test_enrolment_is_served_and_commanded(logins: RoleLogins, server: str) -> None:
    first, second = os.urandom(32), os.urandom(32)
    async with (
        await connect(logins.settings("operator")) as command,
        await connect(logins.settings(server)) as service,
    ):
        token, _ = await make_token(command, HUB, AGENT, by="ann", valid_s=60)
        enrolled = await redeem(service, token, HUB, AGENT, first, source=HERE, issue=lambda *_: issue(first))
        await ask_renewal(command, HUB, AGENT, by="ann")
        await renew(service, enrolled.serial, second, lambda _: True, lambda *_: issue(second))
        assert await good_agents(service) == [(HUB, AGENT)]
        assert len(await revoke(command, HUB, AGENT, by="ann", reason="stolen")) == 2
        assert len(await revoked_serials(service)) == 2
        assert len(await agent_keys(command)) == 2
    acts = [row[0] for row in rows(logins.dsn, "SELECT act FROM audit ORDER BY id")]
    assert acts == [f"enrolment.{act}" for act in ("token_made", "enrolled", "renewal_asked", "renewed", "revoked")]


def names(logins: RoleLogins, *, old: bool = False) -> None:
    """Let a detection and a closed alarm name a person."""
    at = NOW - 800 * DAY if old else NOW
    with kept_in(logins.dsn) as kept:
        kept.sensor("door-3", "access")
        kept.do(
            "INSERT INTO detection (id, type, hub, sensor, subject, start, detected, score, priority, detector,"
            " version, late, why) VALUES ('d1', 'access.brute_force', %s, 'door-3', %s, %s, %s, 5, 2, 'badges',"
            " 1, false, '')",
            HUB, WHO, at, at,
        )  # fmt: skip
        kept.do(
            "INSERT INTO alarms (hub, sensor, type, subject, priority, state, opened, last_active, why, score, closed)"
            " VALUES (%s, 'door-3', 'access.brute_force', %s, 2, 'normal', %s, %s, '', 1, %s)",
            HUB, WHO, at, at, at,
        )  # fmt: skip


def test_operator_gives_out_and_forgets_persons(logins: RoleLogins) -> None:
    names(logins)
    with connect_sync(logins.settings("operator")) as connection:
        assert len(privacy.about(connection, WHO)["detections"]) == 1
        done = privacy.erase(connection, WHO, by="counsel", reason="asked for")
        privacy.set_person_days(connection, 400)
        assert privacy.person_days(connection) == 400
    assert done.counts is not None
    assert (done.counts["detections"], done.counts["alarms"]) == (1, 1)


async def test_maintenance_ends_trims_and_forgets(logins: RoleLogins) -> None:
    await mistrusted(logins)
    names(logins, old=True)
    with psycopg.connect(logins.dsn, autocommit=True) as owner:
        owner.execute("UPDATE hubwatch.intake_finding SET last_seen = last_seen - INTERVAL '1 day'")
        owner.execute(
            "INSERT INTO hubwatch.signed_frame (hub, received, agents, frames, lines)"
            " VALUES ('harbour', now() - INTERVAL '99 days', '{gate-7}', 1, '')"
        )
    assert maintain(logins.settings("maintenance")) is not None
    assert one(logins.dsn, "SELECT count(*) FROM intake_finding") == 0
    assert one(logins.dsn, "SELECT count(*) FROM signed_frame") == 0
    assert one(logins.dsn, "SELECT count(*) FROM detection_ends") == 2
    assert one(logins.dsn, "SELECT count(*) FROM detection WHERE subject LIKE 'badge:%'") == 0
    assert one(logins.dsn, "SELECT count(*) FROM alarms WHERE subject LIKE 'badge:%'") == 0


@pytest.mark.parametrize("role", ["operator", "alarms"])
async def test_commands_know_whether_there_is_a_directory(logins: RoleLogins, role: str) -> None:
    async with await connect(logins.settings(role)) as connection:
        assert not await has_directory(connection)
    with connect_sync(logins.settings(role)) as command:
        check_no_directory(command)
        with psycopg.connect(logins.dsn, autocommit=True) as owner:
            owner.execute("INSERT INTO hubwatch.users (name, created_by) VALUES ('kim', 'os:root')")
        with pytest.raises(Permanent, match="has a directory"):
            check_no_directory(command)


async def added(connection: DatabaseConnection, name: str, role: Role) -> User:
    async with directory.changing(connection):
        return await directory.add_user(connection, name, [Grant(role, frozenset({EVERY_HUB}))], by=ROOT)


async def logged_in(pool: Pool) -> None:
    """Let the first administrator log in, choose a password and a second factor, and be refused once."""
    settings, name = LoginSection(), login.FIRST_ADMINISTRATOR
    one_time = await login.first_administrator(pool, ROOT)
    assert one_time is not None
    _, begun = await login.log_in(pool, settings, name, one_time, None, HERE)
    async with pool.connection() as connection:
        caller = await who(connection, begun.token)
    assert caller is not None
    await login.change_password(pool, settings, caller, one_time, GOOD, HERE)
    await login.begin_second_factor(pool, settings, caller)
    with pytest.raises(login.LoginRefused):
        await login.log_in(pool, settings, name, "wrong", None, HERE)
    begun_elsewhere = await login.begin_oidc(pool, "https://hub/back")
    await login.take_oidc(pool, begun_elsewhere.state, begun_elsewhere.binding)
    await login.forget_old(pool)


async def test_console_knows_people_and_lets_two_agree(logins: RoleLogins) -> None:
    with psycopg.connect(logins.dsn, autocommit=True) as owner:
        owner.execute("INSERT INTO hubwatch.hubs (hub) VALUES ('harbour')")
    with connect_sync(logins.settings("operator")) as command:
        hold = legal_hold.add(command, hub="harbour", sensor=None, held_from=NOW, held_to=None, reason="7", by="kim")
    async with open_pool(logins.settings("console")) as pool:
        await logged_in(pool)
        async with pool.connection() as connection:
            kim, lee = await added(connection, "kim", Role.SUPERVISOR), await added(connection, "lee", Role.SUPERVISOR)
            await begin_session(connection, kim.id, valid_s=60, idle_s=60)
            await end_sessions(connection, kim.id, "over")
            await forget_old(connection)
            async with directory.changing(connection):
                await directory.set_grants(connection, kim, kim.grants, by=ROOT)
            first, second = Actor("kim", kim.grants), Actor("lee", lee.grants)
            async with connection.transaction():
                number = await approvals.ask(
                    connection, first, UserAct.HOLD_RELEASE, hub="harbour", subject=f"hold {hold}", reason="over",
                    valid_s=60,
                )  # fmt: skip
            async with connection.transaction():
                found = await approvals.to_decide(connection, second, number)
                await legal_hold.release_agreed(connection, hold, reason="over", by="kim and lee")
                await approvals.decide(connection, second, found, agree=True, note=None, done=True)
            assert [each.decision for each in await approvals.approvals(connection, decided=True)] == ["approved"]
    assert one(logins.dsn, "SELECT by FROM legal_hold_release") == "kim and lee"


async def test_console_does_what_people_order_and_makes_no_key(logins: RoleLogins) -> None:
    await mistrusted(logins)
    hub, key = "harbour", os.urandom(32)
    kim = Actor("kim", (Grant(Role.TECHNICIAN, frozenset({hub})),))
    async with await connect(logins.settings("operator")) as service:
        token, _ = await make_token(service, hub, AGENT, by="ann", valid_s=60)
        await redeem(service, token, hub, AGENT, key, source=HERE, issue=lambda *_: issue(key))
    async with await connect(logins.settings("console")) as connection:
        token, _ = await make_token(connection, hub, AGENT, by="kim", valid_s=60, verified=True)
        other = os.urandom(32)
        with pytest.raises(Permanent):
            await redeem(connection, token, hub, AGENT, other, source=HERE, issue=lambda *_: issue(other))
        await ask_renewal(connection, hub, AGENT, by="kim", verified=True)
        async with connection.transaction():
            await approvals.ask(
                connection, kim, UserAct.CERTIFICATE_REVOKE, hub=hub, subject=f"agent {AGENT}", reason="stolen",
                valid_s=60, details={"agent": AGENT},
            )  # fmt: skip
        assert await revoke(connection, hub, AGENT, by="kim", reason="stolen", agreed_by="robin")
        await devices.give(connection, hub, "rpm-2", OTHER, "kim", "moved")
        await devices.share(connection, hub, "rpm-2", AGENT, "kim", "both see it")
        await devices.move(connection, hub, "rpm-2", "pier", "kim", "moved")
        await devices.replace(connection, hub, "rpm-2", "kim", "worn out")
        await devices.rename(connection, hub, "rpm-2", "rpm-3", "kim", "renamed")
        with psycopg.connect(logins.dsn, autocommit=True) as owner:
            owner.execute("UPDATE hubwatch.agents SET state = 'offline'")
        for agent in (AGENT, OTHER):
            await devices.forget_agent(connection, hub, agent, "kim", "scrapped")
    with connect_sync(logins.settings("console")) as command:
        apply(command, fenced(hub), by="kim", note="as built", verified=True)
        legal_hold.add(command, hub=hub, sensor=None, held_from=NOW, held_to=None, reason="7", by="kim", verified=True)
    assert "integrity.revocation_asked" in told(logins.dsn)


def test_backup_has_people_and_keys_too(logins: RoleLogins, tmp_path: Path) -> None:
    made = create_backup(logins.settings("backup"), tmp_path / "b", lambda *_: None)
    assert READ.keys() <= {table.name for table in made.tables}


def test_a_reader_of_every_hub_knows_nothing_of_people_and_keys(logins: RoleLogins) -> None:
    with psycopg.connect(logins.reader("grafana", EVERY_HUB), autocommit=True) as reader:
        for table in READ:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute(f"SELECT count(*) FROM hubwatch.{table}".encode())
