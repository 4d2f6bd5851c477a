"""The journal of what was done: rows chained by hash that nobody changes, on both databases."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import psycopg
import pytest

from hubwatch_core.errors import Permanent
from hubwatch_store.audit import journal, journal_now, verify
from hubwatch_store.database import DatabaseSection, connect, connect_sync, migrate, migrations, open_pool
from support.store_examples import one, rows

NOTHING = bytes(32)
CHAIN = """
    SELECT id, (extract(epoch FROM at) * 1000000)::bigint, verified, hub, act, role, salt, who, subject, details::text,
        sealed, previous, hash FROM audit ORDER BY id"""


def digest(*fields: str | None) -> bytes:
    """Return what docs/reference/audit.md says, written a second time."""
    parts = [b"-," if each is None else b"%d:%s," % (len(each.encode()), each.encode()) for each in fields]
    return hashlib.sha256(b"".join(parts)).digest()


def chain(dsn: str) -> list[tuple[Any, ...]]:
    """Return the rows of the chain, after checking that each follows from the one before."""
    found = rows(dsn, CHAIN)
    previous = NOTHING
    for number, row in enumerate(found, start=1):
        id_, at, verified, hub, act, role, salt, who, subject, details, sealed, before, own = row
        assert (id_, before) == (number, previous)
        assert sealed == digest(salt.hex(), who, subject, details)
        previous = digest(before.hex(), str(id_), str(at), str(int(verified)), hub, act, role, sealed.hex())
        assert own == previous
    assert rows(dsn, "SELECT id, hash FROM audit_head") == [(len(found), previous)]
    return found


async def test_rows_are_chained_and_say_who_did_what(migrated_database: str) -> None:
    settings = DatabaseSection(dsn=migrated_database)
    connection = await connect(settings)
    try:
        first = await journal(
            connection,
            "user added",
            who="kim",
            verified=True,
            hub="port",
            subject="øre 港",
            details={"b": 1.50, "a": "é"},
        )
    finally:
        await connection.close()
    with connect_sync(settings) as command:
        second = journal_now(command, "agent.revoked", who="system")
        login = command.info.user
    assert (first, second) == (1, 2)
    told = [(row[2], row[3], row[4], row[5], row[7], row[8], row[9]) for row in chain(migrated_database)]
    assert told == [
        (True, "port", "user added", login, "kim", "øre 港", '{"a": "é", "b": 1.5}'),
        (False, None, "agent.revoked", login, "system", None, "{}"),
    ]
    assert one(migrated_database, "SELECT bool_and(at BETWEEN now() - INTERVAL '5 min' AND now()) FROM audit")


async def test_many_that_add_at_once_make_one_chain(migrated_database: str) -> None:
    async with open_pool(DatabaseSection(dsn=migrated_database, max_connections=6)) as pool:

        async def add(who: str) -> None:
            for _ in range(10):
                async with pool.connection() as connection, connection.transaction():
                    await journal(connection, "tested", who=who)

        await asyncio.gather(*(add(f"writer {i}") for i in range(6)))
    assert len(chain(migrated_database)) == 60


async def test_an_act_that_is_undone_leaves_no_row_and_no_gap(migrated_database: str) -> None:
    async with open_pool(DatabaseSection(dsn=migrated_database)) as pool, pool.connection() as connection:
        async with connection.transaction(force_rollback=True):
            await journal(connection, "undone", who="kim")
        await journal(connection, "done", who="kim")
    assert [row[4] for row in chain(migrated_database)] == ["done"]


@pytest.mark.parametrize(("act", "who"), [("Shouted", "kim"), ("", "kim"), ("x" * 64, "kim"), ("acted", "")])
def test_a_row_without_act_or_person_is_refused(migrated_plain_dsn: str, act: str, who: str) -> None:
    with connect_sync(DatabaseSection(dsn=migrated_plain_dsn)) as connection, pytest.raises(Permanent):
        journal_now(connection, act, who=who)
    assert chain(migrated_plain_dsn) == []


CHANGES = [
    "UPDATE audit SET who = 'lee'",
    "DELETE FROM audit",
    "TRUNCATE audit CASCADE",
    "DELETE FROM audit_head",
    "TRUNCATE audit_head",
]


@pytest.mark.parametrize("statement", CHANGES)
def test_rows_are_never_changed(migrated_database: str, statement: str) -> None:
    with connect_sync(DatabaseSection(dsn=migrated_database)) as connection:
        journal_now(connection, "done", who="kim")
        with pytest.raises(psycopg.errors.RestrictViolation, match="never changed"):
            connection.execute(statement.encode())
    assert len(chain(migrated_database)) == 1


def test_a_login_needs_the_right_to_add(migrated_plain_dsn: str) -> None:
    with (
        connect_sync(DatabaseSection(dsn=migrated_plain_dsn)) as connection,
        connection.transaction(force_rollback=True),
    ):
        connection.execute("CREATE ROLE t_audit_stranger; GRANT USAGE ON SCHEMA hubwatch TO t_audit_stranger")
        connection.execute("SET LOCAL ROLE t_audit_stranger")
        with pytest.raises(Permanent, match="permission denied"):
            journal_now(connection, "done", who="kim")


ALARM = (
    "INSERT INTO hubwatch.alarms (hub, sensor, type, priority, state, opened, last_active, why)"
    " VALUES ('port', 'rpm-2', 'radiation.gamma', 1, 'unacknowledged', now(), now(), '')"
)
ENTRIES = (
    "INSERT INTO hubwatch.alarm_journal (alarm, action, by, to_state, verified)"
    " SELECT id, 'acknowledged', 'kim', 'acknowledged', v FROM hubwatch.alarms, unnest(ARRAY[true, false, NULL]) v"
)


def test_chain_holds_who_was_verified_also_in_rows_from_before_it_did(database: str) -> None:
    settings = DatabaseSection(dsn=database)
    steps = (110, 112, migrations()[-1].number)
    for last in steps:
        migrate(settings, known=[each for each in migrations() if each.number <= last])
        with connect_sync(settings) as connection:
            if last == steps[0]:
                connection.execute(ALARM.encode())
            connection.execute(ENTRIES.encode())
    with connect_sync(settings) as connection:
        connection.execute("ALTER TABLE hubwatch.alarm_journal DISABLE TRIGGER USER")
        assert list(verify(connection)) == []
        change = "UPDATE hubwatch.alarm_journal SET verified = %s WHERE id = %s"
        for number, verified in connection.execute("SELECT id, verified FROM hubwatch.alarm_journal").fetchall():
            connection.execute(change, [not verified, number])
            assert list(verify(connection)) != [], number
            connection.execute(change, [verified, number])
        assert list(verify(connection)) == []
