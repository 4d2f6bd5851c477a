"""Errors over HTTP as problem details (RFC 9457): never a stack trace, never another format."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus

import msgspec
from aiohttp import web

from hubwatch_core.logs import get_logger
from hubwatch_core.plain_text import escaped_line

_log = get_logger("http")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def problem(status: int, detail: str = "", *, headers: dict[str, str] | None = None) -> web.Response:
    """Return a response `application/problem+json` with the status, its standard title, and what to do."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": escaped_line(detail)}
    return web.Response(
        status=status, body=msgspec.json.encode(body), content_type="application/problem+json", headers=headers
    )


@web.middleware
async def as_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever goes wrong below into problem details; unexpected faults are logged here and told as 500."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
        return problem(error.status, headers=allow)
    except Exception as error:  # noqa: BLE001 - the border: the client gets no insides, the log gets them all
        _log.error("request failed", path=request.path, method=request.method, exc_info=error)
        return problem(500, "the fault has been logged")
