"""Runs the API: the first administrator, the server, and what is forgotten from time to time."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator, Sequence

import uvicorn

from hubwatch_alarms.instructions import Instructions
from hubwatch_console.app import application
from hubwatch_console.settings import UNSEALED, ConsoleSettings
from hubwatch_core.config.addresses import with_port
from hubwatch_core.errors import Permanent, Transient
from hubwatch_core.http.serving_certificate import ServingCertificate
from hubwatch_core.logs import get_logger
from hubwatch_core.permission import Actor
from hubwatch_core.process import Context, Part
from hubwatch_core.terminal import say
from hubwatch_store import login
from hubwatch_store.database import Pool, open_pool
from hubwatch_store.users import approvals, forget_old

KEEP_UP_EVERY_S = 300.0
"""An act that nobody decided is over by then, and so is the alarm that told of it."""
LOOK_EVERY_S = 5.0
"""How soon a certificate that was renewed is served."""
HEADERS_WITHIN_S = 10
MOST_HEADER_BYTES = 16_384
FIRST_START = Actor("first start", verified=False)

_log = get_logger("console")


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: the process has one for all parts."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def parts(settings: ConsoleSettings, context: Context) -> Sequence[Part]:
    """Return what a console consists of."""
    certificate_of(settings)
    listener = bound(settings)
    return [Part("api", lambda stop: serve_api(settings, context, listener, stop))]


def bound(settings: ConsoleSettings) -> socket.socket:
    """Listen where the settings say; raises Permanent."""
    host, port = settings.api.host, settings.api.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=256)
    except OSError as error:
        reason = f"the API cannot listen on {with_port(host, port)}: {error.strerror}"
        raise Permanent(f"{reason}; change api.host or api.port") from None


async def serve_api(settings: ConsoleSettings, context: Context, listener: socket.socket, stop: asyncio.Event) -> None:
    """Serve the API on a socket until `stop` is set."""
    with listener:
        async with open_pool(settings.database, "hubwatch console") as pool:
            await _welcome(pool, settings, stop)
            if stop.is_set():
                return
            certificate = certificate_of(settings)
            server = _Server(_config(settings, pool, certificate))
            task = asyncio.create_task(server.serve(sockets=[listener]))
            beside = [asyncio.create_task(_keep_up(pool, settings))]
            if certificate is not None:
                beside.append(asyncio.create_task(_follow(certificate)))
            port = listener.getsockname()[1]
            _log.info("api listening", host=settings.api.host, port=port, tls=certificate is not None)
            try:
                await _either(stop, task)
            finally:
                for each in beside:
                    each.cancel()
                server.should_exit = True
                await task
                await asyncio.gather(*beside, return_exceptions=True)


def certificate_of(settings: ConsoleSettings) -> ServingCertificate | None:
    """Return what the API serves with, None without TLS. Raises Permanent when its files cannot be used."""
    tls = settings.api.tls
    return None if tls is None else ServingCertificate(tls, "api")


def _config(settings: ConsoleSettings, pool: Pool, certificate: ServingCertificate | None) -> uvicorn.Config:
    api = settings.api
    config = uvicorn.Config(
        application(settings, pool, Instructions.load(settings.instructions_file)),
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=False,
        http="h11",
        ws="none",
        loop="none",
        limit_concurrency=api.max_connections,
        timeout_keep_alive=HEADERS_WITHIN_S,
        timeout_graceful_shutdown=5,
        h11_max_incomplete_event_size=MOST_HEADER_BYTES,
    )
    config.load()
    # Its own would take any cipher of OpenSSL, and keep the certificate that it began with.
    config.ssl = None if certificate is None else certificate.context
    return config


async def _welcome(pool: Pool, settings: ConsoleSettings, stop: asyncio.Event) -> None:
    """Make the first administrator, as soon as the database is there."""
    while not stop.is_set():
        try:
            password = await login.first_administrator(pool, FIRST_START)
        except Transient as error:
            _log.warning("database away, api not started yet", reason=str(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(settings.database.max_retry_s):
                    await stop.wait()
            continue
        if password is not None:
            # Printed once, and to the terminal: a log is read by more people than the one who starts a hub.
            say(
                f"hubwatch console: there was no user. {login.FIRST_ADMINISTRATOR!r} is made; log in within a day with "
                f"the one-time password {password}",
                err=True,
            )
        return


async def _keep_up(pool: Pool, settings: ConsoleSettings) -> None:
    """Forget what is old, end what nobody decided, and keep second factors under today's key."""
    if settings.login.second_factor_key_file is None:
        _log.warning(UNSEALED)
    lost = 0
    while True:
        try:
            lost = _told(await login.take_over(pool, settings.login), lost)
            await login.forget_old(pool)
            async with pool.connection() as connection:
                await forget_old(connection)
                async with connection.transaction():
                    await approvals.end_due(connection)
        except (Transient, Permanent) as error:
            _log.warning("what is old could not be dealt with", reason=str(error))
        await asyncio.sleep(KEEP_UP_EVERY_S)


def _told(done: login.TakenOver, former: int) -> int:
    """Say what became of second factors, where it is another thing than before; return how many no key opens."""
    if done.sealed:
        _log.info("second factors are kept under another key now", users=done.sealed)
    if done.lost > former:
        _log.error("second factors that no key opens: users reset lets their owners set up others", users=done.lost)
    return done.lost


async def _follow(certificate: ServingCertificate) -> None:
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        certificate.refresh()


async def _either(stop: asyncio.Event, task: asyncio.Task[None]) -> None:
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({stopping, task}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
