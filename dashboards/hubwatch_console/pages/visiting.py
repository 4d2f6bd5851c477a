"""Who looks at a page, and who presses a button on one: the session of a cookie, and proof that the form was ours."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from fastapi import Request, Response

from hubwatch_console.access import MOST_TOKEN, Allowed, SignedIn, parts_of
from hubwatch_core.errors import BadCall, Permanent
from hubwatch_core.permission import UserAct
from hubwatch_store.users import KnownCaller, NotAllowed

COOKIE = "hubwatch_session"
MOST_FIELDS = 300
"""Each alarm of an incident that is shown can be ticked, and a few more."""
FORM = "application/x-www-form-urlencoded"
SAFE = frozenset({"GET", "HEAD"})


class LoginWanted(Permanent):
    """Nobody is logged in, or not any more: pages lead to the log-in and back."""

    def __init__(self) -> None:
        super().__init__("log in first")


class SetUpFirst(NotAllowed):
    """Somebody has a password or a second factor to set up before anything else."""


class FromElsewhere(NotAllowed):
    """A form was sent by a page that is not ours, or by one of a session that is over."""

    def __init__(self) -> None:
        super().__init__("this form is not of this session: go back, load the page anew and try again")


class _ByCookie(SignedIn):
    """Takes the session from the cookie; what changes something needs a form of that session."""

    def token(self, request: Request) -> str:
        """Return the session of the cookie."""
        return request.cookies.get(COOKIE, "")

    def unknown(self, detail: str) -> Exception:
        """Lead to the log-in."""
        return LoginWanted()

    async def __call__(self, request: Request) -> KnownCaller:
        """Return who looks; raises LoginWanted, FromElsewhere, BadCall."""
        caller = await SignedIn.__call__(self, request)
        request.state.csrf = csrf_of(self.token(request))
        if request.method not in SAFE:
            check_origin(request)
            form = await form_of(request)
            if not hmac.compare_digest(form.get("csrf", "").encode(), request.state.csrf.encode()):
                raise FromElsewhere
            request.state.form = form
        return caller


class Visitor(_ByCookie):
    """Whoever is logged in may look, also one who has something to set up first."""


class VisitorWho(_ByCookie, Allowed):
    """Whoever may do that at some hub may look, or press the button."""

    def __init__(self, act: UserAct) -> None:
        Allowed.__init__(self, act)

    async def __call__(self, request: Request) -> KnownCaller:
        """Return who looks; raises LoginWanted, SetUpFirst, NotAllowed."""
        caller = await _ByCookie.__call__(self, request)
        if caller.person.needs:
            raise SetUpFirst(f"set up first: {', '.join(caller.person.needs)}")
        self.check(caller)
        return caller


def csrf_of(token: str) -> str:
    """Return what the forms of a session carry; who knows it does not know the session."""
    return hmac.new(token.encode("utf-8", "surrogateescape"), b"hubwatch form", hashlib.sha256).hexdigest()


def check_origin(request: Request) -> None:
    """Raise FromElsewhere for a form that a browser says comes from another page than ours."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site not in {"same-origin", "none"}:
            raise FromElsewhere
        return
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise FromElsewhere


async def form_of(request: Request) -> Mapping[str, str]:
    """Return the fields of a form, the last of each name; raises BadCall for anything else."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise BadCall("send a form")
    try:
        text = (await request.body()).decode("ascii")
        return dict(parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), max_num_fields=MOST_FIELDS,
                              errors="strict"))  # fmt: skip
    except ValueError:
        raise BadCall("this is no form") from None


def keep(request: Request, response: Response, token: str) -> None:
    """Give a browser a session to keep until it is closed: no script reads it, no other site sends it with a form."""
    response.set_cookie(COOKIE, token, path=_path(request), secure=True, httponly=True, samesite="lax")


def forget(request: Request, response: Response) -> None:
    """Take the session from a browser."""
    response.delete_cookie(COOKIE, path=_path(request), secure=True, httponly=True, samesite="lax")


def own_path(text: str | None) -> str:
    """Return where to go after a log-in: a path of ours, whatever an address says."""
    wanted = text or "/"
    plain = wanted.startswith("/") and not wanted.startswith("//") and "\\" not in wanted and wanted.isprintable()
    return wanted if plain and len(wanted) <= MOST_TOKEN * 5 else "/"


def _path(request: Request) -> str:
    return parts_of(request).settings.api.path_prefix or "/"
