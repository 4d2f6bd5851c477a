"""The log-in, what people set up before anything else, and how they like pages: language, light or dark."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import RedirectResponse, Response

from hubwatch_console.access import Public, SharedParts, check_session, parts_of
from hubwatch_console.bounds import address_of
from hubwatch_console.pages.language import LANGUAGES
from hubwatch_console.pages.rendering import LANGUAGE_COOKIE, THEME_COOKIE, THEMES, Page, render, statics
from hubwatch_console.pages.visiting import Visitor, check_origin, forget, form_of, keep, own_path
from hubwatch_console.routes.oidc import provider_of, vouched
from hubwatch_core.errors import BadCall
from hubwatch_store import login
from hubwatch_store.database import translated
from hubwatch_store.login import CodeWanted, LoginLocked, LoginRefused, OneTimeOver
from hubwatch_store.users import KnownCaller, end_session, record, who

router = APIRouter(include_in_schema=False)

Somebody = Annotated[KnownCaller, Depends(Visitor())]
Next = Annotated[str | None, Query(max_length=1000)]
BINDING_COOKIE = "hubwatch_provider"
BACK = "/login/back"
YEAR_S = 365 * 86_400


@router.get("/static/{version}/{name}", dependencies=[Depends(Public())])
async def static(version: str, name: str) -> Response:
    """Return what pages load; a new version has another address."""
    found = statics().get(name)
    if found is None:
        raise HTTPException(404, "there is no such file")
    return Response(found[0], media_type=found[1], headers={"Cache-Control": f"public, max-age={YEAR_S}, immutable"})


@router.get("/login", dependencies=[Depends(Public())])
async def show_login(request: Request, parts: SharedParts, to: Next = None) -> Response:
    """Show the log-in."""
    return _login(request, to)


@router.post("/login", dependencies=[Depends(Public())])
async def log_in(request: Request, parts: SharedParts) -> Response:
    """Begin a session by name and password, or keep an API token as one: a wall board has that."""
    check_origin(request)
    form = await form_of(request)
    to, name, code = form.get("to"), form.get("user", "").strip(), form.get("code", "").strip() or None
    if form.get("token", "").strip():
        return await _with_token(request, form["token"].strip(), to)
    try:
        user, begun = await login.log_in(
            parts.pool, parts.settings.login, name, form.get("password", ""), code, address_of(request.scope)
        )
    except CodeWanted:
        return _login(request, to, name=name, why="code", status=401)
    except OneTimeOver:
        return _login(request, to, name=name, why="over", status=401)
    except LoginLocked as error:
        return _login(request, to, name=name, why="locked", wait_s=int(error.wait_s) + 1, status=429)
    except LoginRefused:
        return _login(request, to, name=name, why="refused", status=401)
    return _begun(request, begun.token, "/setup" if user.needs else own_path(to))


@router.post("/login/provider", dependencies=[Depends(Public())])
async def to_provider(request: Request, parts: SharedParts) -> Response:
    """Send somebody to the hub's identity provider, if that may send them back here."""
    check_origin(request)
    provider, back = provider_of(parts), _back(parts.settings.oidc.redirect_uris if parts.settings.oidc else ())
    if back is None:
        raise BadCall(f"none of oidc.redirect_uris ends in {BACK}")
    await provider.about()
    begun = await login.begin_oidc(parts.pool, back)
    # Browsers let a form of ours lead nowhere else (form-action), not by a redirect either; a page may.
    address = await provider.address(begun)
    response = render(request, "onward.html", address=address, provider=provider.settings.issuer, live=False)
    response.headers["Refresh"] = f"0; url={address}"
    response.set_cookie(
        BINDING_COOKIE, begun.binding, max_age=600, path=Page(request, None).path("/login"), secure=True,
        httponly=True, samesite="lax",
    )  # fmt: skip
    return response


@router.get(BACK, dependencies=[Depends(Public())])
async def from_provider(
    request: Request,
    parts: SharedParts,
    state: Annotated[str, Query(max_length=256)],
    code: Annotated[str, Query(max_length=4000)],
) -> Response:
    """Begin a session for whoever the identity provider sends back to the browser that asked."""
    user, begun = await vouched(parts, state, code, request.cookies.get(BINDING_COOKIE, ""), address_of(request.scope))
    response = _begun(request, begun.token, "/setup" if user.needs else "/")
    response.delete_cookie(BINDING_COOKIE, path=Page(request, None).path("/login"))
    return response


@router.post("/logout")
async def log_out(request: Request, caller: Somebody, parts: SharedParts) -> Response:
    """End the session; an API token goes on, and this browser forgets it."""
    if caller.session.kind == "session":
        with translated():
            async with parts.pool.connection() as connection, connection.transaction():
                await end_session(connection, caller.user.id, caller.session.id, "logged out")
                details = {"session": caller.session.id}
                await record(connection, caller.person, "logout", caller.user.name, details=details)
    response = RedirectResponse(Page(request, None).path("/login"), 303)
    forget(request, response)
    return response


@router.get("/setup")
async def show_setup(request: Request, caller: Somebody, parts: SharedParts) -> Response:
    """Show what somebody has to set up, one thing after the other."""
    return await _setup(request, caller)


@router.post("/setup")
async def set_up(request: Request, caller: Somebody, parts: SharedParts) -> Response:
    """Choose a password, or confirm the second factor."""
    check_session(caller)
    form = request.state.form
    try:
        if "password" in form:
            if form["password"] != form.get("again"):
                raise BadCall("The two passwords are not the same.")
            await login.change_password(
                parts.pool, parts.settings.login, caller, form.get("former", ""), form["password"],
                address_of(request.scope),
            )  # fmt: skip
        else:
            await login.confirm_second_factor(parts.pool, parts.settings.login, caller, form.get("code", "").strip())
    except (BadCall, LoginRefused) as error:
        return await _setup(request, caller, wrong=str(error))
    return RedirectResponse(Page(request, caller).path("/setup"), 303)


@router.post("/setup/second-factor")
async def begin_second_factor(request: Request, caller: Somebody, parts: SharedParts) -> Response:
    """Make a key for an authenticator app and show it once; it counts once a code has confirmed it."""
    check_session(caller)
    key, address = await login.begin_second_factor(parts.pool, parts.settings.login, caller)
    return await _setup(request, caller, key=key, address=address)


@router.get("/show/{what}/{value}", dependencies=[Depends(Public())])
async def prefer(request: Request, what: str, value: str, to: Next = None) -> Response:
    """Keep how somebody likes pages, in their browser; go back to where they were."""
    kept = {"language": (LANGUAGE_COOKIE, tuple(LANGUAGES)), "theme": (THEME_COOKIE, THEMES)}.get(what)
    if kept is None or value not in kept[1]:
        raise HTTPException(404, "there is no such choice")
    page = Page(request, None)
    response = RedirectResponse(page.prefix + own_path(to), 303)
    response.set_cookie(kept[0], value, max_age=YEAR_S, path=page.prefix or "/", secure=True, samesite="lax")
    return response


async def _with_token(request: Request, token: str, to: str | None) -> Response:
    with translated():
        async with parts_of(request).pool.connection() as connection:
            caller = await who(connection, token)
    if caller is None:
        return _login(request, to, why="token", status=401)
    return _begun(request, token, own_path(to))


def _begun(request: Request, token: str, to: str) -> RedirectResponse:
    response = RedirectResponse(Page(request, None).prefix + to, 303)
    keep(request, response, token)
    return response


def _login(
    request: Request, to: str | None, *, name: str = "", why: str | None = None, wait_s: int = 0, status: int = 200
) -> Response:
    oidc = parts_of(request).settings.oidc
    by_provider = oidc is not None and _back(oidc.redirect_uris) is not None
    return render(
        request, "login.html", status=status, to=own_path(to), name=name[:256], why=why, wait_s=wait_s, live=False,
        notice=parts_of(request).settings.notice.text,
        provider=oidc.issuer if oidc is not None and by_provider else None,
    )  # fmt: skip


async def _setup(request: Request, caller: KnownCaller, **facts: Any) -> Response:
    needs = caller.user.needs
    return render(
        request, "setup.html", caller, status=400 if "wrong" in facts else 200, needs=needs, live=False,
        **{"wrong": None, "key": None, "address": None, **facts},
    )  # fmt: skip


def _back(uris: tuple[str, ...]) -> str | None:
    return next((each for each in uris if each.endswith(BACK)), None)
