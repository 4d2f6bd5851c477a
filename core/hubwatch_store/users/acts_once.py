"""Acts that are done once however often they are sent: which those are, and what came of each.

Every function works inside `translated()`.
"""

from __future__ import annotations

from dataclasses import dataclass

from hubwatch_store.database import DatabaseConnection, fetch, write

KEPT_S = 24 * 3600.0
MOST_KEPT = 1_000
"""Of one user. A guard acts some hundred times in a day; a program that acts more often leaves the key out."""


@dataclass(frozen=True, slots=True)
class ActDone:
    """An act that somebody has begun with a key: the digest of what was asked, and what came of it."""

    request: bytes
    status: int | None
    """None while it is at work, or when its process ended before it was done."""
    answer: bytes | None
    age_s: float


async def claim(connection: DatabaseConnection, user: int, key: bytes, request: bytes) -> ActDone | bool | None:
    """Return True for the one who is to do it, else what another one has begun; None when there is no room for more."""
    await forget(connection, user)
    if await fetch(connection, "acts_once", "claim", user=user, key=key, request=request, most=MOST_KEPT):
        return True
    return await one(connection, user, key)


async def one(connection: DatabaseConnection, user: int, key: bytes) -> ActDone | None:
    """Return what somebody has begun with a key; None when that is nothing."""
    rows = await fetch(connection, "acts_once", "one", user=user, key=key)
    return ActDone(**rows[0]) if rows else None


async def finish(connection: DatabaseConnection, user: int, key: bytes, status: int, answer: bytes | None) -> None:
    """Keep what came of it."""
    await write(connection, "acts_once", "finish", user=user, key=key, status=status, answer=answer)


async def release(connection: DatabaseConnection, user: int, key: bytes) -> None:
    """Let it be tried again: nothing was done."""
    await write(connection, "acts_once", "release", user=user, key=key)


async def forget(connection: DatabaseConnection, user: int | None = None) -> None:
    """Delete those that were kept long enough, of a user or of all."""
    await write(connection, "acts_once", "forget", user=user, kept_s=KEPT_S)
