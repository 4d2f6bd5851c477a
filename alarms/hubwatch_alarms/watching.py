"""What changes among open alarms while somebody watches, and how old what they see is.

Where it comes from is asked again and again; the database also says when there is news. An alarm that opens and closes
between two looks is not seen here: `hubwatch alarms list --all` and its journal have it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol

from hubwatch_alarms import views
from hubwatch_alarms.logged_in import MOST_LISTED, alarms_query
from hubwatch_alarms.settings import CommandSettings
from hubwatch_alarms.views import AlarmList
from hubwatch_core.alarm import Alarm
from hubwatch_core.clock import SECOND_US, now_us
from hubwatch_core.concurrency import wait_for_event
from hubwatch_core.credentials.kept_login import KeptLogin
from hubwatch_core.errors import Permanent, Transient
from hubwatch_core.http.logged_in import LoggedIn
from hubwatch_core.words import AlarmState
from hubwatch_store.database import Pool, listen, open_pool, translated

LOOK_EVERY_S = 2.0
"""How often it is looked without news: what is shown is never older than that while its source is there."""
PAUSE_S = 0.3
"""The least time between two looks: in a flood a look shows many changes."""
STALE_AFTER_S = 3 * LOOK_EVERY_S
"""So old is nothing that was looked at in time, though the source may not have said that it is lost."""


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to an alarm since the look before: `open` (at the first look), `new`, `acknowledged`, `closed` or
    `changed`.
    """

    what: str
    alarm: Alarm


@dataclass
class Watched:
    """What was seen last, and since when the source is lost."""

    found: AlarmList = field(default_factory=lambda: AlarmList((), {}, 0))
    seen: int | None = None
    """When (µs)."""
    lost: str | None = None
    """Why there is nothing newer."""

    def look(self, found: AlarmList, now: int) -> list[Change]:
        """Take what is open now; return what has changed."""
        first, before = self.seen is None, {alarm.id: alarm for alarm in self.found.alarms}
        changes = [
            Change("open" if first else what, alarm)
            for alarm in found.alarms
            if (what := _what_happened(before.get(alarm.id), alarm)) is not None
        ]
        here = {alarm.id for alarm in found.alarms}
        if not found.more:  # else it may only have been pushed off the list
            changes += [Change("closed", alarm) for alarm in before.values() if alarm.id not in here]
        self.found, self.seen = found, now
        return changes

    def age_s(self, now: int) -> float | None:
        """Return how old what was seen is; None when nothing was."""
        return None if self.seen is None else max(0, now - self.seen) / SECOND_US

    def is_stale(self, now: int) -> bool:
        """Return whether what was seen must not be taken for what is."""
        age_s = self.age_s(now)
        return self.lost is not None or age_s is None or age_s > STALE_AFTER_S


def _what_happened(before: Alarm | None, now: Alarm) -> str | None:
    if before is None:
        return "new"
    if (before.state, before.priority, before.acknowledged_by) == (now.state, now.priority, now.acknowledged_by):
        return None
    return "acknowledged" if now.state is AlarmState.ACKNOWLEDGED else "changed"


class WatchSource(Protocol):
    """Where open alarms are read."""

    name: str
    """In words."""

    async def look(self) -> AlarmList:
        """Read them; raises Transient or Permanent."""
        ...

    async def news(self, within_s: float) -> None:
        """Wait until there may be news, at most so long."""
        ...


class ApiSource:
    """The hub's API, as whoever is logged in sees it."""

    def __init__(self, login: KeptLogin, hub: str | None) -> None:
        self._client, self._path = LoggedIn(login).client, alarms_query(hub, closed=False, most=MOST_LISTED)
        self.name = f"{login.address}, as {login.user}"

    async def look(self) -> AlarmList:
        """Read what whoever is logged in sees."""
        answer = await self._client.ask("GET", self._path)
        return views.of_facts(answer)

    async def news(self, within_s: float) -> None:
        """Wait: the API tells nothing by itself."""
        await asyncio.sleep(within_s)


class DatabaseSource:
    """The database, which says when there is news."""

    def __init__(self, pool: Pool, hub: str | None, news: asyncio.Event) -> None:
        self._pool, self._hub, self._news = pool, hub, news
        self.name = "the database"

    async def look(self) -> AlarmList:
        """Read all of it."""
        with translated():
            async with self._pool.connection() as connection:
                return await views.listed(connection, hub=self._hub, closed=False, most=MOST_LISTED)

    async def news(self, within_s: float) -> None:
        """Wait for a NOTIFY."""
        await asyncio.sleep(PAUSE_S)
        await wait_for_event(self._news, within_s)
        self._news.clear()


@asynccontextmanager
async def database_source(settings: CommandSettings, hub: str | None) -> AsyncIterator[DatabaseSource]:
    """Return the database as a source, which hears news while it can."""
    news = asyncio.Event()
    async with open_pool(settings.database, "hubwatch alarms watch") as pool:
        hearing = asyncio.create_task(_hear(settings, news))
        try:
            yield DatabaseSource(pool, hub, news)
        finally:
            hearing.cancel()
            with suppress(asyncio.CancelledError):
                await hearing


async def _hear(settings: CommandSettings, news: asyncio.Event) -> None:
    """Set `news` at each NOTIFY; what cannot be heard is looked at all the same, a little later."""
    while True:
        with suppress(Transient):
            heard = listen(settings.database, ("hubwatch_alarms",), "hubwatch alarms watch")
            try:
                async for channel in heard:
                    if channel:
                        news.set()
            finally:
                await heard.aclose()
        await asyncio.sleep(LOOK_EVERY_S)


class Screen(Protocol):
    """Who shows what is watched."""

    def changed(self, watched: Watched, changes: list[Change], now: int) -> None:
        """Show what was seen, with what has changed since the look before."""
        ...

    def lost(self, watched: Watched, now: int, *, first: bool) -> None:
        """Say that there is nothing newer than what was seen; `first` where it was there a moment ago."""
        ...

    def back(self, watched: Watched, now: int) -> None:
        """Say that the source is there again."""
        ...


async def watch(source: WatchSource, screen: Screen) -> None:
    """Look and show, until cancelled. Raises what the first look raises: then there is nothing to watch."""
    watched = Watched()
    while True:
        try:
            async with asyncio.timeout(STALE_AFTER_S):
                found = await source.look()
        except (TimeoutError, Transient, Permanent) as error:
            if watched.seen is None and isinstance(error, Permanent):
                raise
            first = watched.lost is None
            watched.lost = str(error) or f"no answer within {STALE_AFTER_S:g} s"
            screen.lost(watched, now_us(), first=first)
            await asyncio.sleep(LOOK_EVERY_S / 2)
            continue
        if watched.lost is not None:
            watched.lost = None
            screen.back(watched, now_us())
        now = now_us()
        screen.changed(watched, watched.look(found, now), now)
        await source.news(LOOK_EVERY_S)
