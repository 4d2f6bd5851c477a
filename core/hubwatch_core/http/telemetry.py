"""`/healthz` and `/metrics` of a process, over HTTP.

Listens on loopback by default; anywhere else a bearer token is demanded on every route (the configuration refuses
to do without). Every peer is rate-limited, and connections are bounded.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.typedefs import Middleware
from prometheus_client import CollectorRegistry, exposition

from hubwatch_core.condition import Condition
from hubwatch_core.config import TelemetrySection, read_secret
from hubwatch_core.errors import Permanent
from hubwatch_core.health import Health
from hubwatch_core.http.problem_details import Handler, as_problems, problem
from hubwatch_core.http.rate_limit import RateLimit
from hubwatch_core.logs import get_logger

REQUESTS_PER_SECOND = 20.0
REQUESTS_BURST = 40.0
MOST_CONNECTIONS = 50
"""Connections at a time; far more than scrapers need, far fewer than a process may open (1024 by default)."""

_log = get_logger("telemetry")


@asynccontextmanager
async def listening(
    settings: TelemetrySection, registry: CollectorRegistry, health: Health
) -> AsyncIterator[int | None]:
    """Serve `/healthz` and `/metrics` inside the context; yields the port, or None when none is configured.

    Raises Permanent when the address cannot be listened on or the token file cannot be read.
    """
    if settings.port is None:
        yield None
        return
    read_secret(settings.token, settings.token_file)
    runner = web.AppRunner(application(registry, health, settings), access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        server = await _server(runner, settings.host, settings.port)
        try:
            port: int = server.sockets[0].getsockname()[1]
            _log.info("telemetry listening", host=settings.host, port=port)
            yield port
        finally:
            server.close()  # not waited for: connections that are kept open end with the runner
    finally:
        await runner.cleanup()


async def _server(runner: web.AppRunner, host: str, port: int) -> asyncio.Server:
    """Listen with a bound on connections: what a crowd of them takes is missing to the broker and the database."""
    make = runner.server
    assert make is not None, "the runner is set up"

    def bounded() -> asyncio.BaseProtocol:
        return make() if len(make.connections) < MOST_CONNECTIONS else _Refusal()

    try:
        return await asyncio.get_running_loop().create_server(bounded, host, port, reuse_address=True)
    except OSError as error:
        reason = f"telemetry cannot listen on {host}:{port}: {error.strerror}"
        raise Permanent(f"{reason}; change telemetry.port") from None


class _Refusal(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.abort()


def application(registry: CollectorRegistry, health: Health, settings: TelemetrySection) -> web.Application:
    """Build the web application; without a token in `settings` loopback is trusted."""
    app = web.Application(middlewares=[as_problems, _limited(), _authorised(settings)])

    async def healthz(_: web.Request) -> web.Response:
        report = health.report()
        return web.json_response(report, status=200 if report["ok"] else 503)

    async def metrics(_: web.Request) -> web.Response:
        # Collecting walks /proc for the process figures: off the loop it cannot delay a poll.
        body = await asyncio.to_thread(exposition.generate_latest, registry)
        return web.Response(body=body, headers={"Content-Type": exposition.CONTENT_TYPE_LATEST})

    app.router.add_get("/healthz", healthz)
    app.router.add_get("/metrics", metrics)
    return app


def _limited() -> Middleware:
    limit = RateLimit(REQUESTS_PER_SECOND, REQUESTS_BURST)

    @web.middleware
    async def limited(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not limit.allow(request.remote or "", time.monotonic()):
            return problem(429, "too many requests", headers={"Retry-After": "1"})
        return await handler(request)

    return limited


def _authorised(settings: TelemetrySection) -> Middleware:
    unread = Condition(
        "telemetry-token", None, _log, lost="token file cannot be read, nobody is let in", back="token file read"
    )

    @web.middleware
    async def authorised(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            token = read_secret(settings.token, settings.token_file)  # at each request: it may have been changed
        except Permanent as error:
            unread.lost(str(error))
            return problem(503, "the bearer token cannot be read here")
        unread.back()
        if token is not None:
            # aiohttp hands on header bytes that are no UTF-8 as surrogates
            given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
            if not hmac.compare_digest(given, f"Bearer {token}".encode()):
                return problem(401, "send the bearer token", headers={"WWW-Authenticate": "Bearer"})
        return await handler(request)

    return authorised
