"""A receiver of webhooks on a real HTTP server, that fails in the ways receivers fail."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from support.alarms_until import until


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came: headers, body, path, and the monotonic time."""

    headers: dict[str, str]
    body: bytes
    path: str
    at: float

    @property
    def id(self) -> str:
        """Return the message's id."""
        return self.headers["X-Hubwatch-Id"]

    @property
    def message(self) -> Any:
        """Return the decoded body."""
        return json.loads(self.body)


Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Receiver:
    """Answers each request with the next of `script`, and with 204 when the script is over."""

    script: list[Answer] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        """Where to POST to."""
        return f"http://127.0.0.1:{self.port}/hook"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Keep the request and answer as the script says."""
        body = await request.read()
        self.received.append(Received(dict(request.headers), body, request.path, time.monotonic()))
        answer = self.script.pop(0) if self.script else status(204)
        return await answer(request)

    async def wait_for(self, count: int, timeout_s: float = 20) -> list[Received]:
        """Wait until `count` requests have come; fails after `timeout_s`."""
        await until(lambda: len(self.received) >= count, timeout_s)
        return self.received


@asynccontextmanager
async def receiving(*script: Answer, port: int = 0) -> AsyncIterator[Receiver]:
    """Listen on loopback and give the receiver."""
    receiver = Receiver(list(script))
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", receiver.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        receiver.port = runner.addresses[0][1]
        yield receiver
    finally:
        await runner.cleanup()


def status(code: int, **headers: str) -> Answer:
    """Answer with a status and headers (`retry_after="2"` becomes Retry-After)."""

    async def answer(_: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-").title(): value for name, value in headers.items()}
        return web.Response(status=code, headers=named, text="you must not believe me")

    return answer


def hang(seconds: float = 60) -> Answer:
    """Take the request and never answer."""

    async def answer(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return web.Response(status=204)

    return answer


def cut() -> Answer:
    """Cut the connection instead of answering."""

    async def answer(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response(status=204)

    return answer


def endless_body() -> Answer:
    """Answer 200 with a body that does not end."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=200)
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 65536)
        except ConnectionError:
            return response

    return answer


@asynccontextmanager
async def speaking(answer: bytes) -> AsyncIterator[str]:
    """Answer every connection with the same bytes, whatever they are; gives where to POST to."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(answer)
        with contextlib.suppress(OSError):
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
