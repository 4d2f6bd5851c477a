"""Locks by which parts wait for one another: each role takes those it needs, and can hold up nobody else. On both
databases.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg
import pytest

from hubwatch_store.database import EVERY_HUB
from support.role_logins import RoleLogins, roles_in
from support.store_examples import one, rows

UPKEEP = {"maintenance", "collector", "up"}
TAKERS = {
    "lock_alarms()": {"alarms", "console", "operator", "up"},
    "lock_process_owner()": {"collector", "detectors", "alarms", "up"},
    "lock_legal_hold()": {*UPKEEP, "console", "operator"},
    "lock_site()": {"operator", "console"},
    "lock_cardholders()": {"operator", "console"},
    "lock_refused_epochs()": {"collector", "up"},
    "know_refused_epoch('h', 'a', 'e')": {"collector", "up"},
    "lock_storing('{1}')": {"collector", "up"},
    "lock_folding(1)": UPKEEP,
    "late_before()": {"collector", "up"},
    "lock_late_before()": UPKEEP,
    "identities_known()": {"collector", "up"},
    "identities_lock()": {"collector", "operator", "console", "up"},
    "ensure_partitions('reading', '{2026-01-01}')": UPKEEP,
    "try_lock_maintenance()": UPKEEP,
    "try_lock_ended_sessions()": UPKEEP,
    "hold_schema()": {"backup"},
    "take_lock('alarms')": set(),
}
"""Who may call each function that takes a lock."""
WITHIN_AN_ACT = {"forget_person"}
"""Functions that take one within an act, which needs a record; the tests of privacy have who may."""
ROLES = ("collector", "detectors", "alarms", "console", "operator", "maintenance", "backup", "up", "reader")
MODES = ("ACCESS SHARE", "ROW SHARE", "ROW EXCLUSIVE", "SHARE UPDATE EXCLUSIVE", "SHARE", "SHARE ROW EXCLUSIVE",
         "EXCLUSIVE", "ACCESS EXCLUSIVE")  # fmt: skip
STATEMENTS = (
    *(f"SELECT FROM hubwatch.locks FOR {how}" for how in ("UPDATE", "NO KEY UPDATE", "SHARE", "KEY SHARE")),
    *(f"LOCK TABLE hubwatch.locks IN {mode} MODE" for mode in MODES),
    "INSERT INTO hubwatch.locks VALUES ('alarms')",
    "UPDATE hubwatch.locks SET name = name",
    "DELETE FROM hubwatch.locks",
    "TRUNCATE hubwatch.locks",
)
SHARED = {
    "lock_storing('{1,2}')": "lock_folding(2)",
    "late_before()": "lock_late_before()",
    "identities_known()": "identities_lock()",
}
"""What many may hold at a time, and who waits for all of them."""


@pytest.fixture
def logins(migrated_database: str) -> Iterator[RoleLogins]:
    with roles_in(migrated_database) as made:
        made.reader("reader_of_all", EVERY_HUB)
        yield made


def login(logins: RoleLogins, role: str) -> psycopg.Connection[tuple[object, ...]]:
    connection = psycopg.connect(logins.of("reader_of_all" if role == "reader" else role))
    connection.execute("SET lock_timeout = '200ms'")
    connection.commit()
    return connection


def may(connection: psycopg.Connection[tuple[object, ...]], statement: str) -> bool:
    """Return whether a statement is allowed; what it did is undone."""
    try:
        connection.execute(statement.encode())
    except psycopg.errors.InsufficientPrivilege:
        return False
    finally:
        connection.rollback()
    return True


@pytest.mark.parametrize("role", ROLES)
def test_a_role_takes_the_locks_it_needs_and_no_other(logins: RoleLogins, role: str) -> None:
    with login(logins, role) as connection:
        taken = {lock for lock in TAKERS if may(connection, f"SELECT hubwatch.{lock}")}
    assert taken == {lock for lock, roles in TAKERS.items() if role in roles}


@pytest.mark.parametrize("role", ROLES)
def test_no_role_takes_a_lock_by_its_number_or_its_row(logins: RoleLogins, role: str) -> None:
    numbers = rows(
        logins.dsn,
        "SELECT proname || '(' || array_to_string(array_fill('1'::text, ARRAY[greatest(pronargs, 1)]), ', ') || ')'"
        " FROM pg_proc WHERE proname ~ '^pg_(try_)?advisory_' AND pronargs > 0"
        " UNION SELECT 'pg_advisory_unlock_all()'",
    )
    assert len(numbers) >= 15
    statements = [*STATEMENTS, *(f"SELECT {call}" for (call,) in numbers)]
    with login(logins, role) as connection:
        allowed = [statement for statement in statements if may(connection, statement)]
    # A backup reads every table, and keeps nothing but migrations from it meanwhile.
    assert allowed == (["LOCK TABLE hubwatch.locks IN ACCESS SHARE MODE"] if role == "backup" else [])


def test_every_function_that_takes_a_lock_is_known_here(logins: RoleLogins) -> None:
    taking = rows(
        logins.dsn,
        r"SELECT DISTINCT proname FROM pg_proc WHERE pronamespace = 'hubwatch'::regnamespace"
        r" AND prosrc ~ 'pg_(try_)?advisory|hubwatch\.locks|hubwatch\.(try_|take_)?lock'",
    )
    named = {re.sub(r"\(.*", "", lock) for lock in TAKERS}
    assert {name for (name,) in taking} == named | WITHIN_AN_ACT


@pytest.mark.parametrize("lock", [lock for lock in TAKERS if re.fullmatch(r"(lock_\w+|identities_lock)\(1?\)", lock)])
def test_a_lock_keeps_everybody_else_who_needs_it_out(logins: RoleLogins, lock: str) -> None:
    first, *others = sorted(TAKERS[lock])
    call = f"SELECT hubwatch.{lock}".encode()
    with login(logins, first) as holder:
        holder.execute(call)
        for other in (first, *others):
            with login(logins, other) as waiting, pytest.raises(psycopg.errors.LockNotAvailable):
                waiting.execute(call)
        holder.rollback()
        with login(logins, first) as free:
            free.execute(call)


@pytest.mark.parametrize(("shared", "alone"), SHARED.items())
def test_collectors_store_side_by_side(logins: RoleLogins, shared: str, alone: str) -> None:
    with login(logins, "collector") as one_of_two, login(logins, "up") as other, login(logins, "collector") as sole:
        for connection in (one_of_two, other):
            connection.execute(f"SELECT hubwatch.{shared}".encode())
        with pytest.raises(psycopg.errors.LockNotAvailable):
            sole.execute(f"SELECT hubwatch.{alone}".encode())


@pytest.mark.parametrize("lock", ["try_lock_maintenance()", "try_lock_ended_sessions()"])
def test_of_two_that_try_one_has_it(logins: RoleLogins, lock: str) -> None:
    call = f"SELECT hubwatch.{lock}".encode()
    with login(logins, "maintenance") as holder, login(logins, "collector") as other:
        assert holder.execute(call).fetchone() == (True,)
        assert other.execute(call).fetchone() == (False,)


def test_a_lock_whose_row_is_gone_lets_nobody_in(logins: RoleLogins) -> None:
    with psycopg.connect(logins.dsn) as owner:
        owner.execute("DELETE FROM hubwatch.locks WHERE name = 'alarms'")
    with login(logins, "alarms") as connection, pytest.raises(psycopg.errors.NoDataFound, match="no row alarms"):
        connection.execute("SELECT hubwatch.lock_alarms()")


def test_locks_are_the_same_without_roles(migrated_database: str) -> None:
    assert one(migrated_database, "SELECT count(*) FROM locks") == 8
    with psycopg.connect(migrated_database) as connection:
        for lock in TAKERS:
            connection.execute(f"SELECT hubwatch.{lock}".encode())
