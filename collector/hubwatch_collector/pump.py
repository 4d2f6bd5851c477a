"""The heart of a collector: take what has come, store it, acknowledge it; and again.

There is no waiting for a batch to fill: while one transaction runs, the next batch gathers. At a low rate a batch is
one frame and goes at once; at a high rate it grows until it is as large as allowed.
"""

from __future__ import annotations

import asyncio
import random
from time import monotonic

from hubwatch_collector.config import Settings
from hubwatch_collector.decoding import limits_of, offer_of
from hubwatch_collector.inbox import Arrival, Inbox
from hubwatch_collector.metrics import Metrics
from hubwatch_core.clock import now_us
from hubwatch_core.errors import Permanent, Transient
from hubwatch_core.health import Health
from hubwatch_core.logs import get_logger
from hubwatch_store.offer import Offer
from hubwatch_store.writer import Writer, Written

IDLE_S = 0.25
"""How long to wait for a message before settling what is not settled."""
FIRST_PAUSE_S = 0.1
TELL_DEAD_EVERY_S = 60.0
"""One sender of poison must not fill the log; each message is in `dead_letters` and counted all the same."""

_log = get_logger("collector")


class Pump:
    """Moves arrivals from the inbox into the database."""

    def __init__(self, settings: Settings, inbox: Inbox, writer: Writer, metrics: Metrics, health: Health) -> None:
        self._settings = settings
        self._inbox = inbox
        self._writer = writer
        self._metrics = metrics
        self._health = health
        self._limits = limits_of(settings.intake)
        self._unsettled: list[tuple[Arrival, Offer | None]] = []
        self.away = False
        """The database has failed us and is not back."""
        self._refused = False
        self._dead = 0
        self._next_telling = monotonic()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set and everything received is stored and acknowledged."""
        intake = self._settings.intake
        try:
            await self._store([])
            while not (stop.is_set() and self._inbox.held_messages == 0):
                batch = await self._inbox.take(intake.batch_messages, intake.batch_bytes, IDLE_S)
                if batch or self._unsettled:
                    await self._store(batch)
        finally:
            await self._writer.close()

    async def _store(self, batch: list[Arrival]) -> None:
        """Store a batch, however long the database is away; acknowledge all that is settled by it."""
        pairs = [(each, offer_of(each.topic, each.payload, each.received, self._limits)) for each in batch]
        tries = 0
        while True:
            offers = [offer for _, offer in pairs if offer is not None]
            try:
                written = await self._writer.write(offers)
                break
            except (Transient, Permanent) as error:
                # What was committed but not settled is offered again: the ledger makes that harmless.
                pairs, self._unsettled = self._unsettled + pairs, []
                self._lost(error)
            tries += 1
            ceiling = min(self._settings.database.retry_max_s, FIRST_PAUSE_S * 2 ** min(tries, 16))
            await asyncio.sleep(random.uniform(ceiling / 2, ceiling))  # noqa: S311 - no secret depends on it
        self._back()
        self._tell(offers, written)
        self._unsettled += pairs
        if self._writer.settled:
            self._inbox.done([arrival for arrival, _ in self._unsettled])
            self._unsettled = []

    def _tell(self, offers: list[Offer], written: Written) -> None:
        self._metrics.wrote(offers, written, now_us())
        self._dead += len(written.dead)
        if written.dead and monotonic() >= self._next_telling:
            last = written.dead[-1]
            _log.warning(
                "messages went to dead letters", count=self._dead, reason=last.reason, hub=last.hub, agent=last.agent
            )
            self._dead, self._next_telling = 0, monotonic() + TELL_DEAD_EVERY_S

    def _lost(self, error: Transient | Permanent) -> None:
        self._metrics.failures.inc()
        self._health.set("database", False, str(error))
        if isinstance(error, Permanent) and not self._refused:
            self._refused = True
            _log.error("database refuses us, holding what comes until somebody has mended it", reason=str(error))
        elif not self.away:
            _log.warning("database lost, holding what comes and trying again", reason=str(error))
        self.away = True

    def _back(self) -> None:
        if self.away:
            _log.info("database back")
        self.away = self._refused = False
        self._health.set("database", True, "storing")
