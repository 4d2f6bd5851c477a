"""What the sites in force say of zones: how far they are apart on foot, how vital they are, and at which level."""

from __future__ import annotations

from functools import lru_cache, partial
from time import monotonic
from zoneinfo import ZoneInfo

from hubwatch_alarms.correlation import Apart, unknown
from hubwatch_alarms.site_words import SiteWords
from hubwatch_core.condition import Condition
from hubwatch_core.health import Health
from hubwatch_core.logs import get_logger
from hubwatch_site import HubSite, Walks
from hubwatch_store.database import Pool, translated
from hubwatch_store.site import ASK_EVERY_S, Sites, scales

PACE_M_S = 1.4
"""Speed at which metres become walking time. Our choice: the ordinary pace of an adult on level ground; an incident is
about who acts together, not about the fastest runner."""
MAX_KEPT = 10_000
"""Pairs of zones whose distance is kept: in a storm of alarms the same few are asked for again and again."""

_log = get_logger("alarms")


class Places:
    """The sites in force as far as belonging together needs them; what cannot be read leaves the version before."""

    def __init__(self, health: Health | None = None) -> None:
        self._sites = Sites()
        self._apart: dict[str, Apart] = {}
        self._words: dict[str, SiteWords] = {}
        self._criticality: dict[tuple[str, str], int] = {}
        self._level_steps: tuple[float, ...] = ()
        self._look_at: float | None = None
        self._condition = Condition(
            "alarms.site", health, _log, lost="a site cannot be read; the version before stays",
            back="every site is the one in force",
        )  # fmt: skip

    def told(self) -> None:
        """Note that a site was applied: it is taken up at the next look."""
        self._look_at = None

    async def look(self, pool: Pool) -> None:
        """Take up what was applied, when it was told or not asked for a while. Raises Transient or Permanent."""
        if self._look_at is not None and monotonic() < self._look_at:
            return
        # Before asking: what is told meanwhile is then looked at again.
        self._look_at = monotonic() + ASK_EVERY_S
        for hub in await self._sites.look(pool) & self._sites.of.keys():
            self._take_up(hub, self._sites.of[hub])
        with translated():
            async with pool.connection() as connection:
                found = {scale.what: scale.values for scale in await scales(connection)}
        self._level_steps = found.get("priority", ())
        if self._sites.unreadable:
            self._condition.lost("; ".join(self._sites.unreadable.values()))
        else:
            self._condition.back(str(self._sites))

    def _take_up(self, hub: str, site: HubSite) -> None:
        self._apart[hub] = apart_at(site)
        self._words[hub] = SiteWords(hub, site)
        others = {key: value for key, value in self._criticality.items() if key[0] != hub}
        self._criticality = others | {(hub, zone.id): int(zone.criticality) for zone in site.zones}
        _log.info("site taken up", hub=hub)

    def criticality(self, hub: str, zone: str | None) -> int:
        """Return how vital a zone is, 1 to 3; one that the site does not name is ordinary."""
        return 1 if zone is None else self._criticality.get((hub, zone), 1)

    def level_steps(self, hub: str) -> int:
        """Return by how many steps the security level of a hub makes its alarms more urgent."""
        level = self._sites.levels.get(hub, 1)
        return int(self._level_steps[level - 1]) if level <= len(self._level_steps) else 0

    def apart(self, hub: str) -> Apart:
        """Return what says how far zones of a hub are apart."""
        return self._apart.get(hub, unknown)

    def words(self, hub: str) -> SiteWords:
        """Return what people at a hub call its places."""
        return self._words.get(hub) or SiteWords(hub)

    def clock(self, hub: str) -> ZoneInfo:
        """Return the time zone whose clock people at a hub read; UTC for a hub without a site."""
        site = self._sites.of.get(hub)
        return ZoneInfo("UTC" if site is None else site.hub.time_zone)


def apart_at(site: HubSite) -> Apart:
    """Return what says how far zones of a site are apart."""
    return lru_cache(MAX_KEPT)(partial(_seconds, Walks(site, PACE_M_S)))


def _seconds(walks: Walks, one: str, other: str) -> float | None:
    ways = [seconds for seconds in (walks.seconds(one, other), walks.seconds(other, one)) if seconds is not None]
    return min(ways, default=None)
