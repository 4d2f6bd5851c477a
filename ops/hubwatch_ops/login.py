"""`hubwatch login`, `logout`, `whoami`: who gives commands, by a session of the hub's API."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hubwatch_core.errors import BadCall, Permanent
from hubwatch_core.plain_text import one_line
from hubwatch_core.process import border
from hubwatch_core.terminal import say

if TYPE_CHECKING:
    from hubwatch_core.http.api_client import ApiClient

PLACES = ("auto", "keyring", "file")
NOBODY = "nobody is logged in here: `hubwatch login URL`"


@border
def login(
    address: Annotated[str, typer.Argument(metavar="URL", help="The hub's API, as https://hub.example:8443.")],
    user: Annotated[str | None, typer.Option("--user", help="Who logs in; asked for when left out.")] = None,
    store: Annotated[
        str, typer.Option("--store", help="Where the token is kept: auto, keyring or file (0600).")
    ] = "auto",
    ca_file: Annotated[
        str | None, typer.Option("--ca-file", help="CA certificates of the hub (PEM), where the system has them not.")
    ] = None,
    allow_plain: Annotated[
        bool, typer.Option("--allow-plain", help="Take http:// to another machine: whoever is on the way reads all.")
    ] = False,
    oidc: Annotated[
        bool, typer.Option("--oidc", help="Log in at the hub's identity provider, in the browser.")
    ] = False,
) -> None:
    """Log in; from now on commands act as this person. Sets up password and second factor where that is wanted."""
    from hubwatch_core.credentials.kept_login import KeptLogin, keep
    from hubwatch_core.http.api_client import ApiClient, checked_address

    if store not in PLACES:
        raise BadCall(f"--store is one of {', '.join(PLACES)}")
    # It is used again from wherever the next command is given.
    ca_file = None if ca_file is None else str(Path(ca_file).absolute())
    client = ApiClient(checked_address(address, allow_plain=allow_plain), ca_file=ca_file)
    _show_notice(client)
    if oidc:
        from hubwatch_ops.oidc_login import log_in_by_browser

        begun = asyncio.run(log_in_by_browser(client))
    else:
        begun = _by_password(client, user or _asked("user"))
    name = str(begun["user"]["name"])
    place = keep(KeptLogin(client.address, name, begun["token"], ca_file), store)  # type: ignore[arg-type]
    say(f"you are {one_line(name)} at {client.address}; the token is in {place}")


@border
def logout() -> None:
    """End the session and forget its token."""
    from hubwatch_core.credentials.kept_login import forget, kept
    from hubwatch_core.http.api_client import ApiRefused
    from hubwatch_core.http.logged_in import LoggedIn

    known = kept()
    if known is None:
        raise Permanent(NOBODY)
    try:
        LoggedIn(known).ask("POST", "/logout")
    except ApiRefused as refused:
        if refused.status != 401:  # else its session was over already
            raise
    finally:
        forget()
    say(f"{one_line(known.user)} is logged out")


@border
def whoami() -> None:
    """Show who is logged in, and what they may do where."""
    from hubwatch_core.credentials.kept_login import kept
    from hubwatch_core.http.logged_in import LoggedIn

    known = kept()
    if known is None:
        raise Permanent(NOBODY)
    me = LoggedIn(known).ask("GET", "/me")
    grants = ", ".join(f"{each['role']} at {' and '.join(each['hubs'])}" for each in me["grants"]) or "without a role"
    say(one_line(f"{me['name']} at {known.address}: {grants}").replace("at *", "at every hub"))
    for need in me["needs"]:
        say(f"to be set up first: {one_line(need).replace('_', ' ')}; `hubwatch login` does it")


def _show_notice(client: ApiClient) -> None:
    """Show what the hub says to everybody before they log in; a hub of an older version has nothing to say."""
    from hubwatch_core.http.api_client import ApiRefused

    try:
        notice = asyncio.run(client.ask("GET", "/notice"))["notice"]
    except ApiRefused as refused:
        if refused.status != 404:
            raise
        return
    for line in str(notice or "").splitlines():
        say(one_line(line), err=True)


def _by_password(client: ApiClient, user: str) -> dict[str, Any]:
    from hubwatch_core.http.api_client import ApiClient, ApiRefused

    password = _secret("password")
    body = {"user": user, "password": password}
    try:
        begun = asyncio.run(client.ask("POST", "/login", body))
    except ApiRefused as refused:
        if refused.kind != "code-wanted":
            raise
        begun = asyncio.run(client.ask("POST", "/login", body | {"code": _asked("code of the second factor")}))
    mine = ApiClient(client.address, begun["token"], client.ca_file)
    if "password" in begun["user"]["needs"]:
        asyncio.run(mine.ask("POST", "/password", {"former": password, "password": _new_password()}))
    if "second_factor" in begun["user"]["needs"]:
        _set_up_second_factor(mine)
    found: dict[str, Any] = begun
    return found


def _new_password() -> str:
    say("this password was good once; choose your own, of at least 12 characters", err=True)
    first = _secret("new password")
    if _secret("new password again") != first:
        raise BadCall("the two are not the same; log in again")
    return first


def _set_up_second_factor(mine: ApiClient) -> None:
    made = asyncio.run(mine.ask("POST", "/second-factor"))
    say("your role needs a second factor: put this key into an authenticator app", err=True)
    say(f"  {made['key']}\n  {made['address']}", err=True)
    asyncio.run(mine.ask("PUT", "/second-factor", {"code": _asked("code that the app shows")}))


def _secret(what: str) -> str:
    """Ask for a secret; where there is no terminal it is the next line of the input."""
    if sys.stdin.isatty():
        return str(typer.prompt(what, hide_input=True, err=True))
    return _asked(what)


def _asked(what: str) -> str:
    if sys.stdin.isatty():
        return str(typer.prompt(what, err=True))
    line = sys.stdin.readline()
    if not line:
        raise BadCall(f"{what} is missing: the input has ended")
    return line.rstrip("\n")
