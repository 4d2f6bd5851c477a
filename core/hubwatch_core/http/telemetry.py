"""`/healthz` and `/metrics` of a process, over HTTP.

Listens on loopback by default; anywhere else a bearer token is demanded on every route (the configuration refuses
to do without), over TLS where that is configured. Every peer is rate-limited; connections are bounded, in their number
and their life; a request has no body. What is no HTTP leaves no trace in the log: nobody can fill the disk with it.
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
from hubwatch_core.config import TelemetrySection
from hubwatch_core.config.addresses import is_loopback
from hubwatch_core.errors import Permanent
from hubwatch_core.health import Health
from hubwatch_core.http.connections import LIFE_S, peer_named
from hubwatch_core.http.problem_details import Handler, as_problems, problem
from hubwatch_core.http.rate_limit import RateLimit
from hubwatch_core.http.serving import bounded_runner, serve
from hubwatch_core.http.serving_certificate import ServingCertificate
from hubwatch_core.logs import get_logger

REQUESTS_PER_SECOND = 20.0
REQUESTS_BURST = 40.0

_log = get_logger("telemetry")


@asynccontextmanager
async def listening(
    settings: TelemetrySection, registry: CollectorRegistry, health: Health, *, life_s: float = LIFE_S
) -> AsyncIterator[int | None]:
    """Serve `/healthz` and `/metrics` inside the context; yields the port, or None when none is configured.

    Raises Permanent when the address cannot be listened on or the token file cannot be read.
    """
    if settings.port is None:
        yield None
        return
    settings.given_token()
    certificate = None if settings.tls is None else ServingCertificate(settings.tls)
    runner = bounded_runner(application(registry, health, settings))
    await runner.setup()
    try:
        server = await serve(runner, "telemetry", settings.host, settings.port, certificate, life_s)
        try:
            port: int = server.sockets[0].getsockname()[1]
            _log.info("telemetry listening", host=settings.host, port=port, tls=certificate is not None)
            if certificate is None and not is_loopback(settings.host):
                _log.warning("telemetry is served in the clear, its token too; set telemetry.tls")
            yield port
        finally:
            server.close()  # not waited for: connections that are kept open end with the runner
    finally:
        await runner.cleanup()


def application(registry: CollectorRegistry, health: Health, settings: TelemetrySection) -> web.Application:
    """Build the web application; without a token in `settings` loopback is trusted."""
    app = web.Application(
        middlewares=[as_problems, _limited(), _authorised(settings), _without_body], client_max_size=1
    )
    app.on_response_prepare.append(_last)

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


async def _last(_: web.Request, response: web.StreamResponse) -> None:
    """End the connection with its answer, and do not say by what it is served."""
    response.force_close()
    response.headers["Server"] = "hubwatch"


@web.middleware
async def _without_body(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.body_exists:
        return problem(413, "a request here has no body")
    return await handler(request)


def _limited() -> Middleware:
    limit = RateLimit(REQUESTS_PER_SECOND, REQUESTS_BURST)

    @web.middleware
    async def limited(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not limit.allow(peer_named(request.remote or ""), time.monotonic()):
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
            token = settings.given_token()  # at each request: it may have been changed
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
