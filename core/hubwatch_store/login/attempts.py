"""Wrong logins, counted per user and per address in the database, so that all processes count together."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from hubwatch_core.errors import Permanent
from hubwatch_core.permission import Actor
from hubwatch_store.database import DatabaseConnection, Pool, fetch, translated, write
from hubwatch_store.login.settings import FORGET_ADDRESS_S, FORGET_USER_S, LoginSection
from hubwatch_store.users import record

NOBODY = Actor("nobody", verified=False)
"""Who a login is by before it has succeeded."""


class LoginLocked(Permanent):
    """Logins of a user or from an address are not looked at for a time."""

    def __init__(self, wait_s: float) -> None:
        self.wait_s = wait_s
        super().__init__("too many wrong logins: wait, then try again")


@dataclass(frozen=True, slots=True)
class Limit:
    """One count: its key, and from how many on there is a wait."""

    key: str
    free: int
    forget_s: float


def limits_for(settings: LoginSection, name: str, address: str) -> tuple[Limit, Limit]:
    """Return what counts for a login: its address, then its user. Always in this order, so that none waits for another.

    The name is counted by its hash: people type passwords into the wrong field.
    """
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return (
        Limit(f"address:{address}", settings.free_failures_of_address, FORGET_ADDRESS_S),
        Limit(f"user:{digest}", settings.free_failures, FORGET_USER_S),
    )


async def count_attempt(
    connection: DatabaseConnection, settings: LoginSection, name: str, address: str, *, known: bool
) -> None:
    """Count a login as wrong until it has succeeded; raises LoginLocked, and then it does not count."""
    locks = []
    with translated():
        async with connection.transaction():
            for limit in limits_for(settings, name, address):
                rows = await fetch(
                    connection, "login", "count_attempt", key=limit.key, free=limit.free, forget_s=limit.forget_s,
                    first_s=settings.first_wait_s, most_s=settings.max_wait_s,
                )  # fmt: skip
                if not rows:
                    raise LoginLocked(await _wait_s(connection, limit))
                if rows[0]["locks"]:
                    locks.append((limit, rows[0]["failures"]))
            for limit, failures in locks:
                what = limit.key if limit.key.startswith("address:") else f"user {name if known else 'unknown'}"
                await record(connection, NOBODY, "login.locked", what, details={"tries": failures, "address": address})


async def succeeded(connection: DatabaseConnection, settings: LoginSection, name: str, address: str) -> None:
    """Forget the wrong logins of a user; those of an address stay, or one good login would let it guess on."""
    of_address, of_user = limits_for(settings, name, address)
    await write(connection, "login", "clear_failures", key=of_user.key)
    await write(connection, "login", "give_back", key=of_address.key)


async def forget_old(pool: Pool) -> None:
    """Delete what has no meaning any more. Raises Transient or Permanent."""
    async with pool.connection() as connection:
        with translated():
            await write(connection, "login", "forget_failures")
            await write(connection, "login", "forget_oidc")


async def _wait_s(connection: DatabaseConnection, limit: Limit) -> float:
    rows = await fetch(connection, "login", "locked_for", key=limit.key)
    return max(1.0, float(rows[0]["seconds"] or 1.0)) if rows else 1.0
