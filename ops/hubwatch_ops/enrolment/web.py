"""Enrolment over HTTPS. Strangers reach it, so each request is small, rare and told little."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import msgspec
from aiohttp import web
from aiohttp.typedefs import Middleware

from hubwatch_core.enrolment import (
    MAX_BYTES,
    PATH,
    EnrolmentRequest,
    RenewalDue,
    RenewalQuestion,
    RenewalRequest,
)
from hubwatch_core.errors import HubwatchError, Transient
from hubwatch_core.http.connections import peer_named
from hubwatch_core.http.problem_details import Handler, as_problems, problem
from hubwatch_core.http.rate_limit import RateLimit
from hubwatch_core.http.serving import bounded_runner, serve
from hubwatch_core.http.serving_certificate import ServingCertificate
from hubwatch_core.logs import get_logger
from hubwatch_ops.enrolment.register import Register
from hubwatch_ops.enrolment.settings import EnrolmentSection
from hubwatch_store.database import DatabaseConnection, Pool
from hubwatch_store.enrolment import KeyRefused, TokenRefused, is_due

PEER_PER_S, PEER_BURST = 0.5, 20.0
ALL_PER_S, ALL_BURST = 10.0, 100.0
"""A token has 256 random bits: limits keep guessing and noise away from the database, not from success."""
BODY_WITHIN_S = 10.0

_log = get_logger("enrolment")
R = TypeVar("R", bound=msgspec.Struct)
Work = Callable[[DatabaseConnection, R, str], Awaitable[msgspec.Struct]]


@asynccontextmanager
async def listening(
    settings: EnrolmentSection, register: Register, pool: Pool, changed: asyncio.Event
) -> AsyncIterator[int]:
    """Serve enrolment inside the context; yields the port. `changed` is set when an agent got a certificate.

    Raises Permanent when the address cannot be listened on or the certificate cannot be used.
    """
    certificate = certificate_of(settings)
    runner = bounded_runner(application(register, pool, changed))
    await runner.setup()
    try:
        server = await serve(runner, "enrolment", settings.host, settings.port, certificate)
        try:
            port: int = server.sockets[0].getsockname()[1]
            _log.info("enrolment listening", host=settings.host, port=port)
            yield port
        finally:
            server.close()
    finally:
        await runner.cleanup()


def certificate_of(settings: EnrolmentSection) -> ServingCertificate:
    """Return what we serve with. Raises Permanent when certificate or key cannot be used."""
    return ServingCertificate(settings.tls, "enrolment")


def application(register: Register, pool: Pool, changed: asyncio.Event) -> web.Application:
    """Build the web application."""
    app = web.Application(middlewares=[as_problems, _limited(), _told], client_max_size=MAX_BYTES)

    async def ca(_: web.Request) -> web.Response:
        return web.Response(text=register.ca, content_type="application/x-pem-file")

    async def enrol(connection: DatabaseConnection, asked: EnrolmentRequest, peer: str) -> msgspec.Struct:
        answer = await register.enrol(connection, asked, peer)
        _log.info("agent enrolled", hub=answer.hub, agent=answer.agent, serial=answer.serial, peer=peer)
        changed.set()
        return answer

    async def renew(connection: DatabaseConnection, asked: RenewalRequest, peer: str) -> msgspec.Struct:
        answer = await register.renew(connection, asked)
        _log.info("key of agent renewed", hub=answer.hub, agent=answer.agent, serial=answer.serial, peer=peer)
        changed.set()
        return answer

    async def due(connection: DatabaseConnection, asked: RenewalQuestion, _: str) -> msgspec.Struct:
        return RenewalDue(await is_due(connection, asked.serial))

    app.router.add_get(f"{PATH}/ca", ca)
    app.router.add_post(f"{PATH}/enrol", _answering(pool, EnrolmentRequest, enrol))
    app.router.add_post(f"{PATH}/renew", _answering(pool, RenewalRequest, renew))
    app.router.add_post(f"{PATH}/due", _answering(pool, RenewalQuestion, due))
    return app


def _answering(pool: Pool, kind: type[R], work: Work[R]) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        try:
            async with asyncio.timeout(BODY_WITHIN_S):
                body = await request.read()
            asked = msgspec.json.decode(body, type=kind)
        except (msgspec.DecodeError, TimeoutError):
            return problem(400, "this is no request that is understood here")
        async with pool.connection() as connection:
            answer = await work(connection, asked, request.remote or "")
        return web.Response(body=msgspec.json.encode(answer), content_type="application/json")

    return handler


def _limited() -> Middleware:
    peers, all_ = RateLimit(PEER_PER_S, PEER_BURST), RateLimit(ALL_PER_S, ALL_BURST)

    @web.middleware
    async def limited(request: web.Request, handler: Handler) -> web.StreamResponse:
        now = time.monotonic()
        if not (peers.allow(peer_named(request.remote or ""), now) and all_.allow("", now)):
            return problem(429, "too many requests", headers={"Retry-After": "5"})
        return await handler(request)

    return limited


@web.middleware
async def _told(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except (KeyRefused, TokenRefused) as error:
        _log.warning("enrolment refused", peer=request.remote, path=request.path, reason=str(error))
        return problem(403, str(error))
    except Transient as error:
        _log.warning("enrolment cannot answer now", reason=str(error))
        return problem(503, "the hub cannot answer now: try again", headers={"Retry-After": "5"})
    except HubwatchError as error:
        _log.error("enrolment failed", reason=str(error))
        return problem(500, "the fault has been logged")
