"""Logins by password and second factor, in a real database."""

from __future__ import annotations

import asyncio
import base64
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pyotp
import pytest

from hubwatch_core.errors import BadCall, Permanent
from hubwatch_core.permission import EVERY_HUB, Actor, Grant, Role
from hubwatch_store import login
from hubwatch_store.database import DatabaseSection, Pool, open_pool
from hubwatch_store.login import LoginSection
from hubwatch_store.users import Begun, KnownCaller, User, directory, existing_user, who

ROOT = Actor("os:root", verified=False)
HERE = "192.0.2.7"
GOOD = "four tall quay cranes"


@pytest.fixture
async def pool(migrated_plain_dsn: str) -> AsyncIterator[Pool]:
    async with open_pool(DatabaseSection(dsn=migrated_plain_dsn, max_connections=8)) as made:
        yield made


async def rows(pool: Pool, query: str) -> list[tuple[object, ...]]:
    async with pool.connection() as connection:
        return await (await connection.execute(query.encode())).fetchall()


async def added(pool: Pool, name: str, role: Role = Role.GUARD) -> str:
    async with pool.connection() as connection, directory.changing(connection):
        user = await directory.add_user(connection, name, [Grant(role, frozenset({EVERY_HUB}))], by=ROOT)
        return await login.reset(connection, user, by=ROOT)


async def logged_in(
    pool: Pool, name: str, password: str, code: str | None = None, settings: LoginSection | None = None
) -> tuple[User, Begun]:
    return await login.log_in(pool, settings or LoginSection(), name, password, code, HERE)


async def caller(pool: Pool, begun: Begun) -> KnownCaller:
    async with pool.connection() as connection:
        found = await who(connection, begun.token)
    assert found is not None
    return found


async def with_password(pool: Pool, name: str, role: Role = Role.GUARD) -> Begun:
    one_time = await added(pool, name, role)
    _, begun = await logged_in(pool, name, one_time)
    await login.change_password(pool, LoginSection(), await caller(pool, begun), one_time, GOOD, HERE)
    return begun


async def test_first_administrator_is_made_once_and_chooses_a_password(pool: Pool) -> None:
    one_time = await login.first_administrator(pool, ROOT)
    assert one_time is not None
    assert await login.first_administrator(pool, ROOT) is None
    user, begun = await logged_in(pool, login.FIRST_ADMINISTRATOR, one_time)
    assert user.needs == ("password", "second_factor")
    first = await caller(pool, begun)
    with pytest.raises(BadCall, match="at least 12"):
        await login.change_password(pool, LoginSection(), first, one_time, "short", HERE)
    await login.change_password(pool, LoginSection(), first, one_time, GOOD, HERE)
    assert (await caller(pool, begun)).person.needs == ("second_factor",)
    with pytest.raises(login.LoginRefused):
        await logged_in(pool, login.FIRST_ADMINISTRATOR, one_time)


async def test_two_first_starts_at_a_time_make_one_administrator(pool: Pool) -> None:
    made = await asyncio.gather(*(login.first_administrator(pool, ROOT) for _ in range(4)))
    assert len([each for each in made if each is not None]) == 1


async def test_passwords_are_kept_as_argon2id_only(pool: Pool) -> None:
    await with_password(pool, "kim")
    ((kept,),) = await rows(pool, "SELECT password FROM hubwatch.user_secrets")
    assert str(kept).startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    everything = await rows(pool, "SELECT details::text || coalesce(subject, '') || who FROM hubwatch.audit")
    assert not any(GOOD in str(row) or str(kept) in str(row) for row in everything)


async def test_wrong_password_unknown_name_and_disabled_user_are_refused_in_the_same_words(pool: Pool) -> None:
    await added(pool, "root", Role.ADMINISTRATOR)
    await with_password(pool, "kim")
    told = []
    async with pool.connection() as connection, directory.changing(connection):
        await directory.disable(connection, await existing_user(connection, "kim"), by=ROOT)
    for name, password in (("kim", GOOD), ("kim", "wrong"), ("nobody", GOOD), ("\0", "x"), ("a b", "")):
        with pytest.raises(login.LoginRefused) as refused:
            await logged_in(pool, name, password)
        told.append(str(refused.value))
    assert len(set(told)) == 1


async def test_name_that_nobody_has_is_written_nowhere(pool: Pool) -> None:
    with pytest.raises(login.LoginRefused):
        await logged_in(pool, "my-secret-password-in-the-wrong-field", "x")
    for table in ("audit", "login_failures"):
        found = await rows(pool, f"SELECT t::text FROM hubwatch.{table} t")
        assert found
        assert not any("my-secret" in str(row) for row in found)


async def test_second_factor_is_wanted_of_a_supervisor_and_a_code_is_good_once(pool: Pool) -> None:
    begun = await with_password(pool, "robin", Role.SUPERVISOR)
    robin = await caller(pool, begun)
    assert robin.person.needs == ("second_factor",)
    other = (await logged_in(pool, "robin", GOOD))[1]
    key, address = await login.begin_second_factor(pool, LoginSection(), robin)
    assert address.startswith("otpauth://totp/hubwatch:robin?")
    with pytest.raises(login.LoginRefused):
        await login.confirm_second_factor(pool, LoginSection(), robin, "000000")
    totp, now = pyotp.TOTP(key), time.time()
    await login.confirm_second_factor(pool, LoginSection(), robin, totp.at(int(now) - 30))
    assert (await caller(pool, begun)).person.needs == ()
    async with pool.connection() as connection:
        assert await who(connection, other.token) is None, "a session without the second factor goes on"
    with pytest.raises(login.CodeWanted):
        await logged_in(pool, "robin", GOOD)
    with pytest.raises(login.LoginRefused):
        await logged_in(pool, "robin", GOOD, totp.at(int(now) - 30))
    await logged_in(pool, "robin", GOOD, totp.at(int(now) + 1))
    with pytest.raises(Permanent, match="already"):
        await login.begin_second_factor(pool, LoginSection(), robin)


async def test_reset_ends_sessions_and_takes_the_second_factor_away(pool: Pool) -> None:
    begun = await with_password(pool, "robin", Role.SUPERVISOR)
    async with pool.connection() as connection, directory.changing(connection):
        one_time = await login.reset(connection, await existing_user(connection, "robin"), by=ROOT)
    async with pool.connection() as connection:
        assert await who(connection, begun.token) is None
    user, _ = await logged_in(pool, "robin", one_time)
    assert user.needs == ("password", "second_factor")


async def test_one_time_password_is_over_after_a_day(pool: Pool) -> None:
    one_time = await added(pool, "kim")
    await rows(pool, "UPDATE hubwatch.user_secrets SET one_time_until = clock_timestamp() RETURNING 1")
    with pytest.raises(login.OneTimeOver):
        await logged_in(pool, "kim", one_time)


async def test_wrong_logins_lock_a_user_out_for_a_time_that_doubles(pool: Pool) -> None:
    await with_password(pool, "kim")
    settings = LoginSection(free_failures=2, first_wait_s=100, max_wait_s=300)
    waits = []
    for looked_at in (3, 1, 1):
        for _ in range(looked_at):
            with pytest.raises(login.LoginRefused):
                await logged_in(pool, "kim", "wrong", settings=settings)
        with pytest.raises(login.LoginLocked) as locked:
            await logged_in(pool, "kim", GOOD, settings=settings)
        waits.append(locked.value.wait_s)
        await rows(pool, "UPDATE hubwatch.login_failures SET locked_until = clock_timestamp() RETURNING 1")
    assert waits == pytest.approx([100, 200, 300], abs=30)
    await logged_in(pool, "kim", GOOD, settings=settings)
    with pytest.raises(login.LoginRefused):
        await logged_in(pool, "kim", "wrong", settings=settings)
    assert ("login.locked",) in await rows(pool, "SELECT act FROM hubwatch.audit")


async def test_many_wrong_logins_at_a_time_are_not_looked_at_more_often(pool: Pool) -> None:
    await with_password(pool, "kim")
    settings = LoginSection(free_failures=3)
    tries = (logged_in(pool, "kim", f"wrong {i}", settings=settings) for i in range(12))
    outcomes = [type(each) for each in await asyncio.gather(*tries, return_exceptions=True)]
    assert outcomes.count(login.LoginRefused) == 4
    assert outcomes.count(login.LoginLocked) == 8


async def test_address_that_guesses_is_locked_out_whatever_the_user_and_one_good_login_does_not_help(
    pool: Pool,
) -> None:
    await with_password(pool, "kim")
    settings = LoginSection(free_failures_of_address=4)
    for i in range(4):
        with pytest.raises(login.LoginRefused):
            await logged_in(pool, f"user{i}", "wrong", settings=settings)
    await logged_in(pool, "kim", GOOD, settings=settings)
    with pytest.raises(login.LoginRefused):
        await logged_in(pool, "user5", "wrong", settings=settings)
    with pytest.raises(login.LoginLocked):
        await logged_in(pool, "kim", GOOD, settings=settings)


async def test_password_is_not_guessed_over_a_session_that_somebody_took(pool: Pool) -> None:
    begun = await with_password(pool, "kim")
    kim, settings = await caller(pool, begun), LoginSection(free_failures=1)
    for _ in range(2):
        with pytest.raises(login.LoginRefused):
            await login.change_password(pool, settings, kim, "wrong", GOOD + "!", HERE)
    with pytest.raises(login.LoginLocked):
        await login.change_password(pool, settings, kim, GOOD, GOOD + "!", HERE)


def sealing(tmp_path: Path, name: str, **more: Path) -> LoginSection:
    """Return settings with a key of that name, made at the first time."""
    file = tmp_path / name
    if not file.exists():
        file.write_text(base64.b64encode(os.urandom(32)).decode(), encoding="ascii")
        file.chmod(0o600)
    return LoginSection(second_factor_key_file=file, **more)


async def kept_factor(pool: Pool, name: str) -> str:
    asked = "SELECT second_factor FROM hubwatch.user_secrets s JOIN hubwatch.users u ON u.id = s.user WHERE u.name = %s"
    async with pool.connection() as connection:
        row = await (await connection.execute(asked, [name])).fetchone()
    assert row is not None
    return str(row[0])


async def with_factor(pool: Pool, settings: LoginSection, name: str) -> pyotp.TOTP:
    """Let somebody have a password and a second factor that is confirmed."""
    robin = await caller(pool, await with_password(pool, name, Role.SUPERVISOR))
    key, _ = await login.begin_second_factor(pool, settings, robin)
    totp = pyotp.TOTP(key)
    await login.confirm_second_factor(pool, settings, robin, totp.now())
    return totp


def next_code(totp: pyotp.TOTP) -> str:
    """Return a code that was not used yet, and is good for longer than this test takes."""
    return totp.at(int(time.time()) + 30)


async def test_second_factor_is_kept_sealed_where_there_is_a_key(pool: Pool, tmp_path: Path) -> None:
    settings = sealing(tmp_path, "today")
    totp = await with_factor(pool, settings, "robin")
    kept = await kept_factor(pool, "robin")
    assert kept.startswith("s1.")
    assert totp.secret not in kept
    await logged_in(pool, "robin", GOOD, next_code(totp), settings)
    assert await login.take_over(pool, settings) == (0, 0)


async def test_second_factor_that_was_kept_plain_or_under_the_former_key_is_taken_over(
    pool: Pool, tmp_path: Path
) -> None:
    totp = await with_factor(pool, LoginSection(), "robin")
    assert await kept_factor(pool, "robin") == totp.secret
    former = sealing(tmp_path, "former")
    assert await login.take_over(pool, former) == (1, 0)
    first = await kept_factor(pool, "robin")
    today = sealing(tmp_path, "today", former_second_factor_key_file=tmp_path / "former")
    assert await login.take_over(pool, today) == (1, 0)
    assert totp.secret not in first + await kept_factor(pool, "robin")
    await logged_in(pool, "robin", GOOD, next_code(totp), sealing(tmp_path, "today"))


async def test_second_factor_whose_key_is_lost_says_so_and_a_reset_helps(pool: Pool, tmp_path: Path) -> None:
    totp = await with_factor(pool, sealing(tmp_path, "lost"), "robin")
    today = sealing(tmp_path, "today")
    assert await login.take_over(pool, today) == (0, 1)
    with pytest.raises(login.SecondFactorLost, match="hubwatch users reset"):
        await logged_in(pool, "robin", GOOD, next_code(totp), today)
    async with pool.connection() as connection, directory.changing(connection):
        one_time = await login.reset(connection, await existing_user(connection, "robin"), by=ROOT)
    user, _ = await logged_in(pool, "robin", one_time, settings=today)
    assert user.needs == ("password", "second_factor")
    assert await login.take_over(pool, today) == (0, 0)
