"""Follows what is in force at each hub, for processes that go on while it changes: site, cardholders, level."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from hubwatch_core.errors import ConfigError
from hubwatch_core.logs import get_logger
from hubwatch_site import Cardholder, HubSite, parse_site
from hubwatch_store.database import Pool, translated
from hubwatch_store.database.sql_files import queries
from hubwatch_store.site.cardholders import people_of

ASK_EVERY_S = 30.0
"""How often the database is asked without being told. NOTIFY is at once, but one that is lost must not matter."""

_log = get_logger("site")


class _Standing(NamedTuple):
    """What is in force at a hub: the numbers of its site and of its list of cardholders (0: none), and its level."""

    site: int = 0
    people: int = 0
    level: int = 1


class Sites:
    """What is in force at some hubs, or at all when none is named, as it was when last looked at."""

    def __init__(self, hubs: Sequence[str] = (), *, with_people: bool = False) -> None:
        self.of: dict[str, HubSite] = {}
        """By hub: the newest version that can be read."""
        self.unreadable: dict[str, str] = {}
        """By hub, why the version in force cannot be read; the one before it that can be is used."""
        self.people: dict[str, dict[str, Cardholder]] = {}
        """By hub and pseudonym."""
        self.levels: dict[str, int] = {}
        """By hub: the security level."""
        self._hubs, self._with_people = list(hubs), with_people
        self._read: dict[str, int] = {}
        """By hub: the number of the version in `of`."""
        self._seen: dict[str, _Standing] = {}
        self._news: set[str] = set()
        """Read and not yet returned: the database may be lost between two hubs."""

    def __str__(self) -> str:
        """Return which version of which hub is used."""
        return ", ".join(f"{hub} version {number}" for hub, number in sorted(self._read.items())) or "no hub has a site"

    async def look(self, pool: Pool) -> frozenset[str]:
        """Read what is another than last time; return the hubs of which that is so. Raises Transient or Permanent."""
        for hub, now in sorted((await self._standing(pool)).items()):
            if await self._take(pool, hub, now):
                self._news.add(hub)
        news, self._news = self._news, set()
        return frozenset(news)

    async def _standing(self, pool: Pool) -> dict[str, _Standing]:
        with translated():
            async with pool.connection() as connection:
                cursor = await connection.execute(queries("site")["standing"], {"hubs": self._hubs or None})
                rows: list[tuple[Any, ...]] = await cursor.fetchall()
        return {row[0]: _Standing(*row[1:]) for row in rows}

    async def _take(self, pool: Pool, hub: str, now: _Standing) -> bool:
        """Take up what is another at one hub; False when that is nothing."""
        before = self._seen.get(hub, _Standing())
        changed = now.level != before.level
        if now.site != before.site:
            changed |= await self._read_site(pool, hub, now.site)
        if self._with_people and now.people != before.people:
            self.people[hub] = await people_of(pool, hub)
            changed = True
        self.levels[hub], self._seen[hub] = now.level, now
        return changed

    async def _read_site(self, pool: Pool, hub: str, number: int) -> bool:
        """Read the newest version that can be read; False when that is the one there is already."""
        self.unreadable.pop(hub, None)
        before = self._read.get(hub)
        found = await self._up_to(pool, hub, number)
        while found is not None and found[0] != before and not await self._parsed(hub, *found):
            found = await self._up_to(pool, hub, found[0] - 1)
        return self._read.get(hub) != before

    async def _up_to(self, pool: Pool, hub: str, number: int) -> tuple[int, str] | None:
        """Return the newest version up to a number, and its file."""
        with translated():
            async with pool.connection() as connection:
                cursor = await connection.execute(queries("site")["up_to"], {"hub": hub, "version": number})
                row: tuple[Any, ...] | None = await cursor.fetchone()
        return None if row is None else (row[0], row[1])

    async def _parsed(self, hub: str, number: int, text: str) -> bool:
        try:
            # A large file takes long enough to keep frames waiting.
            self.of[hub] = await asyncio.to_thread(parse_site, text, f"version {number}")
        except ConfigError as error:
            self.unreadable.setdefault(hub, f"version {number} of the site of hub {hub} cannot be read: {error}"[:1000])
            _log.error("site cannot be read; the version before is used", hub=hub, version=number, reason=str(error))
            return False
        self._read[hub] = number
        return True
