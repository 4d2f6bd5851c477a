"""What each error of the database means for us, from the real server wherever it can be brought to it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from hubwatch_core.errors import HubwatchError, Permanent, Transient
from hubwatch_store.database import (
    DatabaseLoginRefused,
    DatabaseRefused,
    DatabaseSection,
    connect,
    connect_sync,
    translated,
)
from support.own_postgres import OwnPostgres

Any_ = psycopg.Connection[Any]

STATES = {
    # connection
    "08000": Transient,
    "08006": Transient,
    # a pooler, a plan from before a migration, our own transaction
    "25006": Transient,
    "25P03": Transient,
    "25P04": Transient,
    "26000": Transient,
    "42P05": Transient,
    # rollback: serialization failure, deadlock, statement completion unknown
    "40001": Transient,
    "40P01": Transient,
    "40003": Transient,
    # resources: disk full, memory, connections
    "53000": Transient,
    "53100": Transient,
    "53200": Transient,
    "53300": Transient,
    # objects in use, lock not available, database accepts nobody
    "55000": Transient,
    "55006": Transient,
    "55P03": Transient,
    # the operator: cancelled, shut down, crashed, starting up, database dropped, idle too long
    "57014": Transient,
    "57P01": Transient,
    "57P02": Transient,
    "57P03": Transient,
    "57P05": Transient,
    # the system
    "58000": Transient,
    "58030": Transient,
    # what somebody has to change
    "28000": DatabaseLoginRefused,
    "28P01": DatabaseLoginRefused,
    "3D000": DatabaseLoginRefused,
    "3F000": Permanent,
    "42501": Permanent,
    "42703": Permanent,
    "42883": Permanent,
    "42P01": Permanent,
    "0A000": Permanent,
    "P0001": Permanent,
    "XX000": Permanent,
    "XX001": Permanent,
    # the data
    "22003": DatabaseRefused,
    "22021": DatabaseRefused,
    "22P02": DatabaseRefused,
    "23502": DatabaseRefused,
    "23505": DatabaseRefused,
    "23514": DatabaseRefused,
    "54000": DatabaseRefused,
}


def met(work: Callable[[], object]) -> HubwatchError:
    """Return what `work` raises."""
    with pytest.raises(HubwatchError) as caught, translated():
        work()
    return caught.value


@pytest.fixture
def connection(plain_dsn: str) -> Iterator[Any_]:
    with psycopg.connect(plain_dsn, autocommit=True) as connection:
        yield connection


def raised(connection: Any_, state: str, text: str = "as told") -> HubwatchError:
    return met(lambda: connection.execute(f"DO $$ BEGIN RAISE SQLSTATE '{state}' USING MESSAGE = '{text}'; END $$"))


@pytest.mark.parametrize(("state", "meaning"), STATES.items())
def test_every_sqlstate_has_its_meaning(connection: Any_, state: str, meaning: type[HubwatchError]) -> None:
    error = raised(connection, state)
    assert type(error) is meaning
    assert "as told" in str(error)


@pytest.mark.parametrize(
    ("state", "text"),
    [("0A000", "cached plan must not change result type"), ("XX000", "tuple concurrently updated")],
)
def test_what_a_new_connection_mends_is_tried_again_though_its_code_says_nothing(
    connection: Any_, state: str, text: str
) -> None:
    assert type(raised(connection, state, text)) is Transient


def test_plan_from_before_a_migration_is_tried_again(connection: Any_, plain_dsn: str) -> None:
    connection.execute("CREATE TABLE t (a int)")
    for _ in range(3):
        connection.execute("SELECT * FROM t", prepare=True)
    with psycopg.connect(plain_dsn, autocommit=True) as other:
        other.execute("ALTER TABLE t ADD b int")
    assert type(met(lambda: connection.execute("SELECT * FROM t", prepare=True))) is Transient


def test_missing_right_is_not_blamed_on_the_schema(connection: Any_) -> None:
    connection.execute("CREATE TABLE mine (a int)")
    connection.execute("CREATE ROLE guest_of_errors")
    try:
        connection.execute("SET ROLE guest_of_errors")
        error = met(lambda: connection.execute("SELECT * FROM mine"))
    finally:
        connection.execute("RESET ROLE")
        connection.execute("DROP ROLE guest_of_errors")
    assert type(error) is Permanent
    assert "denied permission: permission denied for table mine" in str(error)


@pytest.mark.parametrize(
    ("setting", "statement"),
    [
        ("statement_timeout = 50", "SELECT pg_sleep(5)"),
        ("lock_timeout = 50", "TRUNCATE held"),
        ("default_transaction_read_only = on", "INSERT INTO held VALUES (1)"),
    ],
)
def test_timeouts_and_read_only_servers_pass(connection: Any_, plain_dsn: str, setting: str, statement: str) -> None:
    connection.execute("CREATE TABLE held (a int)")
    with psycopg.connect(plain_dsn) as holder:
        holder.execute("LOCK TABLE held IN ACCESS SHARE MODE")
        connection.execute(f"SET {setting}".encode())
        assert type(met(lambda: connection.execute(statement.encode()))) is Transient


def test_transaction_that_idles_too_long_is_tried_again(connection: Any_) -> None:
    connection.execute("SET idle_in_transaction_session_timeout = 50")
    connection.execute("BEGIN")
    threading.Event().wait(0.3)
    assert type(met(lambda: connection.execute("SELECT 1"))) is Transient


def test_deadlock_is_tried_again(connection: Any_, plain_dsn: str) -> None:
    connection.execute("CREATE TABLE a (a int)")
    connection.execute("CREATE TABLE b (b int)")
    errors: list[HubwatchError] = []

    def lock(first: str, second: str, both: threading.Barrier) -> None:
        with psycopg.connect(plain_dsn, options="-c deadlock_timeout=50") as one:
            one.execute(f"LOCK TABLE {first}".encode())
            both.wait(10)
            try:
                with translated():
                    one.execute(f"LOCK TABLE {second}".encode())
            except HubwatchError as error:
                errors.append(error)

    both = threading.Barrier(2)
    threads = [threading.Thread(target=lock, args=(*pair, both)) for pair in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert [type(error) for error in errors] == [Transient]


def test_serialization_failure_is_tried_again(connection: Any_, plain_dsn: str) -> None:
    connection.execute("CREATE TABLE t AS SELECT 1 AS a")
    with psycopg.connect(plain_dsn) as one:
        one.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        one.execute("SELECT * FROM t")
        connection.execute("UPDATE t SET a = 2")
        assert type(met(lambda: one.execute("UPDATE t SET a = 3"))) is Transient


WRONG = {
    "sslmode": ("?sslmode=foo", 'invalid sslmode value: "foo"'),
    "ssl where there is none": ("?sslmode=require", "server does not support SSL"),
    "target": ("?target_session_attrs=any-old", "invalid target_session_attrs value"),
    "encryption": ("?gssencmode=foo", "invalid gssencmode value"),
    "an address": ("?hostaddr=999.1.1.1", "could not parse network address"),
    "a parameter nobody knows": ("?options=-c%20foo%3D1", 'unrecognized configuration parameter "foo"'),
    "a parameter's value": ("?options=-c%20work_mem%3Dabc", 'invalid value for parameter "work_mem"'),
    "authentication": ("?require_auth=scram-sha-256", "authentication method requirement"),
    "a service": ("?service=nowhere", 'definition of service "nowhere" not found'),
}


@pytest.mark.parametrize(("more", "message"), WRONG.values(), ids=WRONG)
def test_wrong_option_is_permanent_and_named(plain_dsn: str, more: str, message: str) -> None:
    error = met(lambda: connect_sync(DatabaseSection(dsn=plain_dsn + more)))
    assert type(error) is Permanent
    assert message in str(error)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnPostgres]:
    """A server that asks for passwords and turns people away."""
    with OwnPostgres.below_tmp() as server:
        server.start()
        with psycopg.connect(server.dsn, autocommit=True) as connection:
            connection.execute("CREATE ROLE writer LOGIN PASSWORD 'right'")
            connection.execute("CREATE ROLE outsider LOGIN")
            connection.execute("CREATE ROLE visitor LOGIN")
            connection.execute("CREATE ROLE crowded LOGIN CONNECTION LIMIT 0")
            connection.execute("CREATE ROLE group_of_people NOLOGIN")
            connection.execute("CREATE DATABASE closed ALLOW_CONNECTIONS false")
            connection.execute("CREATE DATABASE private")
            connection.execute("REVOKE CONNECT ON DATABASE private FROM public")
            row = connection.execute("SHOW hba_file").fetchone()
            assert row is not None
            rules = Path(row[0])
            own = "host all writer 127.0.0.1/32 scram-sha-256\nhost all outsider 127.0.0.1/32 reject\n"
            rules.write_text(own + rules.read_text())
            connection.execute("SELECT pg_reload_conf()")
        yield server


LOGIN = DatabaseLoginRefused
REFUSALS = {
    "wrong password": (
        "writer",
        "postgres",
        "wrong",
        LOGIN,
        'password authentication failed for user "writer"',
    ),
    "no password": ("writer", "postgres", None, LOGIN, "no password supplied"),
    "unknown role": ("nobody-here", "postgres", None, LOGIN, 'role "nobody-here" does not exist'),
    "role that may not log in": (
        "group_of_people",
        "postgres",
        None,
        LOGIN,
        "is not permitted to log in",
    ),
    "turned away": ("outsider", "postgres", None, LOGIN, "pg_hba.conf rejects"),
    "unknown database": ("postgres", "nowhere", None, LOGIN, 'database "nowhere" does not exist'),
    "no right to connect": (
        "visitor",
        "private",
        None,
        LOGIN,
        'permission denied for database "private"',
    ),
    "too many connections": ("crowded", "postgres", None, Transient, "too many connections"),
    "database closed for a while": ("postgres", "closed", None, Transient, "not currently accepting connections"),
}


@pytest.mark.parametrize(("user", "name", "password", "meaning", "message"), REFUSALS.values(), ids=REFUSALS)
async def test_server_that_does_not_let_us_in(
    guarded: OwnPostgres, user: str, name: str, password: str | None, meaning: type[HubwatchError], message: str
) -> None:
    dsn = f"postgresql://{user}@127.0.0.1:{guarded.port}/{name}"
    with pytest.raises(meaning, match=message.replace("(", r"\(")) as caught:
        await connect(DatabaseSection.model_validate({"dsn": dsn, "password": password}))
    assert type(caught.value) is meaning


def test_options_of_the_connection_string_hold_beside_ours(plain_dsn: str) -> None:
    with connect_sync(DatabaseSection(dsn=plain_dsn + "?options=-c%20work_mem%3D7MB")) as connection:
        shown = [connection.execute(f"SHOW {name}".encode()).fetchone() for name in ("work_mem", "timezone", "jit")]
    assert shown == [("7MB",), ("UTC",), ("off",)]


def test_right_password_lets_us_in(guarded: OwnPostgres) -> None:
    dsn = f"postgresql://writer@127.0.0.1:{guarded.port}/postgres"
    connect_sync(DatabaseSection.model_validate({"dsn": dsn, "password": "right"})).close()


@pytest.mark.parametrize("dsn", ["postgresql://x@nowhere.invalid/x", "postgresql://x@127.0.0.1:1/x"])
def test_server_that_is_not_there_is_waited_for(dsn: str) -> None:
    assert type(met(lambda: connect_sync(DatabaseSection(dsn=dsn)))) is Transient


async def test_server_that_starts_recovers_or_stands_by_is_waited_for() -> None:
    """Killed with work to recover, then turned into a standby: until it writes, all it says is Transient."""
    with OwnPostgres.below_tmp() as server:
        server.start()
        with psycopg.connect(server.dsn, autocommit=True) as connection:
            connection.execute("CREATE TABLE t AS SELECT generate_series(1, 300000) a")
        server.kill()
        starting = asyncio.create_task(asyncio.to_thread(server.start))
        said = set[str]()
        while not starting.done():
            try:
                await (await connect(DatabaseSection(dsn=server.dsn))).close()
            except Transient as error:
                said.add(str(error))
            await asyncio.sleep(0.001)
        await starting
        assert any("the database system is" in each or "not yet accepting" in each for each in said), said

        server.kill()
        server.stand_by()
        await asyncio.to_thread(server.start)
        with psycopg.connect(server.dsn, autocommit=True) as connection:
            refused = met(lambda: connection.execute("INSERT INTO t VALUES (1)"))
        assert type(refused) is Transient
        assert "read-only transaction" in str(refused)
