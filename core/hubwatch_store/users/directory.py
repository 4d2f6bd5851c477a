"""The directory: who has a login, with which roles at which hubs. Changes are journalled and end their sessions."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hubwatch_core.errors import BadCall, Permanent
from hubwatch_core.ids import is_id
from hubwatch_core.permission import EVERY_HUB, LEAST_ROLE, Actor, Grant, Role, UserAct, may, needs_second_factor
from hubwatch_core.plain_text import one_line
from hubwatch_store.database import DatabaseConnection, fetch, translated, write
from hubwatch_store.users.journal import record
from hubwatch_store.users.sessions import end_sessions

_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,62}")
NO_NAMES = frozenset({"system"})
ADMINISTERED = (
    "administrators of this hub can log in, so users are not changed by the database's password: log in with "
    "`hubwatch login URL` and leave -c and --dsn out, or where none of them can any more, give --recover WHY"
)


@dataclass(frozen=True, slots=True)
class User:
    """A person with a login."""

    id: int
    name: str
    full_name: str
    disabled: datetime | None
    issuer: str | None
    """The identity provider that vouches for them; None where they have a password here."""
    one_time: bool
    """Whether they have a one-time password and must choose one."""
    has_password: bool
    has_second_factor: bool
    grants: tuple[Grant, ...]
    used: datetime | None
    """When they were last seen."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Return what they have to do before they may do anything."""
        if self.issuer is not None:
            return ()
        second_factor = needs_second_factor(self.grants) and not self.has_second_factor
        return (*(["password"] if self.one_time else []), *(["second_factor"] if second_factor else []))

    def person(self, scope: Grant | None = None) -> Actor:
        """Return who acts when this user does."""
        return Actor(self.name, self.grants, verified=True, scope=scope, needs=self.needs)


def parse_user_name(text: str) -> str:
    """Return a name for a login; raises BadCall when it is none."""
    if not _NAME.fullmatch(text) or text in NO_NAMES:
        raise BadCall("a user's name has 1 to 63 of a-z, 0-9, dot, underscore, hyphen and @, and is not `system`")
    return text


def parse_grants(given: Mapping[str, Sequence[str]]) -> tuple[Grant, ...]:
    """Return the grants of hubs by role; raises BadCall for a role that there is not, or a hub that can be none."""
    grants = []
    for role, hubs in given.items():
        if role not in set(Role):
            raise BadCall(f"{one_line(role)} is no role: there are {', '.join(Role)}")
        wrong = [hub for hub in hubs if hub != EVERY_HUB and not is_id(hub)]
        if wrong or not hubs:
            raise BadCall(f"{role} needs the names of hubs, or * for every hub")
        grants.append(Grant(Role(role), frozenset(hubs)))
    return tuple(sorted(grants, key=lambda grant: list(Role).index(grant.role)))


async def has_directory(connection: DatabaseConnection) -> bool:
    """Return whether there is any user: from then on people act under their logins. Raises Transient or Permanent."""
    with translated():
        (row,) = await fetch(connection, "users", "any")
    return bool(row["exists"])


async def users(connection: DatabaseConnection, *, after: str | None = None, most: int | None = None) -> list[User]:
    """Return all users by name, or up to `most` `after` one. Raises Transient or Permanent."""
    with translated():
        return [_user(row) for row in await fetch(connection, "users", "list", name=None, after=after, most=most)]


async def names_reaching(connection: DatabaseConnection, act: UserAct, hub: str, most: int) -> list[str]:
    """Return by name who may do something at a hub, among the first `most` who have the role and can log in.

    Raises Transient or Permanent.
    """
    roles = [str(role) for role in Role if Grant(role, frozenset({hub})).reaches(LEAST_ROLE[act], hub)]
    with translated():
        rows = await fetch(connection, "users", "reaching", roles=roles, hubs=[hub, EVERY_HUB], most=most)
    return [user.name for user in map(_user, rows) if may(user.person(), act, hub)]


async def find_user(connection: DatabaseConnection, name: str) -> User | None:
    """Return a user, None when there is none of that name. Raises Transient or Permanent."""
    with translated():
        rows = await fetch(connection, "users", "list", name=name, after=None, most=1)
    return _user(rows[0]) if rows else None


async def existing_user(connection: DatabaseConnection, name: str) -> User:
    """Return a user; raises Permanent when there is none of that name."""
    found = await find_user(connection, name)
    if found is None:
        raise Permanent(f"there is no user {one_line(name)}; `hubwatch users list` shows those there are")
    return found


@asynccontextmanager
async def changing(connection: DatabaseConnection) -> AsyncIterator[None]:
    """Make a transaction in which nobody else changes the directory; raises Transient or Permanent."""
    with translated():
        async with connection.transaction():
            await write(connection, "users", "lock")
            yield


async def add_user(
    connection: DatabaseConnection,
    name: str,
    grants: Sequence[Grant],
    *,
    by: Actor,
    full_name: str = "",
    issuer: str | None = None,
    subject: str | None = None,
) -> User:
    """Add a user without a password, in the transaction of `changing`; raises Permanent when the name is taken."""
    values = {"name": name, "full_name": full_name, "by": by.name, "issuer": issuer, "subject": subject}
    rows = await fetch(connection, "users", "add", **values)
    if not rows:
        raise Permanent(f"there is a user {name} already")
    await write(connection, "users", "add_secrets", user=rows[0]["id"])
    await _write_grants(connection, rows[0]["id"], grants)
    await record(connection, by, "user.add", name, details={"grants": _plain(grants), "issuer": issuer})
    return await existing_user(connection, name)


async def set_grants(connection: DatabaseConnection, user: User, grants: Sequence[Grant], *, by: Actor) -> None:
    """Give a user these roles and no others, and end their sessions; in the transaction of `changing`.

    Raises Permanent when nobody would be left who may change users.
    """
    await write(connection, "users", "forget_grants", user=user.id)
    await _write_grants(connection, user.id, grants)
    await _check_administered(connection)
    await end_sessions(connection, user.id, "roles changed")
    details: dict[str, object] = {"former": _plain(user.grants), "grants": _plain(grants)}
    await record(connection, by, "user.grant", user.name, details=details)


async def disable(connection: DatabaseConnection, user: User, *, by: Actor, note: str = "") -> None:
    """Let a user in no more, and end their sessions; in the transaction of `changing`. Raises as `set_grants`."""
    await write(connection, "users", "disable", user=user.id)
    await _check_administered(connection)
    await end_sessions(connection, user.id, "user disabled")
    await record(connection, by, "user.disable", user.name, details={"note": note})


async def enable(connection: DatabaseConnection, user: User, *, by: Actor, note: str = "") -> None:
    """Let a user in again; in the transaction of `changing`."""
    await write(connection, "users", "enable", user=user.id)
    await record(connection, by, "user.enable", user.name, details={"note": note})


async def vouched(
    connection: DatabaseConnection,
    issuer: str,
    subject: str,
    *,
    name: str,
    full_name: str,
    grants: Sequence[Grant],
    by: Actor,
) -> User:
    """Return the user for whom an identity provider vouches, with the roles it gives, made where there is none yet.

    In the transaction of `changing`. Raises Permanent when the name is that of somebody else, or they are disabled.
    """
    rows = await fetch(connection, "users", "by_subject", issuer=issuer, subject=subject)
    if not rows and not grants:
        raise Permanent("your identity provider gives you no role here")
    if not rows:
        return await add_user(connection, name, grants, by=by, full_name=full_name, issuer=issuer, subject=subject)
    user = await existing_user(connection, rows[0]["name"])
    if user.disabled is not None:
        raise Permanent(f"{user.name} is disabled")
    if frozenset(user.grants) != frozenset(grants):
        await set_grants(connection, user, grants, by=by)
    return await existing_user(connection, user.name)


async def _write_grants(connection: DatabaseConnection, user: int, grants: Sequence[Grant]) -> None:
    for grant in grants:
        await write(connection, "users", "grant", user=user, role=str(grant.role), hubs=sorted(grant.hubs))


async def check_unadministered(connection: DatabaseConnection) -> None:
    """Raise Permanent where an administrator of every hub can log in: then they change users, and no password does."""
    for user in await users(connection):
        if user.disabled is None and not user.needs and _administers(user):
            raise Permanent(ADMINISTERED)


def _administers(user: User) -> bool:
    return any(grant.reaches(Role.ADMINISTRATOR, None) for grant in user.grants)


async def _check_administered(connection: DatabaseConnection) -> None:
    """A directory that nobody may change any more could only be opened with the database's password."""
    for user in await users(connection):
        if _administers(user) and user.disabled is None:
            return
    raise Permanent("nobody would be left who may change users: make somebody else administrator of every hub first")


def _plain(grants: Sequence[Grant]) -> dict[str, list[str]]:
    return {str(grant.role): sorted(grant.hubs) for grant in grants}


def _user(row: Mapping[str, Any]) -> User:
    return User(
        id=row["id"],
        name=row["name"],
        full_name=row["full_name"],
        disabled=row["disabled"],
        issuer=row["issuer"],
        one_time=row["one_time_until"] is not None,
        has_password=row["has_password"],
        has_second_factor=row["has_second_factor"],
        grants=parse_grants(row["grants"]),
        used=row["used"],
    )
