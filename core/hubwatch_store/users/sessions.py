"""Sessions of people and their API tokens: kept as hashes, over after a time or when nobody uses them."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime

from hubwatch_core.permission import Grant, Role
from hubwatch_store.database import DatabaseConnection, fetch, translated, write

TOKEN_PREFIX = "hw_"  # noqa: S105 - says what a token is for, so that scanners of repositories can find one
TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class Begun:
    """A new session or API token; `token` is known to nobody but its owner."""

    id: int
    token: str
    expires: datetime


@dataclass(frozen=True, slots=True)
class Session:
    """What a token stands for: whose it is, and what it is limited to."""

    id: int
    user: str
    kind: str
    scope: Grant | None


@dataclass(frozen=True, slots=True)
class ApiToken:
    """An API token, as its owner sees it later."""

    id: int
    label: str
    scope: Grant | None
    created: datetime
    used: datetime
    expires: datetime


def hash_of(token: str) -> bytes:
    """Return what is kept of a token. It is random, so a fast hash is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


async def begin_session(
    connection: DatabaseConnection,
    user: int,
    *,
    valid_s: float,
    idle_s: float | None,
    kind: str = "session",
    label: str = "",
    scope: Grant | None = None,
) -> Begun:
    """Begin a session, or make an API token (kind `token`), in the caller's transaction."""
    token = TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
    (row,) = await fetch(
        connection,
        "sessions",
        "begin",
        user=user,
        kind=kind,
        hash=hash_of(token),
        label=label,
        scope_role=None if scope is None else str(scope.role),
        scope_hubs=None if scope is None else sorted(scope.hubs),
        idle_s=idle_s,
        valid_s=valid_s,
    )
    return Begun(row["id"], token, row["expires"])


async def current(connection: DatabaseConnection, token: str, *, used: bool = True) -> Session | None:
    """Return what a token stands for, None when it is no good (any more). Raises Transient or Permanent.

    Unless it is not `used`, its session is not idle.
    """
    with translated():
        rows = await fetch(connection, "sessions", "current", hash=hash_of(token))
        if not rows:
            return None
        (row,) = rows
        if used and row["stale"]:
            await write(connection, "sessions", "use", id=row["id"])
    return Session(row["id"], row["name"], row["kind"], _scope(row["scope_role"], row["scope_hubs"]))


async def end_session(connection: DatabaseConnection, user: int, session: int, why: str) -> bool:
    """End one session or token of a user; return whether it was there."""
    with translated():
        return bool(await fetch(connection, "sessions", "end_one", id=session, user=user, why=why))


async def end_sessions(
    connection: DatabaseConnection, user: int, why: str, *, keep: int | None = None, only_sessions: bool = False
) -> int:
    """End the sessions and tokens of a user, all but `keep`; return how many there were."""
    rows = await fetch(connection, "sessions", "end_all", user=user, why=why, keep=keep, only_sessions=only_sessions)
    return len(rows)


async def tokens_of(
    connection: DatabaseConnection, user: int, *, after: int = 0, most: int | None = None
) -> list[ApiToken]:
    """Return the API tokens of a user that are good, those `after` one. Raises Transient or Permanent."""
    with translated():
        rows = await fetch(connection, "sessions", "tokens", user=user, after=after, most=most)
    return [
        ApiToken(row["id"], row["label"], _scope(row["scope_role"], row["scope_hubs"]), row["created"], row["used"],
                 row["expires"])
        for row in rows
    ]  # fmt: skip


async def forget_old(connection: DatabaseConnection) -> None:
    """Delete sessions that ended a month ago. Raises Transient or Permanent."""
    with translated():
        await write(connection, "sessions", "forget")


def _scope(role: str | None, hubs: list[str] | None) -> Grant | None:
    return None if role is None else Grant(Role(role), frozenset(hubs or ()))
