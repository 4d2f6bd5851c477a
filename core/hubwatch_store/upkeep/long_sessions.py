"""Sessions that go on beyond the limits of their role are ended: PostgreSQL lets every session lift its own.

Every collector looks; of several at a time one ends. What was ended is in the log, in the journal and counted.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from prometheus_client import Counter

from hubwatch_core.concurrency import wait_for_event
from hubwatch_core.condition import Condition
from hubwatch_core.errors import HubwatchError
from hubwatch_core.logs import get_logger
from hubwatch_core.process import Context, Part
from hubwatch_store.audit import journal
from hubwatch_store.database import DatabaseConnection, DatabaseSection, connect, hang_up, translated
from hubwatch_store.database.rows import fetch

LOOK_EVERY_S = 10.0
WITHIN_S = 180.0
"""A look is two statements, each of which may take a minute, and a connect."""
NAME = "hubwatch sessions"

_log = get_logger("sessions")


@dataclass(frozen=True, slots=True)
class EndedSession:
    """A session that was ended because its statement or its transaction (`what`) took longer than `most_s`."""

    login: str
    pid: int
    what: str
    took_s: float
    most_s: float


async def end_long_sessions(connection: DatabaseConnection) -> list[EndedSession]:
    """End the sessions of this database that are beyond the limits of their role, journal and return them.

    Where no roles are applied there are no limits. None is ended while another process is at it.
    Raises Permanent when this login may not, Transient when the database is away.
    """
    with translated():
        async with connection.transaction():
            (mine,) = await fetch(connection, "maintenance", "try_lock_sessions")
            if not mine["mine"]:
                return []
            ended = [EndedSession(**row) for row in await fetch(connection, "maintenance", "end_long_sessions")]
            for each in ended:
                _log.warning("session ended, it went on beyond the limit of its role", login=each.login, pid=each.pid,
                             what=each.what, took_s=round(each.took_s, 1), most_s=each.most_s)  # fmt: skip
                details = {"pid": each.pid, "what": each.what, "took_s": round(each.took_s, 1), "most_s": each.most_s}
                await journal(connection, "session.ended", who="system", subject=each.login, details=details)
    return ended


def part(settings: DatabaseSection, context: Context) -> Part:
    """Return the part that does so while its process runs."""
    return Part("sessions", _LongSessions(settings, context).run)


class _LongSessions:
    def __init__(self, settings: DatabaseSection, context: Context) -> None:
        self._settings = settings
        self._looking = Condition(
            "sessions", context.health, _log, lost="long sessions are not ended", back="long sessions are ended again"
        )
        self._health = context.health
        context.health.expect("sessions", WITHIN_S)
        self._ended = Counter(
            "hubwatch_store_ended_sessions",
            "Database sessions ended because they went on beyond the limit of their role",
            ["what"],
            registry=context.registry,
        )
        for what in ("statement", "transaction"):
            self._ended.labels(what)

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                await self._look(stop)
                if not stop.is_set():
                    self._looking.back()
                    self._health.did("sessions")
            except HubwatchError as error:
                if not stop.is_set():
                    self._looking.lost(str(error))
            await wait_for_event(stop, LOOK_EVERY_S)

    async def _look(self, stop: asyncio.Event) -> None:
        async def look() -> None:
            connection = await connect(self._settings, NAME)
            opened.append(connection)
            for each in await end_long_sessions(connection):
                self._ended.labels(each.what).inc()

        opened: list[DatabaseConnection] = []
        looking = asyncio.create_task(look())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([looking, stopping], return_when=asyncio.FIRST_COMPLETED)
            if looking.done():
                await looking
        finally:
            stopping.cancel()
            if not looking.done():  # a server that is silent must keep nobody
                for connection in opened:
                    hang_up(connection)
                looking.cancel()
                await asyncio.wait([looking], timeout=1)
            for connection in opened:
                await connection.close()
