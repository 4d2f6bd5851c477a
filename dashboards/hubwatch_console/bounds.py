"""What every request passes before anything reads it: how many an address makes, how large one is, no fault shown."""

from __future__ import annotations

import time
from collections.abc import MutableMapping, Sequence
from typing import Any

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hubwatch_console.problems import of_fault, problem
from hubwatch_console.settings import ApiSection
from hubwatch_core.http import RateLimit

SITE_PATH = "/site"
"""Below it a request may be as large as the file of a site."""
CARDHOLDERS_PATH = "/cardholders"
"""And below this one as a list of everybody with a badge."""

_HEADERS = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)


STRICT = (b"strict-transport-security", b"max-age=31536000")
"""Over TLS: a browser that was here once comes by TLS only, for a year (RFC 6797)."""


class TooLarge(HTTPException):
    """A body is larger than is taken; as an answer of the web framework's, because that hides every other error."""

    def __init__(self, most: int) -> None:
        super().__init__(413, f"a request may have at most {most} bytes", {"Connection": "close"})


class RequestBounds:
    """An application inside its limits."""

    def __init__(self, app: ASGIApp, settings: ApiSection) -> None:
        self._app, self._settings = app, settings
        self._headers = _HEADERS if settings.tls is None else (*_HEADERS, STRICT)
        self._limit = RateLimit(settings.requests_per_s, settings.requests_burst, max_keys=10_000)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on when it keeps within the limits."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # Below it everything is found, whether a proxy has taken it away or not.
        scope = {**scope, "root_path": self._settings.path_prefix}
        answering = _Answering(send, self._headers)
        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, answering.send)
            return
        body = _Body(receive, self._most(scope))
        try:
            await self._app(scope, body.receive, answering.send)
        except Exception as error:  # noqa: BLE001 - the border: the client gets no insides, the log gets them all
            await self._end(of_fault(error), scope, receive, answering)

    async def _end(self, response: ASGIApp, scope: Scope, receive: Receive, answering: _Answering) -> None:
        if not answering.begun:
            await response(scope, receive, answering.send)

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        if not self._limit.allow(address_of(scope), time.monotonic()):
            return problem(429, "too many requests from this address", headers={"Retry-After": "1"})
        lengths = [value for name, value in scope["headers"] if name == b"content-length"]
        if lengths and lengths[0].isdigit() and int(lengths[0][:19]) > self._most(scope):
            error = TooLarge(self._most(scope))
            return problem(error.status_code, error.detail, headers=error.headers)
        return None

    def _most(self, scope: Scope) -> int:
        if scope["path"].endswith(SITE_PATH):
            return self._settings.max_site_bytes
        if scope["path"].endswith(CARDHOLDERS_PATH):
            return self._settings.max_cardholders_bytes
        return self._settings.max_body_bytes


def address_of(scope: MutableMapping[str, Any]) -> str:
    """Return the address a request comes from."""
    client = scope.get("client")
    return str(client[0]) if client else "unknown"


class _Body:
    """Counts a body that says no length, or another than it has."""

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive, self._most, self._left = receive, most, most

    async def receive(self) -> Message:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise TooLarge(self._most)
        return message


class _Answering:
    """Sends answers with the headers that all have, and knows whether one has begun."""

    def __init__(self, send: Send, headers: Sequence[tuple[bytes, bytes]]) -> None:
        self._send, self._headers, self.begun = send, headers, False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            own = {name.lower() for name, _ in message["headers"]}
            further = [each for each in self._headers if each[0] not in own]
            message = {**message, "headers": [*message["headers"], *further]}
        await self._send(message)
