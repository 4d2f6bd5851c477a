"""Second factors as they are kept: sealed where there is a key for it, set up, confirmed, taken over by another key."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from hubwatch_core.credentials import second_factor
from hubwatch_core.credentials.sealing import NotOpened, SealingKeys
from hubwatch_core.errors import Permanent
from hubwatch_store.database import DatabaseConnection, Pool, fetch, translated
from hubwatch_store.login.settings import LoginSection
from hubwatch_store.users import KnownCaller


class SecondFactorLost(Permanent):
    """A second factor was set up under a key that is not at hand."""

    def __init__(self) -> None:
        super().__init__(
            "your second factor cannot be checked, because the key that it is kept under is not there "
            "(login.second_factor_key_file): an administrator lets you set up another, `hubwatch users reset`"
        )


class TakenOver(NamedTuple):
    """How many second factors are kept anew, and how many no key at hand opens."""

    sealed: int
    lost: int


async def begin_second_factor(pool: Pool, settings: LoginSection, caller: KnownCaller) -> tuple[str, str]:
    """Return a new key and its address for an authenticator app; it counts once a code has confirmed it.

    Raises Permanent when there is one already.
    """
    key = second_factor.new_key()
    kept = settings.sealing().sealed(key, _about(caller.user.id))
    with translated():
        async with pool.connection() as connection:
            if not await fetch(connection, "login", "begin_second_factor", user=caller.user.id, key=kept):
                raise Permanent("there is a second factor already: `hubwatch users reset` takes it away")
    return key, second_factor.address_of(key, caller.user.name)


async def code_fits(
    connection: DatabaseConnection, keys: SealingKeys, row: Mapping[str, Any], code: str | None
) -> bool:
    """Return whether a code is right and was not used before; from now on it was. Raises SecondFactorLost."""
    if row["second_factor"] is None:
        return False
    try:
        key = keys.opened(row["second_factor"], _about(row["id"]))
    except NotOpened:
        raise SecondFactorLost from None
    step = second_factor.step_of(key, code or "", time.time())
    return step is not None and bool(await fetch(connection, "login", "use_code", user=row["id"], step=step))


async def take_over(pool: Pool, settings: LoginSection) -> TakenOver:
    """Keep every second factor under today's key; those under none, or the former one, too. Raises as `sealing`."""
    keys, sealed, lost = settings.sealing(), 0, 0
    with translated():
        async with pool.connection() as connection:
            for row in await fetch(connection, "login", "second_factors"):
                user, former = row["user"], row["second_factor"]
                key = _plain(keys, former, user)
                if key is None:
                    lost += 1
                elif not keys.is_current(former):
                    kept = keys.sealed(key, _about(user))
                    sealed += len(await fetch(connection, "login", "reseal", user=user, former=former, kept=kept))
    return TakenOver(sealed, lost)


def _plain(keys: SealingKeys, kept: str, user: int) -> str | None:
    try:
        return keys.opened(kept, _about(user))
    except NotOpened:
        return None


def _about(user: int) -> str:
    return f"second factor of user {user}"
