"""What goes wrong, as problem details (RFC 9457): what to do, never what is inside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from hubwatch_alarms.acts import NoSuchAlarm
from hubwatch_alarms.drilling import NoSuchDrill
from hubwatch_alarms.handover import NoSuchHandover
from hubwatch_alarms.incident_acts import NoSuchIncident
from hubwatch_console.oidc import ProviderAway
from hubwatch_core.errors import BadCall, ConfigError, HubwatchError, Permanent, Transient
from hubwatch_core.logs import get_logger
from hubwatch_store.login import CodeWanted, LoginLocked, LoginRefused, OneTimeOver
from hubwatch_store.users import NotAllowed

KIND = "urn:hubwatch:problem:"
"""Before the word that tells a program which problem it is."""

DATABASE_AWAY = "the database does not answer just now: try again"
PROVIDER_AWAY = "the identity provider does not answer just now: try again"

_log = get_logger("console")

_STATUS: tuple[tuple[type[HubwatchError], int, str | None], ...] = (
    (BadCall, 400, None),
    (LoginLocked, 429, "login-locked"),
    (CodeWanted, 401, "code-wanted"),
    (OneTimeOver, 401, "one-time-password-over"),
    (LoginRefused, 401, "login-refused"),
    (NotAllowed, 403, "not-allowed"),
    (NoSuchAlarm, 404, None),
    (NoSuchIncident, 404, None),
    (NoSuchHandover, 404, None),
    (NoSuchDrill, 404, None),
    (Permanent, 409, None),
)


def problem(
    status: int, detail: str, *, kind: str | None = None, headers: Mapping[str, str] | None = None, **more: object
) -> JSONResponse:
    """Return a problem with its status, its standard title, and what to do."""
    body: dict[str, object] = {
        "type": "about:blank" if kind is None else KIND + kind,
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    return JSONResponse(body | more, status, dict(headers or {}), media_type="application/problem+json")


def of_error(error: HubwatchError) -> JSONResponse:
    """Return an error of ours as a problem; what the database says of its insides stays in the log."""
    if isinstance(error, Transient):
        _log.warning("request not answered", reason=str(error))
        words = PROVIDER_AWAY if isinstance(error, ProviderAway) else DATABASE_AWAY
        return problem(503, words, headers={"Retry-After": "5"})
    if isinstance(error, ConfigError):
        mistakes = [{"at": each.key or each.where, "message": each.message} for each in error.problems]
        return problem(422, "the file has mistakes", errors=mistakes)
    for kind, status, word in _STATUS:
        if isinstance(error, kind):
            if kind is Permanent and error.__cause__ is not None:
                break
            headers = {"Retry-After": str(int(error.wait_s) + 1)} if isinstance(error, LoginLocked) else {}
            if status == 401:
                headers["WWW-Authenticate"] = "Bearer"
            return problem(status, str(error), kind=word, headers=headers)
    return of_fault(error)


def of_fault(error: Exception) -> JSONResponse:
    """Return something that should not have happened as a problem; the log has it all."""
    _log.error("request failed", exc_info=error)
    return problem(500, "the fault has been logged")


Shown = Callable[[Request, JSONResponse, HubwatchError | None], Response]
"""Makes of a problem what its caller understands: a page, for one."""


def install(app: FastAPI, shown: Shown) -> None:
    """Let an application answer with problems only, each as `shown` makes it."""

    async def ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, HubwatchError)
        return shown(request, of_error(error), error)

    async def of_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        own = error.detail != HTTPStatus(error.status_code).phrase
        answer = problem(error.status_code, error.detail if own else "", headers=error.headers)
        return shown(request, answer, None)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return shown(request, problem(422, "the request is not what it must be", errors=_mistakes(error)), None)

    app.add_exception_handler(HubwatchError, ours)
    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(RequestValidationError, invalid)


def _mistakes(error: RequestValidationError) -> list[dict[str, str]]:
    """Name each mistake and its place; not what was given, which may be a password."""
    return [{"at": ".".join(map(str, each["loc"])), "message": each["msg"]} for each in error.errors()]
