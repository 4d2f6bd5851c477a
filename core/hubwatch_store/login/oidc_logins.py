"""Logins at an identity provider, from their beginning until they come back: any process of the API can finish one."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass

from hubwatch_core.permission import Actor, Grant
from hubwatch_store.database import Pool, fetch, translated, write
from hubwatch_store.login.login import LoginRefused, begin_vouched
from hubwatch_store.login.settings import LoginSection
from hubwatch_store.users import Begun, NotAllowed, User, directory
from hubwatch_store.users.sessions import hash_of

PROVIDER = Actor("identity provider", verified=True)


@dataclass(frozen=True, slots=True)
class OidcLogin:
    """What belongs to one login: `state` goes through the browser, `binding` to nobody but who began it."""

    state: str
    binding: str
    nonce: str
    verifier: str
    redirect_uri: str


async def begin_oidc(pool: Pool, redirect_uri: str) -> OidcLogin:
    """Begin a login; what is secret of it is kept as its hash, or until it comes back."""
    begun = OidcLogin(
        state=secrets.token_urlsafe(32),
        binding=secrets.token_urlsafe(32),
        nonce=secrets.token_urlsafe(32),
        verifier=secrets.token_urlsafe(32),
        redirect_uri=redirect_uri,
    )
    with translated():
        async with pool.connection() as connection:
            await write(
                connection, "login", "begin_oidc", state=hash_of(begun.state), binding=hash_of(begun.binding),
                nonce=begun.nonce, verifier=begun.verifier, redirect_uri=redirect_uri,
            )  # fmt: skip
    return begun


async def take_oidc(pool: Pool, state: str, binding: str) -> OidcLogin:
    """Return a login that comes back, once; raises LoginRefused when there is none, or somebody else began it."""
    with translated():
        async with pool.connection() as connection:
            rows = await fetch(connection, "login", "take_oidc", state=hash_of(state))
    if not rows or not rows[0]["in_time"] or not hmac.compare_digest(rows[0]["binding"], hash_of(binding)):
        raise LoginRefused
    (row,) = rows
    return OidcLogin(state, binding, row["nonce"], row["verifier"], row["redirect_uri"])


async def log_in_vouched(
    pool: Pool,
    settings: LoginSection,
    *,
    issuer: str,
    subject: str,
    name: str,
    full_name: str,
    grants: tuple[Grant, ...],
    address: str,
) -> tuple[User, Begun]:
    """Begin a session for somebody whom an identity provider vouches for, with the roles it gives them.

    Raises NotAllowed when that is none, Permanent when the name is somebody else's or they are disabled, Transient.
    """
    with translated():
        async with pool.connection() as connection:
            async with directory.changing(connection):
                user = await directory.vouched(
                    connection, issuer, subject, name=name, full_name=full_name, grants=grants, by=PROVIDER
                )
            if not user.grants:
                raise NotAllowed("your identity provider gives you no role here")
            async with connection.transaction():
                return user, await begin_vouched(connection, settings, user, address)
