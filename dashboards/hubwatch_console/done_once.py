"""Acts that are done once: whoever sends one again with the same `Idempotency-Key` gets the first answer.

An answer is kept as only the holder of the token can read it: it may hold a new token, or what is stored of a person.
Decision 0111.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from fastapi import Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hubwatch_console.access import MOST_TOKEN, Parts, SignedIn
from hubwatch_console.problems import of_error, problem
from hubwatch_core.errors import HubwatchError, Transient
from hubwatch_core.logs import get_logger
from hubwatch_store.database import translated
from hubwatch_store.users import ActDone, acts_once, who

HEADER = "idempotency-key"
REPLAYED = "Idempotency-Replayed"
MOST_KEY = 200
"""Characters."""
MOST_ANSWER_BYTES = 65_536
"""A larger answer is not kept; all but what is stored of a person are far smaller."""
AT_WORK_S = 60.0
"""Twice as long as the longest statement: what has no answer by then has lost its process."""
WAITED_S, LOOK_EVERY_S = 5.0, 0.1
"""For so long the second of two who ask at once waits for what comes of the first."""
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
NONCE_BYTES = 12
OUTCOME_UNKNOWN = (
    409,
    "what came of the first request with this key is not known: look before you do it anew with another key",
    "outcome-unknown",
)
DONE_BEFORE = (
    409,
    "it is done; its answer was large, or was given to another login of yours, and is not shown again",
    "done-before",
)

_log = get_logger("console")


class DoneOnce:
    """An application whose acts are done once where whoever asks wants that."""

    def __init__(self, app: ASGIApp, parts: Parts, api: str) -> None:
        self._app, self._parts, self._api = app, parts, api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer as the first time."""
        request = Request(scope, receive) if scope["type"] == "http" else None
        if request is None or request.method in SAFE or HEADER not in request.headers or not self._is_api(scope):
            await self._app(scope, receive, send)
            return
        act: _KeyedAct | None = None
        answer: Response | None = None
        try:
            act = await self._act(request)
            if act is not None:
                answer = await self._claimed(act)
        except HTTPException as error:
            answer = problem(error.status_code, error.detail, headers=error.headers)
        except HubwatchError as error:
            answer = of_error(error)
        if answer is not None:
            await answer(scope, receive, send)
        elif act is not None:
            await self._do(act, scope, send)
        else:
            await self._app(scope, receive, send)

    def _is_api(self, scope: Scope) -> bool:
        path: str = scope["path"]
        return path.removeprefix(scope.get("root_path", "")).startswith(self._api)

    async def _act(self, request: Request) -> _KeyedAct | None:
        """Return what somebody wants done once; None where nobody is known, who is then refused as ever."""
        token, key = SignedIn().token(request), request.headers[HEADER]
        if not 0 < len(key) <= MOST_KEY or not key.isascii() or not key.isprintable():
            raise HTTPException(400, f"Idempotency-Key must be 1 to {MOST_KEY} printable ASCII characters")
        if not 0 < len(token) <= MOST_TOKEN:
            return None
        with translated():
            async with self._parts.pool.connection() as connection:
                caller = await who(connection, token)
        # Only then: a large body is read only of somebody who is logged in.
        return None if caller is None else _KeyedAct(caller.user.id, token, key, _wanted(request), await request.body())

    async def _claimed(self, act: _KeyedAct) -> Response | None:
        """Return what is answered instead; None for the one who is to do it."""
        with translated():
            async with self._parts.pool.connection() as connection, connection.transaction():
                found = await acts_once.claim(connection, act.user, act.digest, act.request)
        if found is True:
            return None
        waited = 0.0
        while isinstance(found, ActDone) and found.status is None and found.age_s < AT_WORK_S and waited < WAITED_S:
            await asyncio.sleep(LOOK_EVERY_S)
            waited += LOOK_EVERY_S
            with translated():
                async with self._parts.pool.connection() as connection:
                    found = await acts_once.one(connection, act.user, act.digest)
            if found is None:
                # Whoever did it was refused: nothing was done, and it may be tried again.
                return await self._claimed(act)
        return _again(act, found if isinstance(found, ActDone) else None)

    async def _do(self, act: _KeyedAct, scope: Scope, send: Send) -> None:
        kept = _KeptAnswer()
        await self._app(scope, act.receive, kept.send)
        try:
            with translated():
                async with self._parts.pool.connection() as connection, connection.transaction():
                    if 400 <= kept.status < 500:
                        await acts_once.release(connection, act.user, act.digest)
                    else:
                        await acts_once.finish(connection, act.user, act.digest, kept.status, act.sealed(kept))
        except HubwatchError as error:
            # It is done: that its answer is not kept changes nothing for whoever hears it.
            _log.warning("answer of an act not kept", reason=str(error), transient=isinstance(error, Transient))
        for message in kept.messages:
            await send(message)


@dataclass(slots=True)
class _KeptAnswer:
    """Holds an answer until what came of the act is kept."""

    messages: list[Message] = field(default_factory=list)

    async def send(self, message: Message) -> None:
        self.messages.append(message)

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"]) if self.messages else 500

    @property
    def text(self) -> bytes:
        """Return its type, and after a line its body."""
        kind = next((value for name, value in self.messages[0]["headers"] if name.lower() == b"content-type"), b"")
        return bytes(kind) + b"\n" + b"".join(each.get("body", b"") for each in self.messages[1:])


@dataclass(slots=True)
class _KeyedAct:
    """What somebody wants done once."""

    user: int
    token: str
    key: str
    wanted: bytes
    body: bytes

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(self.key.encode()).digest()

    @property
    def request(self) -> bytes:
        return hashlib.sha256(self.wanted + b"\0" + self.body).digest()

    async def receive(self) -> Message:
        return {"type": "http.request", "body": self.body, "more_body": False}

    def sealed(self, kept: _KeptAnswer) -> bytes | None:
        """Return an answer as only the holder of the token can read it; None for one that is too large."""
        text = kept.text
        if kept.status >= 500 or len(text) > MOST_ANSWER_BYTES:
            return None
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher().encrypt(nonce, text, self.request)

    def opened(self, answer: bytes) -> tuple[str, bytes] | None:
        """Return type and body of a kept answer; None where it was given to another token."""
        try:
            text = self._cipher().decrypt(answer[:NONCE_BYTES], answer[NONCE_BYTES:], self.request)
        except InvalidTag:
            return None
        kind, _, body = text.partition(b"\n")
        return kind.decode("latin-1"), body

    def _cipher(self) -> AESGCM:
        return AESGCM(hmac.new(self.token.encode(), b"hubwatch answer\0" + self.key.encode(), hashlib.sha256).digest())


def _wanted(request: Request) -> bytes:
    return f"{request.method} {request.url.path}?{request.url.query}".encode()


def _again(act: _KeyedAct, found: ActDone | None) -> Response:
    """Return the first answer, or why there is none."""
    refusal = _refusal(act, found)
    if refusal is not None or found is None or found.status is None:
        return refusal or _refused(*OUTCOME_UNKNOWN)
    opened = ("", b"") if found.status == 204 else None if found.answer is None else act.opened(found.answer)
    if opened is None:
        return _refused(*DONE_BEFORE)
    headers = {"Content-Type": opened[0]} if opened[0] else {}
    return Response(opened[1], found.status, headers | {REPLAYED: "true"})


def _refusal(act: _KeyedAct, found: ActDone | None) -> Response | None:
    if found is None:
        return _refused(
            429, f"you have sent {acts_once.MOST_KEPT} keys within a day, which is as many as are kept: leave it out"
        )
    if found.request != act.request:
        return _refused(422, "this key was sent with another request: send another key", "key-used")
    if found.status is None and found.age_s < AT_WORK_S:
        return _refused(409, "the first request with this key is still at work: ask again", "at-work")
    if found.status is None or found.status >= 500:
        return _refused(*OUTCOME_UNKNOWN)
    return None


def _refused(status: int, detail: str, kind: str | None = None) -> JSONResponse:
    headers = {"Retry-After": "1"} if kind == "at-work" else {}
    return problem(status, detail, kind=kind, headers=headers)
