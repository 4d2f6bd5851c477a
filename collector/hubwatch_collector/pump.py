"""The heart of a collector: take what has come, store it, acknowledge it; and again.

There is no waiting for a batch to fill: while one transaction runs, the next batch gathers. At a low rate a batch is
one frame and goes at once; at a high rate it grows until it is as large as allowed.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from time import monotonic

from hubwatch_collector.answers import Answers
from hubwatch_collector.decoding import limits_of
from hubwatch_collector.guard import Guard
from hubwatch_collector.intake import Intake, ReceivedBatch
from hubwatch_collector.metrics import CollectorMetrics
from hubwatch_collector.settings import CollectorSettings
from hubwatch_core.concurrency import backoff_s
from hubwatch_core.condition import Condition
from hubwatch_core.errors import Permanent, Transient
from hubwatch_core.health import Health
from hubwatch_core.logs import get_logger
from hubwatch_store.devices import AgentKeys
from hubwatch_store.ingest import Offer, Writer, Written

IDLE_S = 0.25
"""How long to wait for a message before committing what its acknowledgements wait for."""
PROOF_EVERY_S = 5.0
"""With nothing to store the database is asked this often whether it still would."""
FIRST_PAUSE_S = 0.2
DEAD_LETTER_LOG_EVERY_S = 60.0
"""One sender of poison must not fill the log; each message is in `dead_letters` and counted all the same."""

_log = get_logger("collector")


class Pump:
    """Moves messages from the intake into the database."""

    def __init__(
        self,
        settings: CollectorSettings,
        intake: Intake,
        writer: Writer,
        metrics: CollectorMetrics,
        health: Health,
        answers: Answers | None = None,
    ) -> None:
        """Prepare; `answers` tells agents what is stored."""
        self._settings = settings
        self._intake = intake
        self._writer = writer
        self._clock = writer.clock
        self._metrics = metrics
        self._answers = answers
        self._keys = AgentKeys(settings.database, "hubwatch collector keys")
        self._guard = Guard(settings.intake, limits_of(settings.intake), self._keys.faults)
        self._unacknowledged: list[tuple[ReceivedBatch, list[Offer]]] = []
        """Committed, but not to be acknowledged yet."""
        self._database = Condition(
            "database", health, _log, lost="database lost; buffering and retrying", back="database back"
        )
        health.expect("database")
        self._health = health
        self._stored_at = monotonic()
        self._rejected = False
        self._dead = 0
        self._next_dead_letter_log = monotonic()

    @property
    def away(self) -> bool:
        """Return whether the database has failed us and is not back."""
        return not self._database.holds

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set and everything received by then is stored and acknowledged."""
        try:
            await self._store(ReceivedBatch())
            while not stop.is_set():
                await self._round(self._settings.intake.max_batch_messages, IDLE_S)
            await self._drain(self._intake.held.held_messages)
        finally:
            await self._keys.close()
            await self._writer.close()

    async def _round(self, max_messages: int, wait_s: float) -> int:
        """Take and store one batch; return how many messages it held."""
        batch = await self._intake.take(max_messages, self._settings.intake.max_batch_bytes, wait_s)
        if batch.messages or self._unacknowledged or monotonic() - self._stored_at >= PROOF_EVERY_S:
            await self._store(batch)
        return len(batch.messages)

    async def _drain(self, messages: int) -> None:
        """Store as many messages as were received, and not what keeps coming."""
        while messages > 0:
            stored = await self._round(min(messages, self._settings.intake.max_batch_messages), 0)
            if not stored:
                break
            messages -= stored
        while self._unacknowledged:
            await self._round(1, IDLE_S)

    async def _store(self, batch: ReceivedBatch) -> None:
        """Store a batch, however long the database is away; acknowledge all that is then complete."""
        pending = [(batch, await self._offers(batch))]
        first = True
        while True:
            offers = [offer for _, some in pending for offer in some]
            try:
                written = await self._writer.write(offers)
                break
            except (Transient, Permanent) as error:
                first = False
                # What was committed but not acknowledged is offered again: the ledger makes that harmless.
                pending, self._unacknowledged = self._unacknowledged + pending, []
                self._lost(error)
            await asyncio.sleep(backoff_s(self._database.failures, FIRST_PAUSE_S, self._settings.database.max_retry_s))
        self._rejected = False
        self._database.back("storing")
        self._health.did("database")
        self._stored_at = monotonic()
        self._count(offers, written)
        if first:  # else it was ourselves who stored them before
            self._guard.stored_before(written.repeated)
        self._unacknowledged += pending
        if self._writer.settled:
            for stored, held in self._unacknowledged:
                self._intake.done(stored)
                if self._answers is not None:
                    self._answers.stored(stored.messages, held)
            self._unacknowledged = []

    async def _offers(self, batch: ReceivedBatch) -> list[Offer]:
        """Return what a batch comes to, however long the database is away that has the keys to judge it."""
        # Times are judged and stored by the hub's clock: ours may have been set since a message came.
        timed = [replace(each, received=self._clock.receipt(each.received)) for each in batch.messages]
        while True:
            try:
                return await self._guard.judged(batch.feed, timed)
            except (Transient, Permanent) as error:
                self._lost(error)
            await asyncio.sleep(backoff_s(self._database.failures, FIRST_PAUSE_S, self._settings.database.max_retry_s))

    def _count(self, offers: list[Offer], written: Written) -> None:
        self._metrics.wrote(offers, written, self._clock.now())
        self._dead += len(written.dead)
        if written.dead and monotonic() >= self._next_dead_letter_log:
            last = written.dead[-1]
            _log.warning(
                "messages went to dead letters", count=self._dead, reason=last.reason, hub=last.hub, agent=last.agent
            )
            self._dead, self._next_dead_letter_log = 0, monotonic() + DEAD_LETTER_LOG_EVERY_S

    def _lost(self, error: Transient | Permanent) -> None:
        self._metrics.failures.inc()
        if isinstance(error, Permanent) and not self._rejected:
            self._rejected = True
            _log.error("database cannot be used; buffering until fixed", reason=str(error))
        self._database.lost(str(error))
