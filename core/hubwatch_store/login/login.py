"""Logins by password and second factor, and what people set up for them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from hubwatch_core.credentials import passwords
from hubwatch_core.errors import BadCall, Permanent
from hubwatch_core.permission import EVERY_HUB, Actor, Grant, Role
from hubwatch_store.database import DatabaseConnection, Pool, fetch, translated, write
from hubwatch_store.login.attempts import NOBODY, count_attempt, succeeded
from hubwatch_store.login.second_factors import code_fits
from hubwatch_store.login.settings import ONE_TIME_S, LoginSection
from hubwatch_store.users import (
    Begun,
    KnownCaller,
    User,
    begin_session,
    directory,
    end_sessions,
    existing_user,
    has_directory,
    record,
)

FIRST_ADMINISTRATOR = "administrator"
_HASHING = ThreadPoolExecutor(2, "hashing")
"""Hashing takes 64 MiB a time: a crowd of logins must not take the memory of what watches the hub."""


class LoginRefused(Permanent):
    """The name or what was shown for it is wrong. Which of them, nobody is told."""

    def __init__(self) -> None:
        super().__init__("name, password or code is wrong, or the user is disabled")


class CodeWanted(Permanent):
    """The password is right, and a code of the second factor has to come with it."""

    def __init__(self) -> None:
        super().__init__("send a code of the second factor with it")


class OneTimeOver(Permanent):
    """The one-time password was right and is too old."""

    def __init__(self) -> None:
        super().__init__("this one-time password is over: ask an administrator for `hubwatch users reset`")


async def log_in(
    pool: Pool, settings: LoginSection, name: str, password: str, code: str | None, address: str
) -> tuple[User, Begun]:
    """Begin a session for whoever shows the password of a user, and a code where there is a second factor.

    Raises LoginRefused, LoginLocked, CodeWanted, OneTimeOver, SecondFactorLost, Transient.
    """
    with translated():
        async with pool.connection() as connection:
            row = await _secrets(connection, name)
            await count_attempt(connection, settings, name, address, known=row is not None)
    usable = row is not None and not row["disabled"] and row["issuer"] is None
    fits = await _matches(password, row["password"] if row is not None and usable else None)
    with translated():
        async with pool.connection() as connection:
            if row is None or not fits:
                await _refused(connection, name if row is not None else None, address)
                raise LoginRefused
            if row["one_time_over"]:
                raise OneTimeOver
            if row["confirmed"] and code is None:
                raise CodeWanted
            if row["confirmed"] and not await code_fits(connection, settings.sealing(), row, code):
                await _refused(connection, name, address)
                raise LoginRefused
            async with connection.transaction():
                begun = await _begin(connection, settings, row["id"], name, address, "password")
            await _keep_up(connection, row, password)
            return await existing_user(connection, name), begun


async def _begin(
    connection: DatabaseConnection, settings: LoginSection, user: int, name: str, address: str, how: str
) -> Begun:
    await succeeded(connection, settings, name, address)
    begun = await begin_session(connection, user, valid_s=settings.absolute_s, idle_s=settings.idle_s)
    details = {"address": address, "how": how, "session": begun.id}
    await record(connection, Actor(name), "login", name, details=details)
    return begun


async def begin_vouched(connection: DatabaseConnection, settings: LoginSection, user: User, address: str) -> Begun:
    """Begin a session for somebody whom an identity provider vouches for, in the caller's transaction."""
    return await _begin(connection, settings, user.id, user.name, address, user.issuer or "")


async def change_password(
    pool: Pool, settings: LoginSection, caller: KnownCaller, former: str, password: str, address: str
) -> None:
    """Give whoever is logged in another password, and end their other sessions.

    Raises LoginRefused when `former` is not theirs, which counts as a wrong login, LoginLocked, and BadCall when the
    new one is too weak.
    """
    passwords.check_password(password, caller.user.name)
    if former == password:
        raise BadCall("the new password is the former one")
    with translated():
        async with pool.connection() as connection:
            row = await _secrets(connection, caller.user.name)
            await count_attempt(connection, settings, caller.user.name, address, known=True)
    if row is None or not await _matches(former, row["password"]):
        raise LoginRefused
    kept = await _hashed(password)
    with translated():
        async with pool.connection() as connection, connection.transaction():
            await succeeded(connection, settings, caller.user.name, address)
            await write(connection, "login", "set_password", user=caller.user.id, hash=kept, one_time_s=None)
            await end_sessions(connection, caller.user.id, "password changed", keep=caller.session.id)
            await record(connection, caller.person, "user.password", caller.user.name)


async def confirm_second_factor(pool: Pool, settings: LoginSection, caller: KnownCaller, code: str) -> None:
    """Let the second factor count from now on, and end the sessions that were begun without; raises LoginRefused."""
    with translated():
        async with pool.connection() as connection, connection.transaction():
            row = await _secrets(connection, caller.user.name)
            if row is None or not await code_fits(connection, settings.sealing(), row, code):
                raise LoginRefused
            await end_sessions(connection, caller.user.id, "second factor set up", keep=caller.session.id)
            await record(connection, caller.person, "user.second_factor", caller.user.name)


async def reset(connection: DatabaseConnection, user: User, *, by: Actor) -> str:
    """Give a user a one-time password in place of password and second factor, end their sessions, and return it.

    In the transaction of `directory.changing`. Raises Permanent for somebody whom an identity provider vouches for.
    """
    if user.issuer is not None:
        raise Permanent(f"{user.name} has no password here: {user.issuer} vouches for them")
    password = passwords.one_time_password()
    kept = await _hashed(password)
    await write(connection, "login", "set_password", user=user.id, hash=kept, one_time_s=ONE_TIME_S)
    await write(connection, "login", "no_second_factor", user=user.id)
    await end_sessions(connection, user.id, "user reset")
    await record(connection, by, "user.reset", user.name)
    return password


async def first_administrator(pool: Pool, by: Actor) -> str | None:
    """Make the first user, an administrator of every hub, and return their one-time password; None when there is one.

    Raises Transient or Permanent.
    """
    with translated():
        async with pool.connection() as connection, directory.changing(connection):
            if await has_directory(connection):
                return None
            grants = [Grant(Role.ADMINISTRATOR, frozenset({EVERY_HUB}))]
            user = await directory.add_user(connection, FIRST_ADMINISTRATOR, grants, by=by)
            return await reset(connection, user, by=by)


async def _refused(connection: DatabaseConnection, name: str | None, address: str) -> None:
    """Journal a wrong login; a name that nobody has is not written down, because it may be a password."""
    await record(connection, NOBODY, "login.refused", name or "unknown user", details={"address": address})


async def _secrets(connection: DatabaseConnection, name: str) -> Mapping[str, Any] | None:
    if "\0" in name:
        return None
    rows = await fetch(connection, "login", "secrets", name=name)
    return rows[0] if rows else None


async def _keep_up(connection: DatabaseConnection, row: Mapping[str, Any], password: str) -> None:
    if passwords.is_outdated(row["password"]):
        kept = await _hashed(password)
        await write(connection, "login", "rehash", user=row["id"], hash=kept, former=row["password"])


async def _matches(password: str, kept: str | None) -> bool:
    return await asyncio.get_running_loop().run_in_executor(_HASHING, passwords.matches, password, kept)


async def _hashed(password: str) -> str:
    return await asyncio.get_running_loop().run_in_executor(_HASHING, passwords.hashed, password)
