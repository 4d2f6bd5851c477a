"""Each program works with its own role and nothing more; readers see their hubs only. On both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from hubwatch_alarms import handover, incident_acts, incident_views
from hubwatch_alarms.instructions import Instructions
from hubwatch_alarms.mover import Mover
from hubwatch_alarms.people import acknowledge, adjudicate, close
from hubwatch_alarms.settings import CommandSettings
from hubwatch_core.alarm import Adjudication
from hubwatch_core.errors import Permanent
from hubwatch_core.permission import Actor
from hubwatch_site import Cardholder
from hubwatch_site.cardholder_list import ListedPerson
from hubwatch_store.alarms import alarms
from hubwatch_store.audit import journal_now
from hubwatch_store.backup import create_backup, restore_backup
from hubwatch_store.database import (
    EVERY_HUB,
    DatabaseSection,
    Migration,
    apply_roles,
    check_schema,
    connect,
    connect_sync,
    migrate,
    migrations,
    open_pool,
)
from hubwatch_store.detections import (
    DetectionBatch,
    JournalRow,
    StateKey,
    StateRow,
    StateSnapshot,
    keep,
    keep_snapshot,
    load_states,
    to_judge,
)
from hubwatch_store.devices import move, rename
from hubwatch_store.enrolment import NewCertificate, is_due, make_token, redeem, renew, revoke, revoked_serials
from hubwatch_store.ingest import Departure, Letter, State, Writer
from hubwatch_store.keeping import legal_hold
from hubwatch_store.ownership import WorkClaim, still_ours
from hubwatch_store.ownership.lease import beat, release, tell_refused, try_claim
from hubwatch_store.ownership.machine import this_process
from hubwatch_store.site import apply, end_due, import_list, set_level
from hubwatch_store.upkeep import maintain
from support.alarms_examples import detection
from support.databases import fresh_database
from support.full_database import fill, relations
from support.kept_database import HUB, kept_in
from support.role_logins import RoleLogins, roles_in
from support.store_examples import birth, event, frame, offer, one

PROGRAMS = ("collector", "detectors", "alarms", "console", "operator", "maintenance", "backup", "enrol", "up")
JOURNALS = ("audit", "alarm_journal", "adjudications", "level_journal", "device_journal", "site_versions", "detection",
            "detection_ends", "audit_signatures", "cardholder_imports", "legal_hold", "legal_hold_release",
            "privacy_erasures", "signed_frame_bounds", "incident_journal")  # fmt: skip
SITE = '[hub]\nid = "harbour"\nname = "H"\nmode = "sea"\ntime_zone = "Europe/Amsterdam"\n'
NOT_ALL_OWN = ("hubs", "zones", "zone_travel", "dead_letters")
"""What holds rows of another hub too, or of none."""
FOREIGN = ("level_scales",)
"""What readers see that belongs to no hub."""


@pytest.fixture
def logins(migrated_database: str) -> Iterator[RoleLogins]:
    with roles_in(migrated_database) as made:
        yield made


async def taken(logins: RoleLogins) -> None:
    """Let a collector store what agents may say."""
    check_schema(logins.settings("collector"))
    writer = Writer(logins.settings("collector"))
    try:
        await writer.write([offer(birth()), offer(frame(1, events=[event("door.opened")]))])
        letter = Letter("not JSON", hub="harbour", agent="gate-9", epoch="01JD4ZQ4T8XK6W1M5R9V2B7C0D", seq=3)
        await writer.write([offer(frame(2)), offer(frame(3)), offer(State("harbour", "gate-7", True)), offer(letter)])
        await writer.write([offer(birth(agent="gate-8", inventory=[]))])
        await writer.write([offer(Departure("harbour", "gate-8"))])
    finally:
        await writer.close()


async def test_collector_stores_what_agents_say(logins: RoleLogins) -> None:
    await taken(logins)
    assert one(logins.dsn, "SELECT count(*) FROM readings") == 6
    assert one(logins.dsn, "SELECT count(*) FROM events") == 1
    assert one(logins.dsn, "SELECT count(*) FROM dead_letters") == 1
    assert one(logins.dsn, "SELECT count(*) FROM agents WHERE gone IS NOT NULL") == 1


async def test_detectors_find_and_alarms_handle(logins: RoleLogins) -> None:
    await taken(logins)
    key = StateKey("harbour", "radiation_portal", "rpm-2", "live")
    async with open_pool(logins.settings("detectors")) as pool:
        await to_judge(pool, "harbour")
        found = detection(hub="harbour", sensor="rpm-2")
        places = await keep(pool, DetectionBatch([found], [JournalRow("harbour", 1, b"x")]))
        await keep_snapshot(pool, StateSnapshot("harbour", [StateRow(key, 1, b"y")], [], places["harbour"]))
        await keep_snapshot(pool, StateSnapshot("harbour", [], [key], places["harbour"]))
        assert await load_states(pool) == []
    async with open_pool(logins.settings("alarms")) as pool:
        await Mover(pool, [], Instructions.load()).round()
        async with pool.connection() as connection:
            await end_due(connection)
    number = one(logins.dsn, "SELECT id FROM alarms")
    assert isinstance(number, int)
    console = CommandSettings(database=logins.settings("console"))
    await acknowledge(console, number, "kim", None)
    await adjudicate(console, number, Adjudication.FALSE, "kim", None)
    await close(console, number, "kim", "nothing there")
    await worked_on(logins, number)
    assert one(logins.dsn, "SELECT count(*) FROM alarm_journal") == one(
        logins.dsn, "SELECT count(*) FROM audit WHERE act = 'alarm_journal'"
    )


async def worked_on(logins: RoleLogins, alarm: int) -> None:
    """Let people handle an incident and hand over with the role of the console."""
    kim, lee = Actor("kim", verified=False), Actor("lee", verified=False)
    incident = one(logins.dsn, "SELECT incident FROM alarms")
    assert isinstance(incident, int)
    async with open_pool(logins.settings("console")) as pool:
        async with alarms.moving(pool) as connection:
            await incident_acts.close(connection, kim, incident, Adjudication.FALSE, None)
        async with pool.connection() as connection:
            assert (await incident_views.timeline(connection, incident, after=None, most=100))["rows"]
            facts = await handover.gathered(connection, kim, "harbour", Instructions.load())
            async with connection.transaction():
                draft = await handover.draft(connection, kim, "harbour", facts)
                signed = await handover.sign(connection, kim, draft.id, draft.digest)
                await handover.take(connection, lee, draft.id, signed.digest)
    for role in ("console", "operator"):
        with psycopg.connect(logins.of(role), autocommit=True) as connection, pytest.raises(psycopg.Error):
            connection.execute("UPDATE hubwatch.handovers SET notes = 'x'")


@pytest.mark.parametrize("role", ["collector", "detectors", "alarms"])
async def test_a_program_holds_its_name(logins: RoleLogins, role: str) -> None:
    async with await connect(logins.settings(role)) as connection:
        assert await try_claim(connection, WorkClaim(role, "one", None), "t1", this_process(), {}) == []
        (holder,) = await try_claim(connection, WorkClaim(role, "one", None), "t2", this_process(), {})
        await tell_refused(connection, [holder], "another")
        assert await beat(connection, "t1") == (1, "another")
        async with connection.transaction():
            await still_ours(connection, "t1")
        await release(connection, "t1")


async def test_operator_changes_site_people_devices_level_and_holds(logins: RoleLogins) -> None:
    await taken(logins)
    settings = logins.settings("operator")
    with connect_sync(settings) as connection:
        apply(connection, SITE, by="kim", note="first")
        person = ListedPerson(Cardholder("badge:1", None, None, True, 3, None), "Kim")
        import_list(connection, "harbour", [person], by="kim", note="all", with_names=True)
        hold = legal_hold.add(connection, hub="harbour", sensor=None, held_from=one(logins.dsn, "SELECT now()"),
                              held_to=None, reason="case 7", by="kim")  # fmt: skip
        legal_hold.release(connection, hold, reason="closed", by="kim")
        journal_now(connection, "tested", who="kim")
    async with await connect(settings) as link:
        await set_level(link, "harbour", 2, by="kim", note="order")
        await move(link, "harbour", "rpm-2", "gate-1", "kim", "moved")
        await rename(link, "harbour", "rpm-2", "rpm-3", "kim", "renamed")
    assert one(logins.dsn, "SELECT count(*) FROM device_journal WHERE by = 'kim'") == 2


async def test_enrolment_gives_certificates_to_who_has_leave_and_can_do_nothing_else(logins: RoleLogins) -> None:
    def issued(number: int) -> NewCertificate:
        now = datetime.now(UTC)
        return NewCertificate(f"A{number}", now, now + timedelta(days=90), bytes([number]) * 32, b"c")

    async with await connect(logins.settings("console")) as console:
        leave, _ = await make_token(console, "harbour", "gate-7", by="kim", valid_s=60, verified=True)
    check_schema(logins.settings("enrol"))
    async with await connect(logins.settings("enrol")) as link:
        made = await redeem(link, leave, "harbour", "gate-7", bytes([1]) * 32, source="::1", issue=lambda *_: issued(1))
        await renew(link, made.serial, bytes([2]) * 32, lambda _: True, lambda *_: issued(2))
        assert not await is_due(link, "A2")
        assert await revoked_serials(link) == []
        with pytest.raises(Permanent):
            await make_token(link, "harbour", "gate-8", by="kim", valid_s=60)
        with pytest.raises(Permanent):
            await revoke(link, "harbour", "gate-7", by="kim", reason="lost")
    told = "SELECT string_agg(act, ' ' ORDER BY id) FROM audit"
    assert one(logins.dsn, told) == "enrolment.token_made enrolment.enrolled enrolment.renewed"
    with psycopg.connect(logins.dsn, autocommit=True) as connection:
        tables = connection.execute(
            """SELECT relname FROM pg_class WHERE relnamespace = 'hubwatch'::regnamespace AND relkind IN ('r', 'p', 'v')
                AND has_any_column_privilege(%s, oid, 'SELECT, INSERT, UPDATE') ORDER BY 1""",
            [f"{logins.prefix}_enrol"],
        ).fetchall()
    assert [name for (name,) in tables] == ["agent_keys", "enrolment_tokens", "migrations"]


WIDER = """SELECT count(*) FROM (SELECT 'hubwatch.event'::regclass AS of
    UNION ALL SELECT inhrelid FROM pg_inherits WHERE inhparent = 'hubwatch.event'::regclass) p
WHERE has_table_privilege(%s, of, 'UPDATE')"""
PIECES = "SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'hubwatch.event'::regclass"


async def test_what_an_earlier_version_granted_is_gone_also_on_partitions(logins: RoleLogins) -> None:
    await taken(logins)
    operator, console = (f"{logins.prefix}_{role}" for role in ("operator", "console"))
    with psycopg.connect(logins.dsn, autocommit=True) as connection:
        pieces = [name for (name,) in connection.execute(PIECES)]
        assert pieces
        for what in (
            *(f"UPDATE ON {table} TO {operator}" for table in ("hubwatch.event", *pieces)),
            f"DELETE ON hubwatch.alarms TO {console}",
            f"USAGE ON SEQUENCE hubwatch.identity_generation TO {logins.prefix}_enrol",
            f"EXECUTE ON FUNCTION hubwatch.lock_alarms() TO {logins.prefix}_enrol",
        ):
            connection.execute(f"GRANT {what}".encode())
        wider = connection.execute(WIDER, [operator]).fetchone()
        assert wider == (1 + len(pieces),)
        apply_roles(DatabaseSection(dsn=logins.dsn), logins.prefix)
        assert connection.execute(WIDER, [operator]).fetchone() == (0,)
        left = connection.execute(
            """SELECT has_column_privilege(%s, 'hubwatch.event', 'sensor_id', 'UPDATE'),
                has_table_privilege(%s, 'hubwatch.alarms', 'DELETE'),
                has_sequence_privilege(%s, 'hubwatch.identity_generation', 'USAGE'),
                has_function_privilege(%s, 'hubwatch.lock_alarms()', 'EXECUTE')""",
            [operator, console, *[f"{logins.prefix}_enrol"] * 2],
        ).fetchone()
    assert left == (True, False, False, False)


async def test_maintenance_and_backup_do_their_work(logins: RoleLogins, tmp_path: Path) -> None:
    with kept_in(logins.dsn) as kept:
        fill(kept, readings=20)
    with psycopg.connect(logins.dsn, autocommit=True) as owner:
        owner.execute("UPDATE hubwatch.retention_rule SET raw_days = 1, minute_days = 1, hour_days = 1, event_days = 1")
    done = maintain(logins.settings("maintenance"))
    assert done is not None
    assert done.deleted is not None
    made = create_backup(logins.settings("backup"), tmp_path / "b", lambda *_: None)
    assert {"audit", "reading"} <= {table.name for table in made.tables}


def test_migrations_go_on_as_the_owner(logins: RoleLogins) -> None:
    more = Migration(9000, "pre", "more", "CREATE TABLE hubwatch.more (x int)")
    assert migrate(DatabaseSection(dsn=logins.dsn), known=[*migrations(), more]) == (more,)
    owner = "SELECT relowner::regrole::text FROM pg_class WHERE oid = 'hubwatch.more'::regclass"
    assert one(logins.dsn, owner) == f"{logins.prefix}_owner"
    for role in PROGRAMS:
        with pytest.raises(Permanent):
            migrate(logins.settings(role), known=[*migrations(), more, Migration(9001, "pre", "x", "SELECT 1")])
    apply_roles(DatabaseSection(dsn=logins.dsn), logins.prefix)


def test_no_role_changes_a_journal_or_owns_anything(logins: RoleLogins) -> None:
    names = [f"{logins.prefix}_{role}" for role in (*PROGRAMS, "reader", "all", "views")]
    with psycopg.connect(logins.dsn, autocommit=True) as connection:
        may = connection.execute(
            """SELECT r, t, p FROM unnest(%s::text[]) r, unnest(%s::text[]) t,
                unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER', 'REFERENCES']) p
            WHERE has_table_privilege(r, 'hubwatch.' || t, p)""",
            [names, list(JOURNALS)],
        ).fetchall()
        adds = connection.execute(
            "SELECT r FROM unnest(%s::text[]) r WHERE has_any_column_privilege(r, 'hubwatch.audit', 'INSERT')"
            " OR has_table_privilege(r, 'hubwatch.audit_head', 'UPDATE')"
            " OR has_table_privilege(r, 'hubwatch.role_hubs', 'INSERT, UPDATE, DELETE')",
            [names],
        ).fetchall()
        truncates = connection.execute(
            """SELECT r, c.relname FROM unnest(%s::text[]) r, pg_class c
            WHERE c.relnamespace = 'hubwatch'::regnamespace AND c.relkind IN ('r', 'p', 'v')
                AND has_table_privilege(r, c.oid, 'TRUNCATE, TRIGGER') AND pg_get_userbyid(c.relowner) <> r""",
            [names],
        ).fetchall()
        powers = connection.execute(
            "SELECT rolname FROM pg_roles WHERE rolname = ANY (%s) AND (rolsuper OR rolcreaterole OR rolcreatedb"
            " OR rolbypassrls OR rolreplication OR pg_has_role(oid, %s, 'MEMBER'))",
            [names, f"{logins.prefix}_owner"],
        ).fetchall()
    assert (may, adds, truncates, powers) == ([], [], [], [])


NOT_A_READERS = {
    "lock out others": "SELECT pg_advisory_lock(1)",
    "lock out others for a transaction": "SELECT pg_advisory_xact_lock_shared(1, 2)",
    "say that something is new": "SELECT pg_notify('hubwatch_alarms', 'x')",
    "keep large objects": "SELECT lo_create(0)",
    "make tables of its session": "CREATE TEMP TABLE t (x int)",
    "make tables": "CREATE TABLE hubwatch.t (x int)",
    "read beneath the views": "SELECT count(*) FROM hubwatch.reading",
    "read payloads": "SELECT payload FROM hubwatch.dead_letters",
    "read names": "SELECT * FROM hubwatch.cardholder_names",
    "read what was done": "SELECT * FROM hubwatch.audit",
    "say what was done": "SELECT hubwatch.journal('x', true, NULL, 'x', NULL, NULL)",
    "add to the chain": "SELECT hubwatch.add_to_chain('x', true, NULL, 'x', NULL, NULL)",
    "aggregate any channel": "SELECT * FROM hubwatch.rollup_of_any('1 min', 1, '-infinity', 'infinity')",
    "drop partitions": "SELECT hubwatch.drop_piece('reading', 'x', now(), now())",
    "see more hubs": "INSERT INTO hubwatch.role_hubs VALUES (current_user, '*')",
    "take alarms": "UPDATE hubwatch.alarms SET state = 'acknowledged'",
}


@pytest.fixture
def reader(logins: RoleLogins) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(logins.reader("grafana", EVERY_HUB), autocommit=True) as made:
        yield made


def test_a_reader_may_read_and_nothing_else(reader: psycopg.Connection[tuple[object, ...]]) -> None:
    done = []
    for what, statement in NOT_A_READERS.items():
        try:
            reader.execute(statement.encode())
        except psycopg.errors.InsufficientPrivilege:
            continue
        done.append(what)
    assert done == []
    assert reader.execute("SHOW statement_timeout").fetchone() == ("30s",)


def counts(dsn: str, names: list[str]) -> dict[str, int]:
    """Return how many rows a login sees of each relation that it may read."""
    seen = {}
    with psycopg.connect(dsn, autocommit=True) as connection:
        for name in names:
            columns = "id" if name == "dead_letters" else "*"
            try:
                asked = f"SELECT count(*) FROM (SELECT {columns} FROM hubwatch.{name}) r"
                row = connection.execute(asked.encode()).fetchone()
            except psycopg.errors.InsufficientPrivilege:
                continue
            assert row is not None
            seen[name] = row[0]
    return seen


def test_a_reader_sees_its_hubs_and_no_other(logins: RoleLogins) -> None:
    with kept_in(logins.dsn) as kept:
        fill(kept, readings=20)
        names = relations(kept.connection)
        channel = kept.one("SELECT min(channel_id) FROM reading")
    everything = counts(logins.dsn, names)
    own = counts(logins.reader("own", HUB, "elsewhere"), names)
    foreign = counts(logins.reader("foreign", "elsewhere"), names)
    none = counts(logins.reader("none"), names)
    every = counts(logins.reader("every", EVERY_HUB), names)
    assert len(own) > 35
    assert {name: n for name, n in every.items() if n != everything[name]} == {}
    assert {name: n for name, n in own.items() if n != everything[name] and name not in NOT_ALL_OWN} == {}
    assert [name for name, n in own.items() if n == 0 and everything[name] and name != "dead_letters"] == []
    for blind in (foreign, none):
        assert {name: n for name, n in blind.items() if n and name not in FOREIGN} == {}
    for login, rows in (("own", True), ("foreign", False)):
        with psycopg.connect(logins.of(login), autocommit=True) as connection:
            asked = "SELECT count(*) FROM hubwatch.rollup('1 min', %s, '2000-01-01', '2100-01-01')"
            found = connection.execute(asked, [channel]).fetchone()
            assert found is not None
            assert bool(found[0]) is rows


def test_a_condition_of_a_reader_sees_nothing_that_is_left_out(logins: RoleLogins) -> None:
    with kept_in(logins.dsn) as kept:
        fill(kept, readings=20)
    with psycopg.connect(logins.reader("foreign", "elsewhere"), autocommit=True) as connection:
        # An error for each row whose value is looked at would tell the value.
        for query in ("readings WHERE (coalesce(reason, 'x') || 'y')::int = 1", "events WHERE (type || 'y')::int = 1"):
            assert connection.execute(f"SELECT count(*) FROM hubwatch.{query}".encode()).fetchone() == (0,)


def test_without_roles_everything_is_as_before(migrated_database: str) -> None:
    with kept_in(migrated_database) as kept:
        fill(kept, readings=20)
        assert kept.one("SELECT sees_all()") is True
        assert kept.one("SELECT count(*) FROM readings") > 0


def test_a_backup_is_restored_where_roles_are_in_force(
    migrated_plain_dsn: str, timescale_server: str, tmp_path: Path
) -> None:
    file = tmp_path / "b"
    with fresh_database(timescale_server) as source:
        migrate(DatabaseSection(dsn=source))
        with kept_in(source) as kept:
            fill(kept, readings=20)
        create_backup(DatabaseSection(dsn=source), file, lambda *_: None)
    with roles_in(migrated_plain_dsn) as logins:
        restore_backup(DatabaseSection(dsn=migrated_plain_dsn), file, lambda *_: None)
        apply_roles(DatabaseSection(dsn=migrated_plain_dsn), logins.prefix)
        assert counts(logins.of("backup"), ["audit", "role_hubs"])["audit"] > 0
        assert one(migrated_plain_dsn, "SELECT count(*) FROM role_hubs WHERE hub = '*'") == 10
