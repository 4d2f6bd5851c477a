"""Tells whom the broker refuses: `integrity.login_refused` and `integrity.topic_refused`, once while it lasts.

The broker sees who knocks in vain, and nobody reads its log at night.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter

from prometheus_client import Counter as Total

from hubwatch_collector.broker_log import BrokerLogReader, Refusal
from hubwatch_collector.log_following import LogFollower
from hubwatch_collector.settings import BrokerLogSection
from hubwatch_core.concurrency import wait_for_event
from hubwatch_core.condition import Condition
from hubwatch_core.errors import Permanent, Transient
from hubwatch_core.logs import get_logger
from hubwatch_core.process import Context
from hubwatch_store.database import DatabaseSection, Pool, open_pool
from hubwatch_store.ingest import Mistrust, Notice, tell

LOOK_EVERY_S = 1.0
LOG_EVERY_S = 60.0
BROKER = "broker"
"""In whose name that is told which names no agent: strangers, and services of the hub."""
MOST_PEERS = 1000
"""Agents that are counted apart at a time; those beyond are told in the broker's name."""

_log = get_logger("broker log")
_Peer = tuple[Mistrust, str, str]


class Refusals:
    """Follows one broker's log."""

    def __init__(self, settings: BrokerLogSection, database: DatabaseSection, context: Context) -> None:
        self._settings, self._database = settings, database
        self._follower, self._reader = LogFollower(settings.file), BrokerLogReader()
        self._times: Counter[_Peer] = Counter()
        self._reasons: dict[_Peer, str] = {}
        self._log_at, self._unlogged = 0.0, 0
        self._condition = Condition(
            "broker-log", context.health, _log, lost="refusals of the broker are not told", back="they are told again"
        )
        registry = context.registry
        self._total = Total(
            "hubwatch_collector_broker_refusals", "Logins and topics the broker refused.", ["kind"], registry=registry
        )
        self._skipped = Total(
            "hubwatch_collector_broker_log_skipped_bytes", "Bytes of the broker's log never read.", registry=registry
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Follow the log until `stop` is set."""
        async with open_pool(self._database, "hubwatch broker log") as pool:
            try:
                while not stop.is_set():
                    await self.look(pool)
                    await wait_for_event(stop, LOOK_EVERY_S)
            finally:
                self._follower.close()

    async def look(self, pool: Pool) -> None:
        """Read what is new and tell of it; what cannot be told now is told later, with how often it happened."""
        unread = await self._read()
        try:
            if self._times:
                await self._tell(pool)
        except (Transient, Permanent) as error:
            self._condition.lost(str(error))
        else:
            if unread is None:
                self._condition.back("refusals of the broker are told")
            else:
                self._condition.lost(unread)
        self._account()

    async def _read(self) -> str | None:
        """Count what the log says of refusals; return why it cannot be read, None where it can."""
        try:
            lines = await asyncio.to_thread(self._follower.lines)
        except OSError as error:
            return f"{self._settings.file} cannot be read: {error.strerror}"
        for line in lines:
            if (refusal := self._reader.refusal(line)) is not None:
                self.hear(refusal)
        return None

    def hear(self, refusal: Refusal) -> None:
        """Count a refusal, seen in the log or elsewhere, to be told with the next look."""
        hub, agent = refusal.agent or (self._settings.hub, BROKER)
        peer = (refusal.kind, hub, agent)
        if peer not in self._times and len(self._times) >= MOST_PEERS:
            peer = (refusal.kind, self._settings.hub, BROKER)
        self._times[peer] += 1
        self._reasons[peer] = refusal.reason
        self._total.labels(refusal.kind).inc()
        self._unlogged += 1

    async def _tell(self, pool: Pool) -> None:
        told = Counter(self._times)
        notices = [Notice(kind, self._reasons[kind, hub, agent], hub, agent, times)
                   for (kind, hub, agent), times in told.items()]  # fmt: skip
        async with pool.connection() as connection, connection.transaction():
            await tell(connection, notices)
        self._times -= told  # more may have been heard meanwhile
        self._reasons = {peer: reason for peer, reason in self._reasons.items() if peer in self._times}

    def _account(self) -> None:
        """Count and log what was refused, and what was never read."""
        skipped, self._follower.skipped_bytes = self._follower.skipped_bytes, 0
        if skipped:
            self._skipped.inc(skipped)
            _log.warning("part of the broker's log was skipped", bytes=skipped)
        if self._unlogged and time.monotonic() >= self._log_at:
            _log.warning("the broker refused somebody", times=self._unlogged)
            self._unlogged, self._log_at = 0, time.monotonic() + LOG_EVERY_S
