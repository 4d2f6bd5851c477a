"""Takes up the sites that are in force, at the start and while detectors run."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress

from hubwatch_core.concurrency import wait_for_event
from hubwatch_core.condition import Condition
from hubwatch_core.errors import Permanent, Transient
from hubwatch_core.health import Health
from hubwatch_core.logs import get_logger
from hubwatch_detectors.budget_following import BudgetFollowing
from hubwatch_detectors.contract import Site
from hubwatch_detectors.engine import Engine
from hubwatch_store.database import DatabaseSection, Pool, listen
from hubwatch_store.site import ASK_EVERY_S, CHANNEL, Sites

AGAIN_S = 1.0
"""Pause before listening again when the database was lost."""

_log = get_logger("detectors")


class SiteFollowing:
    """Keeps an engine's site the one in force. What cannot be used leaves the version before."""

    def __init__(
        self,
        engine: Engine,
        sites: Sites,
        health: Health,
        *,
        budgets: BudgetFollowing | None = None,
        ask_every_s: float = ASK_EVERY_S,
    ) -> None:
        self._engine, self._sites, self._ask_every_s = engine, sites, ask_every_s
        self._budgets = budgets or BudgetFollowing()
        self.site = Site()
        """What was taken up last."""
        self._unusable: dict[str, str] = {}
        self._news: set[str] = set()
        """Hubs to be taken up: the database may be lost before all of it was read."""
        self._condition = Condition(
            "detectors-site", health, _log, lost="a site cannot be used; the version before stays",
            back="every site is the one in force",
        )  # fmt: skip

    async def look(self, pool: Pool) -> None:
        """Take up what is another now. Raises Transient or Permanent."""
        self._news |= await self._sites.look(pool)
        self._news |= await self._budgets.look(pool, self._sites.of)
        for hub in sorted(self._news):
            await self._take_up(hub)
            self._news.discard(hub)
        reasons = {**self._unusable, **self._sites.unreadable}
        if reasons:
            self._condition.lost("; ".join(reasons.values()))
        else:
            self._condition.back(str(self._sites))

    async def run(self, database: DatabaseSection, pool: Pool) -> None:
        """Take up every site that is applied, until cancelled."""
        news = asyncio.Event()
        listening = asyncio.create_task(_listen(database, news))
        try:
            while True:
                await wait_for_event(news, self._ask_every_s)
                news.clear()
                # That the database is away is reported by whoever saves.
                with suppress(Transient, Permanent):
                    await self.look(pool)
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def _take_up(self, hub: str) -> None:
        site = self._with(hub)
        try:
            for _ in self._engine.take_up(site, hub):
                await asyncio.sleep(0)
        except Exception as error:  # noqa: BLE001 - a detector that fails with a new site must not end all others
            _log.error("site not taken up: a detector fails with it", hub=hub, exc_info=error)
            self._unusable[hub] = f"the site of hub {hub} is not used: {type(error).__name__}: {error}"[:1000]
            return
        self.site = site
        self._unusable.pop(hub, None)
        _log.info("site taken up", hub=hub)

    def _with(self, hub: str) -> Site:
        """Return the site there is, with what is in force at one hub now."""
        site, sites = self.site, self._sites
        return Site(
            hubs={**site.hubs, hub: sites.of[hub]} if hub in sites.of else site.hubs,
            people={**site.people, hub: sites.people.get(hub, {})},
            levels={**site.levels, hub: sites.levels.get(hub, 1)},
            budgets={**site.budgets, **self._budgets.of_hub(hub)},
        )


async def _listen(database: DatabaseSection, news: asyncio.Event) -> None:
    """Set `news` whenever a site was applied, and when it may have been while nobody listened."""
    while True:
        with suppress(Transient, Permanent):
            async with aclosing(listen(database, [CHANNEL], "hubwatch detectors site")) as heard:
                await anext(heard)  # it hears from now on
                news.set()
                async for channel in heard:
                    if channel:
                        news.set()
        await asyncio.sleep(AGAIN_S)
