"""Watches a hub from outside: does it work, and what does it say of itself? Uses nothing of hubwatch.

It works when readings are stored and every door that was forced has been told to the receiver, each within some
seconds. It says that all is well when the health of each of its parts answers 200.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import aiohttp
import psycopg

from hubwatch_core.concurrency import drain
from support.chaos_checker import doors_forced
from support.chaos_scene import AGENTS, PARTS, Scene

LOOK_EVERY_S = 0.5
ANSWER_S = 2.0
LATE_S = 8.0
"""A hub that works stores what comes, and tells of a forced door, within this."""


@dataclass(frozen=True)
class Look:
    """What was seen at one moment."""

    at: float
    storing: bool
    untold: int
    """Doors forced longer ago than a working hub needs, of which the receiver knows nothing."""
    unwell: tuple[str, ...]
    """Parts that do not say that all is well."""

    @property
    def works(self) -> bool:
        """Whether it does what it is there for."""
        return self.storing and not self.untold


@dataclass
class Watch:
    """All that was seen of one hub."""

    scene: Scene
    looks: list[Look] = field(default_factory=list)
    _stored: int = 0
    _grown: float = 0.0
    _forced: dict[str, float] = field(default_factory=dict)

    def told(self) -> set[str]:
        """Return the doors the receiver was told of."""
        messages = (each.message for each in list(self.scene.receiver.received))
        return {message["alarm"]["sensor"] for message in messages}

    def untold(self) -> set[str]:
        """Return the doors that were forced and of which the receiver knows nothing."""
        return doors_forced(self.scene.journal(name) for name in AGENTS) - self.told()

    def unnoticed(self, since: float, until: float, allowed_s: float) -> bool:
        """Return whether for longer than allowed the hub did not work and said that all is well."""
        deceived = 0.0
        for before, look in pairwise(self._between(since, until)):
            deceived = 0.0 if look.works or look.unwell else deceived + look.at - before.at
            if deceived > allowed_s:
                return True
        return False

    def stuck(self) -> list[str]:
        """Return what does not work now, each in words."""
        look = self.looks[-1]
        return [
            *([] if look.storing else ["nothing is stored"]),
            *([f"{look.untold} alarms are not told"] if look.untold else []),
            *(f"{part} is not well" for part in look.unwell),
        ]

    def _between(self, since: float, until: float) -> Iterable[Look]:
        return [look for look in self.looks if since <= look.at <= until]

    async def look(self, session: aiohttp.ClientSession) -> None:
        """Look once."""
        healths = await asyncio.gather(*(_is_well(session, self.scene.ports[part]) for part in PARTS))
        stored = await asyncio.to_thread(_frames, self.scene.dsn)
        now = time.monotonic()
        if stored is not None and stored > self._stored:
            self._stored, self._grown = stored, now
        for door in doors_forced(self.scene.journal(name) for name in AGENTS):
            self._forced.setdefault(door, now)
        told = self.told()
        late = sum(1 for door, since in self._forced.items() if door not in told and now - since > LATE_S)
        unwell = tuple(part for part, well in zip(PARTS, healths, strict=True) if not well)
        self.looks.append(Look(now, now - self._grown <= LATE_S, late, unwell))


@asynccontextmanager
async def watching(scene: Scene) -> AsyncIterator[Watch]:
    """Look twice a second inside the context."""
    watch = Watch(scene)

    async def run() -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_S)) as session:
            while True:
                await watch.look(session)
                await asyncio.sleep(LOOK_EVERY_S)

    task = asyncio.create_task(run())
    try:
        yield watch
    finally:
        await drain([task])


async def assert_well(scene: Scene) -> None:
    """Fail with what is wrong unless every part says that all is well; asked too often health does not answer."""
    await asyncio.sleep(0.5)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_S)) as session:
        for part in PARTS:
            async with session.get(f"http://127.0.0.1:{scene.ports[part]}/healthz") as answer:
                assert answer.status == 200, f"{part} is not well: {await answer.text()}"


async def _is_well(session: aiohttp.ClientSession, port: int) -> bool:
    try:
        async with session.get(f"http://127.0.0.1:{port}/healthz") as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


def _frames(dsn: str) -> int | None:
    """Return how many frames are stored; None while the database does not say."""
    try:
        with psycopg.connect(dsn, connect_timeout=2) as connection:
            row = connection.execute("SELECT count(*) FROM hubwatch.frames").fetchone()
    except psycopg.Error:
        return None
    return None if row is None else int(row[0])
