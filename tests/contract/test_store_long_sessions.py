"""A session cannot lift the limit of its role: what goes on beyond it is ended, told and counted. On both databases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import psycopg
import pytest

from hubwatch_core.process import Context
from hubwatch_store.database import EVERY_HUB, DatabaseSection, connect
from hubwatch_store.upkeep import EndedSession, end_long_sessions, long_sessions, sessions_part
from support.eventually import eventually
from support.role_logins import RoleLogins, roles_in
from support.store_examples import one, rows

SLEEP = "SELECT pg_sleep(600)"
ENDS = "hubwatch.end_long_sessions()"


@pytest.fixture
def logins(migrated_database: str) -> Iterator[RoleLogins]:
    with roles_in(migrated_database) as made:
        made.reader("board", EVERY_HUB)
        yield made


def limit(logins: RoleLogins, role: str, what: str) -> None:
    """Let anything of a role be beyond a limit at once."""
    with psycopg.connect(logins.dsn) as owner:
        statement = f"UPDATE hubwatch.role_limits SET {what} = '0 s' WHERE role = %s"
        assert owner.execute(statement.encode(), [f"{logins.prefix}_{role}"]).rowcount == 1


@asynccontextmanager
async def sleeping(logins: RoleLogins, role: str) -> AsyncIterator[asyncio.Task[object]]:
    """Have a session of a role that lifts what it can, and then sleeps."""
    connection = await psycopg.AsyncConnection.connect(logins.of(role), autocommit=True)
    async with connection:
        await connection.execute("ALTER ROLE CURRENT_USER SET statement_timeout = 0")
        await connection.execute("SET statement_timeout = 0")
        pid = connection.info.backend_pid
        asleep: asyncio.Task[object] = asyncio.create_task(connection.execute(SLEEP))
        try:
            await eventually(lambda: state(logins, pid) == [("active", SLEEP)])
            yield asleep
        finally:
            with psycopg.connect(logins.dsn) as owner:
                owner.execute("SELECT pg_terminate_backend(%s)", [pid])
            await asyncio.wait([asleep])


def state(logins: RoleLogins, pid: int) -> list[tuple[object, ...]]:
    return rows(logins.dsn, f"SELECT state, query FROM pg_stat_activity WHERE pid = {pid}")


async def ended(logins: RoleLogins, role: str = "maintenance") -> list[EndedSession]:
    async with await connect(logins.settings(role)) as connection:
        return await end_long_sessions(connection)


@pytest.mark.parametrize("role", ["board", "console", "operator", "alarms", "detectors", "collector", "up", "enrol"])
async def test_a_statement_beyond_the_limit_ends_with_its_session(logins: RoleLogins, role: str) -> None:
    async with sleeping(logins, role) as asleep:
        assert await ended(logins) == []
        assert not asleep.done(), "within its limit nobody touches it"
        limit(logins, role, "statement")
        # The session that looks is of a role too, and is at work: its own limits are those of another role.
        (gone,) = await ended(logins)
        with pytest.raises(psycopg.errors.AdminShutdown):
            await asleep
    assert (gone.login, gone.what, gone.most_s) == (f"{logins.prefix}_{role}", "statement", 0)
    told = "SELECT who, subject, details->>'what', role FROM hubwatch.audit WHERE act = 'session.ended'"
    assert rows(logins.dsn, told) == [("system", gone.login, "statement", f"{logins.prefix}_maintenance")]


async def test_a_transaction_that_is_left_open_ends(logins: RoleLogins) -> None:
    with psycopg.connect(logins.of("board")) as idle:
        idle.execute("SET idle_in_transaction_session_timeout = 0")
        idle.execute("SELECT count(*) FROM hubwatch.alarms")
        assert await ended(logins) == []
        limit(logins, "board", "transaction")
        (gone,) = await ended(logins)
        assert (gone.pid, gone.what) == (idle.info.backend_pid, "transaction")
        with pytest.raises(psycopg.errors.AdminShutdown):
            idle.execute("SELECT 1")


async def test_a_session_that_does_nothing_stays(logins: RoleLogins) -> None:
    with psycopg.connect(logins.of("board"), autocommit=True) as idle:
        idle.execute("SELECT 1")
        limit(logins, "board", "statement")
        limit(logins, "board", "transaction")
        assert await ended(logins) == []
        assert idle.execute("SELECT 1").fetchone() == (1,)


async def test_of_two_that_look_one_ends(logins: RoleLogins) -> None:
    async with sleeping(logins, "board"):
        limit(logins, "board", "statement")
        with psycopg.connect(logins.of("collector")) as other:
            other.execute("SELECT hubwatch.try_lock_ended_sessions()")
            assert await ended(logins) == []
        assert len(await ended(logins)) == 1


async def test_a_collector_looks_counts_and_tells(logins: RoleLogins, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_sessions, "LOOK_EVERY_S", 0.1)
    context, stop = Context.make("test"), asyncio.Event()
    running = asyncio.ensure_future(sessions_part(logins.settings("collector"), context).run(stop))
    try:
        async with sleeping(logins, "board") as asleep:
            limit(logins, "board", "statement")
            await eventually(asleep.done)
            with pytest.raises(psycopg.errors.AdminShutdown):
                await asleep
        name, labels = "hubwatch_store_ended_sessions_total", {"what": "statement"}
        await eventually(lambda: (context.registry.get_sample_value(name, labels) or 0) >= 1)
    finally:
        stop.set()
        await running


async def test_who_may_not_is_told_in_health_and_stops_nothing(logins: RoleLogins) -> None:
    context, stop = Context.make("test"), asyncio.Event()
    running = asyncio.ensure_future(sessions_part(logins.settings("detectors"), context).run(stop))
    try:
        await eventually(lambda: "sessions" in context.health.checks() and not context.health.ok)
    finally:
        stop.set()
        await running


def test_limits_are_out_of_reach_of_those_who_have_them(logins: RoleLogins) -> None:
    limited = {name for (name,) in rows(logins.dsn, "SELECT role FROM hubwatch.role_limits")}
    wanted = ("board", "console", "operator", "alarms", "detectors", "collector", "up", "enrol")
    assert limited == {f"{logins.prefix}_{role}" for role in wanted}
    ours = f"FROM pg_roles WHERE rolname LIKE '{logins.prefix}\\_%' AND rolcanlogin AND"
    may = (
        "rolsuper OR rolcreaterole OR has_table_privilege(oid, 'hubwatch.role_limits', 'INSERT, DELETE, TRUNCATE')"
        " OR has_any_column_privilege(oid, 'hubwatch.role_limits', 'INSERT, UPDATE')"
        f" OR pg_has_role(oid, '{logins.prefix}_limits', 'MEMBER')"
    )
    assert rows(logins.dsn, f"SELECT rolname {ours} ({may})") == []
    assert one(logins.dsn, f"SELECT count(*) {ours} rolconnlimit < 1") == 0
    found = rows(logins.dsn, f"SELECT rolname {ours} has_function_privilege(oid, '{ENDS}', 'EXECUTE')")
    assert {name for (name,) in found} == {f"{logins.prefix}_{role}" for role in ("collector", "maintenance", "up")}
    with psycopg.connect(logins.of("board"), autocommit=True) as board:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            board.execute("ALTER ROLE CURRENT_USER CONNECTION LIMIT -1")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            board.execute("ALTER ROLE CURRENT_USER VALID UNTIL 'infinity'")


def test_what_ends_sessions_has_no_power_over_others(logins: RoleLogins) -> None:
    powers = (
        "rolsuper OR rolcanlogin OR pg_has_role(oid, 'pg_signal_backend', 'MEMBER')"
        f" OR pg_has_role(oid, '{logins.prefix}_owner', 'MEMBER')"
    )
    assert one(logins.dsn, f"SELECT {powers} FROM pg_roles WHERE rolname = '{logins.prefix}_limits'") is False


async def test_without_roles_nobody_is_ended(migrated_database: str) -> None:
    with psycopg.connect(migrated_database) as busy:
        busy.execute("SELECT 1")
        async with await connect(DatabaseSection(dsn=migrated_database)) as connection:
            assert await end_long_sessions(connection) == []
