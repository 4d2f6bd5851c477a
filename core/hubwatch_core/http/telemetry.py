"""`/healthz` and `/metrics` of a process, over HTTP.

Listens on loopback by default; anywhere else a bearer token is demanded on every route (the configuration refuses
to do without), over TLS where that is configured. Every peer is rate-limited; connections are bounded, in their number
and their life; a request has no body. What is no HTTP leaves no trace in the log: nobody can fill the disk with it.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware
from prometheus_client import CollectorRegistry, exposition

from hubwatch_core.condition import Condition
from hubwatch_core.config import TelemetrySection
from hubwatch_core.config.addresses import is_loopback
from hubwatch_core.errors import Permanent
from hubwatch_core.health import Health
from hubwatch_core.http.connections import LIFE_S, Connections, MakeProtocol
from hubwatch_core.http.problem_details import Handler, as_problems, problem
from hubwatch_core.http.rate_limit import RateLimit
from hubwatch_core.http.serving_certificate import ServingCertificate
from hubwatch_core.logs import get_logger

REQUESTS_PER_SECOND = 20.0
REQUESTS_BURST = 40.0
MAX_LINE = 2048
MAX_HEADER = 4096
"""Bytes of a request's first line, and of one header."""
HANDSHAKE_S = 5.0

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
    runner = web.AppRunner(
        application(registry, health, settings),
        access_log=None,
        logger=_unheard(),
        shutdown_timeout=1,
        lingering_time=0,
        max_line_size=MAX_LINE,
        max_field_size=MAX_HEADER,
    )
    await runner.setup()
    try:
        bounded = Connections(_made_by(runner), life_s=life_s)
        server = await _server(bounded, settings.host, settings.port, certificate)
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


async def _server(bounded: Connections, host: str, port: int, certificate: ServingCertificate | None) -> asyncio.Server:
    """Listen with a bound on connections: what a crowd of them takes is missing to the broker and the database."""

    def following() -> asyncio.Protocol:
        if certificate is not None:
            certificate.refresh()
        return bounded()

    tls: dict[str, Any] = {}
    if certificate is not None:
        tls = {"ssl": certificate.context, "ssl_handshake_timeout": HANDSHAKE_S, "ssl_shutdown_timeout": 1.0}
    try:
        return await asyncio.get_running_loop().create_server(following, host, port, reuse_address=True, **tls)
    except OSError as error:
        reason = f"telemetry cannot listen on {host}:{port}: {error.strerror}"
        raise Permanent(f"{reason}; change telemetry.port") from None


def _made_by(runner: web.AppRunner) -> MakeProtocol:
    assert runner.server is not None, "the runner is set up"
    return runner.server


def _unheard() -> logging.Logger:
    """Return a logger for what aiohttp says of requests that are no HTTP: a traceback each, at a stranger's will."""
    logger = logging.getLogger("hubwatch.telemetry.unheard")
    logger.propagate = False
    logger.handlers = [logging.NullHandler()]
    return logger


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
