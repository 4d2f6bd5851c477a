"""What goes wrong, as a page: what it was and what to do, never what is inside."""

from __future__ import annotations

import json

from fastapi import Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from hubwatch_console.pages.rendering import Page, render
from hubwatch_console.pages.visiting import LoginWanted, SetUpFirst
from hubwatch_core.errors import BadCall, HubwatchError, Permanent
from hubwatch_store.users import NotAllowed

API = "/api/"
AGAIN = frozenset({429, 503})
"""What is over after a while."""


def is_page(request: Request) -> bool:
    """Return whether somebody looks at a page, and no program asks the API."""
    return not request.url.path.removeprefix(request.scope.get("root_path", "")).startswith(API)


def status_in_place(error: Permanent) -> int:
    """Return the status with which the page of what was to be done says a refusal; raise what is a page of its own.

    That is what somebody may not do at all, and what the database refuses, whose words are of its insides.
    """
    if isinstance(error, NotAllowed) or error.__cause__ is not None:
        raise error
    return 400 if isinstance(error, BadCall) else 409


def shown(request: Request, problem: JSONResponse, error: HubwatchError | None) -> Response:
    """Return a problem as a page where somebody looks at one, or lead to where it is mended; as it is for programs."""
    if not is_page(request):
        return problem
    page = Page(request, None)
    if isinstance(error, LoginWanted):
        to = page.here if request.method == "GET" else "/"
        return RedirectResponse(page.path("/login", to=to), 303)
    if isinstance(error, SetUpFirst):
        return RedirectResponse(page.path("/setup"), 303)
    facts = json.loads(bytes(problem.body))
    response = render(
        request, "trouble.html", status=problem.status_code, title=facts["title"], detail=facts["detail"],
        number=problem.status_code, live=False,
        again=request.method == "GET" and problem.status_code in AGAIN,
    )  # fmt: skip
    if "retry-after" in problem.headers:
        response.headers["Retry-After"] = problem.headers["retry-after"]
    return response
