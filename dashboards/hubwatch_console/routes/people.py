"""Logins, and what people set up for themselves."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from hubwatch_console.access import Public, SharedParts, SomebodyIn, check_session
from hubwatch_console.bounds import address_of
from hubwatch_console.paging import PageWanted, paged
from hubwatch_console.routes.answers.described import NOT_KNOWN, gives
from hubwatch_console.routes.answers.people import (
    LoginAnswer,
    MeAnswer,
    NewTokenAnswer,
    SecondFactorAnswer,
    TokenListAnswer,
)
from hubwatch_console.routes.bodies import CodeBody, LoginBody, PasswordBody, TokenBody
from hubwatch_core.errors import BadCall, Permanent
from hubwatch_core.permission import EVERY_HUB, Grant
from hubwatch_core.plain_text import one_line
from hubwatch_store import login
from hubwatch_store.database import translated
from hubwatch_store.users import (
    ApiToken,
    Begun,
    NotAllowed,
    User,
    begin_session,
    end_session,
    record,
    tokens_of,
)

router = APIRouter(tags=["people"])
Wanted = Annotated[PageWanted, paged("tokens", int, default=200, limit=1000)]


@router.post("/login", dependencies=[Depends(Public())], responses=NOT_KNOWN, **gives(LoginAnswer))
async def log_in(body: LoginBody, request: Request, parts: SharedParts) -> dict[str, object]:
    """Begin a session; the answer holds its token, and what has to be set up before anything else can be done."""
    address = address_of(request.scope)
    user, begun = await login.log_in(parts.pool, parts.settings.login, body.user, body.password, body.code, address)
    return facts_of_login(user, begun, parts.settings.login.idle_s)


@router.post("/logout", status_code=204)
async def log_out(caller: SomebodyIn, parts: SharedParts) -> Response:
    """End the session of the token."""
    with translated():
        async with parts.pool.connection() as connection, connection.transaction():
            await end_session(connection, caller.user.id, caller.session.id, "logged out")
            await record(connection, caller.person, "logout", caller.user.name, details={"session": caller.session.id})
    return Response(status_code=204)


@router.get("/me", **gives(MeAnswer))
async def me(caller: SomebodyIn) -> dict[str, object]:
    """Return who is logged in, what they may do where, and what they have to set up first."""
    scope = caller.person.scope
    return facts_of_user(caller.user) | {
        "kind": caller.session.kind,
        "scope": None if scope is None else _facts_of_grant(scope),
    }


@router.post("/password", status_code=204)
async def change_password(body: PasswordBody, caller: SomebodyIn, request: Request, parts: SharedParts) -> Response:
    """Choose another password; other sessions end."""
    check_session(caller)
    address = address_of(request.scope)
    await login.change_password(parts.pool, parts.settings.login, caller, body.former, body.password, address)
    return Response(status_code=204)


@router.post("/second-factor", **gives(SecondFactorAnswer))
async def begin_second_factor(caller: SomebodyIn, parts: SharedParts) -> dict[str, object]:
    """Return a key for an authenticator app, which counts once a code has confirmed it."""
    check_session(caller)
    key, address = await login.begin_second_factor(parts.pool, parts.settings.login, caller)
    return {"key": key, "address": address}


@router.put("/second-factor", status_code=204)
async def confirm_second_factor(body: CodeBody, caller: SomebodyIn, parts: SharedParts) -> Response:
    """Confirm the second factor by a code; other sessions end."""
    check_session(caller)
    await login.confirm_second_factor(parts.pool, parts.settings.login, caller, body.code)
    return Response(status_code=204)


@router.get("/tokens", **gives(TokenListAnswer))
async def list_tokens(
    caller: SomebodyIn,
    parts: SharedParts,
    wanted: Wanted,
) -> dict[str, object]:
    """Return one's own API tokens that are good, without what is secret of them."""
    check_session(caller)
    (after,) = wanted.place or (0,)
    with translated():
        async with parts.pool.connection() as connection:
            found = await tokens_of(connection, caller.user.id, after=after, most=wanted.most + 1)
    page, further = wanted.page(found, lambda each: (each.id,))
    return {"tokens": [_facts_of_token(each) for each in page], "next": further}


@router.post("/tokens", **gives(NewTokenAnswer, 201))
async def make_token(body: TokenBody, caller: SomebodyIn, parts: SharedParts) -> dict[str, object]:
    """Make an API token, limited to a role and hubs where these are given; it is shown once."""
    check_session(caller)
    if caller.person.needs:
        raise NotAllowed(f"set up first: {', '.join(caller.person.needs)}")
    most = parts.settings.login.token_max_s
    if body.valid_s > most:
        raise BadCall(f"a token may be good for at most {most / 86_400:g} days (login.token_max_s)")
    if body.hubs is not None and body.role is None:
        raise BadCall("a token that is limited to hubs needs a role, too")
    scope = None if body.role is None else Grant(body.role, frozenset(body.hubs or [EVERY_HUB]))
    label = one_line(body.label)
    with translated():
        async with parts.pool.connection() as connection, connection.transaction():
            made = await begin_session(
                connection, caller.user.id, valid_s=body.valid_s, idle_s=None, kind="token", label=label, scope=scope
            )
            details = {"token": made.id, "label": label, "scope": None if scope is None else _facts_of_grant(scope)}
            await record(connection, caller.person, "token.make", caller.user.name, details=details)
    return {"id": made.id, "token": made.token, "expires": _iso(made.expires)}


@router.delete("/tokens/{token}", status_code=204)
async def end_token(token: int, caller: SomebodyIn, parts: SharedParts) -> Response:
    """End one of one's own API tokens."""
    check_session(caller)
    with translated():
        async with parts.pool.connection() as connection, connection.transaction():
            if not await end_session(connection, caller.user.id, token, "ended by its owner"):
                raise Permanent(f"you have no token {token}")
            await record(connection, caller.person, "token.end", caller.user.name, details={"token": token})
    return Response(status_code=204)


def facts_of_login(user: User, begun: Begun, idle_s: float) -> dict[str, object]:
    """Return a session that has begun; the only answer that holds its token."""
    return {"token": begun.token, "expires": _iso(begun.expires), "idle_s": idle_s, "user": facts_of_user(user)}


def facts_of_user(user: User) -> dict[str, object]:
    """Return who somebody is and what they may do."""
    return {
        "name": user.name,
        "full_name": user.full_name,
        "grants": [_facts_of_grant(grant) for grant in user.grants],
        "needs": list(user.needs),
        "issuer": user.issuer,
    }


def _facts_of_grant(grant: Grant) -> dict[str, object]:
    return {"role": str(grant.role), "hubs": sorted(grant.hubs)}


def _facts_of_token(token: ApiToken) -> dict[str, object]:
    return {
        "id": token.id,
        "label": token.label,
        "scope": None if token.scope is None else _facts_of_grant(token.scope),
        "created": _iso(token.created),
        "used": _iso(token.used),
        "expires": _iso(token.expires),
    }


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
