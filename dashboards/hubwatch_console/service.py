"""Runs the API: the first administrator, the server, and what is forgotten from time to time."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Sequence

from hubwatch_alarms.instructions import Instructions
from hubwatch_console.app import application
from hubwatch_console.feed import AlarmFeed
from hubwatch_console.server import ApiServer, bound
from hubwatch_console.settings import UNSEALED, ConsoleSettings
from hubwatch_core.concurrency import drain, raise_first
from hubwatch_core.condition import Condition
from hubwatch_core.errors import Permanent, Transient
from hubwatch_core.health import Health
from hubwatch_core.logs import get_logger
from hubwatch_core.permission import Actor
from hubwatch_core.process import Context, Part
from hubwatch_core.terminal import say
from hubwatch_store import login
from hubwatch_store.database import Pool, open_pool, translated
from hubwatch_store.users import acts_once, approvals, forget_old

CHECK = "console"
KEEP_UP_EVERY_S = 300.0
"""An act that nobody decided is over by then, and so is the alarm that told of it."""
LOOK_EVERY_S = 10.0
LOOKED_WITHIN_S = 60.0
"""All connections may be taken for a while, each for at most the longest statement."""
FIRST_START = Actor("first start", verified=False)

_log = get_logger("console")


def parts(settings: ConsoleSettings, context: Context) -> Sequence[Part]:
    """Return what a console consists of."""
    return [Part("api", lambda stop: serve_api(settings, context, bound(settings), stop))]


async def serve_api(settings: ConsoleSettings, context: Context, listener: socket.socket, stop: asyncio.Event) -> None:
    """Serve the API on a socket until `stop` is set."""
    with listener:
        async with open_pool(settings.database, "hubwatch console") as pool:
            database = Condition(CHECK, context.health, _log, lost="database away", back="database back")
            await _welcome(pool, settings, database, stop)
            if stop.is_set():
                return
            feed = AlarmFeed(settings.database, pool)
            app = application(settings, pool, Instructions.load(settings.instructions_file), feed)
            server = ApiServer(app, settings.api, context.registry)
            following = asyncio.create_task(feed.run())
            task = asyncio.create_task(server.serve(sockets=[listener]))
            beside = [
                asyncio.create_task(each) for each in (_keep_up(pool, settings), _look(pool, context.health, database))
            ]
            port = listener.getsockname()[1]
            secure = settings.api.cert_file is not None
            _log.info("api listening", host=settings.api.host, port=port, tls=secure)
            try:
                await _either(stop, task, following)
            finally:
                context.health.expect_no_more(CHECK)
                for each in beside:
                    each.cancel()
                # What pages follow ends, or the server would wait for it.
                feed.end()
                server.should_exit = True
                await task
                await drain([following])
                await asyncio.gather(*beside, return_exceptions=True)
            raise_first([following])


async def _welcome(pool: Pool, settings: ConsoleSettings, database: Condition, stop: asyncio.Event) -> None:
    """Make the first administrator, as soon as the database is there; nobody is listened to before."""
    while not stop.is_set():
        try:
            password = await login.first_administrator(pool, FIRST_START)
        except Transient as error:
            database.lost(str(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(settings.database.max_retry_s):
                    await stop.wait()
            continue
        database.back()
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
            await login.forget_old(pool)
            async with pool.connection() as connection:
                await forget_old(connection)
                with translated():
                    await acts_once.forget(connection)
                async with connection.transaction():
                    await approvals.end_due(connection)
        except (Transient, Permanent) as error:
            _log.warning("what is old could not be dealt with", reason=str(error))
        try:
            lost = _told(await login.take_over(pool, settings.login), lost)
        except (Transient, Permanent) as error:
            _log.warning("second factors could not be brought under today's key", reason=str(error))
        await asyncio.sleep(KEEP_UP_EVERY_S)


def _told(done: login.TakenOver, former: int) -> int:
    """Say what became of second factors, where it is another thing than before; return how many no key opens."""
    if done.sealed:
        _log.info("second factors are kept under another key now", users=done.sealed)
    if done.lost > former:
        _log.error("second factors that no key opens: users reset lets their owners set up others", users=done.lost)
    return done.lost


async def _look(pool: Pool, health: Health, database: Condition) -> None:
    """Ask the database now and then: an API that can answer nobody must not look well."""
    health.expect(CHECK, LOOKED_WITHIN_S)
    while True:
        try:
            async with pool.connection() as connection:
                await connection.execute("SELECT 1")
            database.back()
            health.did(CHECK)
        except (Transient, Permanent) as error:
            database.lost(str(error))
        await asyncio.sleep(LOOK_EVERY_S)


async def _either(stop: asyncio.Event, *tasks: asyncio.Task[None]) -> None:
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
