"""Logins at the hub's identity provider: authorisation code with PKCE, begun and finished by the same caller."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request

from hubwatch_console.access import Parts, Public, SharedParts
from hubwatch_console.bounds import address_of
from hubwatch_console.oidc import Provider, grants_of, may_come_back_to
from hubwatch_console.routes.answers.described import NOT_KNOWN, NOT_LET_IN, gives
from hubwatch_console.routes.answers.people import LoginAnswer, OidcStartAnswer
from hubwatch_console.routes.bodies import OidcFinishBody, OidcStartBody
from hubwatch_console.routes.people import facts_of_login
from hubwatch_core.errors import BadCall, Permanent
from hubwatch_core.plain_text import one_line
from hubwatch_store import login
from hubwatch_store.users import Begun, User, parse_user_name

router = APIRouter(prefix="/oidc", tags=["people"], dependencies=[Depends(Public())])


@router.post("/start", **gives(OidcStartAnswer))
async def start(body: OidcStartBody, parts: SharedParts) -> dict[str, object]:
    """Return where to send the person, and what the caller keeps to itself until they come back."""
    provider = provider_of(parts)
    if not may_come_back_to(provider.settings, body.redirect_uri):
        raise BadCall("redirect_uri must be http://127.0.0.1:PORT/callback, or one of oidc.redirect_uris")
    await provider.about()
    begun = await login.begin_oidc(parts.pool, body.redirect_uri)
    return {"url": await provider.address(begun), "state": begun.state, "binding": begun.binding}


@router.post("/finish", responses=NOT_KNOWN | NOT_LET_IN, **gives(LoginAnswer))
async def finish(body: OidcFinishBody, request: Request, parts: SharedParts) -> dict[str, object]:
    """Begin a session for whoever the identity provider says came back; their roles are those it gives them."""
    user, session = await vouched(parts, body.state, body.code, body.binding, address_of(request.scope))
    return facts_of_login(user, session, parts.settings.login.idle_s)


async def vouched(parts: Parts, state: str, code: str, binding: str, address: str) -> tuple[User, Begun]:
    """Begin a session for whoever the identity provider says came back to whoever has the `binding`."""
    provider = provider_of(parts)
    begun = await login.take_oidc(parts.pool, state, binding)
    claims = await provider.claims(begun, code)
    name = claims.get(provider.settings.name_claim)
    if not isinstance(name, str):
        raise Permanent(f"the identity provider says no {provider.settings.name_claim} (oidc.name_claim)")
    return await login.log_in_vouched(
        parts.pool,
        parts.settings.login,
        issuer=provider.settings.issuer,
        subject=str(claims["sub"]),
        name=parse_user_name(name.lower()),
        full_name=one_line(str(claims.get("name", "")))[:200],
        grants=grants_of(provider.settings, claims),
        address=address,
    )


def provider_of(parts: Parts) -> Provider:
    """Return the hub's identity provider; raises Permanent where it has none."""
    if parts.provider is None:
        raise Permanent("this hub has no identity provider: log in with user and password")
    return parts.provider
