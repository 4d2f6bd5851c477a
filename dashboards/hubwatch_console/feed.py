"""What happens to alarms, for every page and program that looks: read once as the database tells, and handed to all.

Each who looks has a place in one bounded stretch of entries, so that nobody who is slow takes memory.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from time import monotonic
from zoneinfo import ZoneInfo

from hubwatch_console.pages.sight import blind_by_hub
from hubwatch_console.watching import WatchDoubt, Watching
from hubwatch_core.clock import now_us
from hubwatch_core.concurrency import run_until
from hubwatch_core.errors import Permanent, Transient
from hubwatch_core.logs import get_logger
from hubwatch_site import HubSite
from hubwatch_store.console import AlarmMove, health, queue
from hubwatch_store.database import DatabaseConnection, DatabaseSection, Pool, connect, listen, translated
from hubwatch_store.site import CHANNEL, Sites

CHANNELS = ("hubwatch_alarms", CHANNEL)
PULSE_S = 1.5
"""How often everybody is shown that the stream lives; a page that hears nothing for 4.5 s says that it is cut off."""
LOST_AFTER_S = 2.5
"""The connection that listens is proven every second; without a proof for so long the database counts as lost."""
LOOK_EVERY_S = 2.0
"""How often is asked whether collector, detectors and alarms work."""
BLIND_EVERY_S = 10.0
"""How often all sensors are looked at for such as are not seen."""
PAUSE_S = 0.5
KEPT = 2_000
AT_A_TIME = 500

_log = get_logger("console")


@dataclass(frozen=True, slots=True)
class FeedStanding:
    """How the server stands with its database."""

    last: int
    """The newest entry of the journal that was read."""
    lost_since: int | None
    """Since when the database does not answer, microseconds."""
    watched: Mapping[str, str]
    """By hub, what changes whenever its doubts do, or how many of its sensors are not seen."""

    def watch(self, seen: Collection[str] | None) -> str:
        """Return what changes whenever that of any hub does which somebody sees; None: every hub."""
        return ";".join(f"{hub}:{said}" for hub, said in self.watched.items() if seen is None or hub in seen)


@dataclass(frozen=True, slots=True)
class News:
    """What happened since somebody last looked."""

    moves: Sequence[AlarmMove]
    missed: bool
    """Whether there was more than is kept."""
    standing: FeedStanding


class AlarmFeed:
    """Follows the alarms of all hubs."""

    def __init__(self, settings: DatabaseSection, pool: Pool) -> None:
        self._settings, self._pool = settings, pool
        self._moves: deque[AlarmMove] = deque(maxlen=KEPT)
        self._first: int | None = None
        """The entry after which everything is kept or was; None until the database was read."""
        self._last = 0
        self._waiting: set[asyncio.Event] = set()
        self._followed_by: Counter[str] = Counter()
        self._blind: Mapping[str, int] = {}
        self._heard_at: float | None = None
        self._lost_since: int | None = now_us()
        self._ended = False
        self.watching = Watching()
        self.standing = self._stand()
        """How the server stood with its database when everybody was last told."""
        self.sites = Sites()

    async def run(self) -> None:
        """Follow until cancelled; a database that is lost is sought again."""
        await run_until(asyncio.Event(), self._listen(), self._look(), self._pulse())

    def end(self) -> None:
        """End what everybody follows."""
        self._ended = True
        self._wake()

    @property
    def followers(self) -> int:
        """Return how many follow."""
        return len(self._waiting)

    def followed_by(self, person: str) -> int:
        """Return how many follow for a person."""
        return self._followed_by[person]

    def blind(self, hub: str) -> int:
        """Return how many sensors of a hub are not seen."""
        return self._blind.get(hub, 0)

    def doubts(self, hub: str) -> list[WatchDoubt]:
        """Return why it is not known that all is well at a hub; nothing when it is."""
        if self._lost_since is not None:
            return [WatchDoubt.NOT_ASKED]
        return self.watching.doubts(hub, monotonic())

    def site(self, hub: str) -> HubSite | None:
        """Return the site of a hub, None where it has none."""
        return self.sites.of.get(hub)

    def zone(self, hub: str | None) -> ZoneInfo:
        """Return the time zone whose clock people at a hub read; UTC for a hub without a site.

        What is of no hub is of the only one, where there is but one.
        """
        if hub is None and len(self.sites.of) == 1:
            (hub,) = self.sites.of
        site = None if hub is None else self.sites.of.get(hub)
        return ZoneInfo("UTC" if site is None else site.hub.time_zone)

    def _stand(self) -> FeedStanding:
        now = monotonic()
        watched = {hub: f"{','.join(self.watching.doubts(hub, now))}/{self.blind(hub)}" for hub in self.watching.hubs}
        return FeedStanding(self._last, self._lost_since, watched)

    async def follow(self, after: int | None, person: str) -> AsyncGenerator[News, None]:
        """Yield what happens after an entry (None: from now on), at once and then with every pulse."""
        woken = asyncio.Event()
        self._waiting.add(woken)
        self._followed_by[person] += 1
        place = after
        try:
            while not self._ended:
                woken.clear()
                news = self._since(place)
                # Before it is told: whoever is slow is told the rest afterwards.
                if self._first is not None:
                    place = self._last
                yield news
                await woken.wait()
        finally:
            self._waiting.discard(woken)
            self._followed_by[person] -= 1
            if not self._followed_by[person]:
                del self._followed_by[person]

    def _since(self, place: int | None) -> News:
        if place is None or self._first is None:
            return News((), False, self.standing)
        # A number beyond the newest is of another database than this one.
        missed = not self._first <= place <= self._last
        if missed or place == self._last:
            return News((), missed, self.standing)
        moves = [each for each in self._moves if each.id > place]
        return News(moves, missed, self.standing)

    async def _listen(self) -> None:
        while True:
            try:
                async with (
                    await connect(self._settings, "hubwatch console feed") as connection,
                    aclosing(listen(self._settings, CHANNELS, "hubwatch console listener")) as heard,
                ):
                    await self._check_place(connection)
                    async for channel in heard:
                        if channel == CHANNEL:
                            await self.sites.look(self._pool)
                        await self._read(connection)
                        self._proven()
            except (Transient, Permanent) as error:
                self._lost(str(error))
            await asyncio.sleep(PAUSE_S)

    async def _check_place(self, connection: DatabaseConnection) -> None:
        """Begin anew in a journal that is shorter than what was read of it: it is that of a backup."""
        with translated():
            if self._first is not None and await queue.last_move(connection) < self._last:
                _log.warning("the journal of alarms is shorter than it was: read anew", read_up_to=self._last)
                self._first = None
                self._moves.clear()

    async def _read(self, connection: DatabaseConnection) -> None:
        """Read what has happened since; the first time only where the journal ends."""
        with translated():
            if self._first is None:
                self._first = self._last = await queue.last_move(connection)
                return
            while found := await queue.moves(connection, self._last, AT_A_TIME):
                for each in found:
                    if len(self._moves) == KEPT:
                        self._first = self._moves[0].id
                    self._moves.append(each)
                self._last = found[-1].id
                self._wake()

    async def _look(self) -> None:
        """Ask now and then whether those work who look for alarms, and which sites are in force."""
        blind_at = 0.0
        while True:
            try:
                async with await connect(self._settings, "hubwatch console watch") as connection:
                    while True:
                        with translated():
                            if monotonic() >= blind_at:
                                self._blind = await _blind(connection)
                                blind_at = monotonic() + BLIND_EVERY_S
                            beats, work = await health.beats(connection), await health.work(connection)
                        self.watching.take(beats, work, monotonic())
                        await self.sites.look(self._pool)
                        await asyncio.sleep(LOOK_EVERY_S)
            except (Transient, Permanent) as error:
                _log.debug("work not looked at", reason=str(error))
            await asyncio.sleep(PAUSE_S)

    async def _pulse(self) -> None:
        """Show everybody that the stream lives, and at once that the database is lost."""
        shown = monotonic()
        while True:
            await asyncio.sleep(0.25)
            if self._heard_at is not None and monotonic() - self._heard_at > LOST_AFTER_S:
                self._lost(f"no answer for {LOST_AFTER_S:g} s")
            if monotonic() - shown >= PULSE_S:
                shown = monotonic()
                self._wake()

    def _proven(self) -> None:
        self._heard_at = monotonic()
        if self._lost_since is not None:
            self._lost_since = None
            self._wake()

    def _lost(self, reason: str) -> None:
        self._heard_at = None
        if self._lost_since is None:
            self._lost_since = now_us()
            _log.warning("pages say that the database is lost", reason=reason)
            self._wake()

    def _wake(self) -> None:
        self.standing = self._stand()
        for each in self._waiting:
            each.set()


async def _blind(connection: DatabaseConnection) -> Mapping[str, int]:
    """Return by hub how many of its sensors are not seen, however many there are."""
    found: Counter[str] = Counter()
    async for rows in health.every_sensor(connection):
        found.update(blind_by_hub(rows))
    return found
