"""Maintenance as a part of a collector: once a minute, with its figures, and never a reason to stop storing."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from prometheus_client import Counter, Gauge
from psycopg import Connection, OperationalError

from hubwatch_core.concurrency import backoff_s, wait_for_event
from hubwatch_core.condition import Condition
from hubwatch_core.errors import HubwatchError
from hubwatch_core.logs import get_logger
from hubwatch_core.process import Context, Part
from hubwatch_store.audit import AuditSection
from hubwatch_store.database import DatabaseSection, connect, connect_sync, hang_up
from hubwatch_store.series import Bounds
from hubwatch_store.upkeep.maintenance import NAME, Done, maintain_on

REFRESH_EVERY_S = 60.0
FIRST_PAUSE_S = 1.0
RUN_S = 300.0
"""How long a run inside a collector may take; the next one goes on where it stopped."""
CANCEL_S = 1.0
"""How long the server may take to hear that a statement is to end, and to end it, before we hang up."""

_log = get_logger("maintenance")


def part(settings: DatabaseSection, context: Context, heads: AuditSection | None = None) -> Part:
    """Return the part that maintains while its process runs; of several processes one does it, the others stand by."""
    return Part("maintenance", _MaintenanceService(settings, context, heads).run)


class _MaintenanceService:
    def __init__(self, settings: DatabaseSection, context: Context, heads: AuditSection | None) -> None:
        self._settings, self._heads = settings, heads
        self._health = context.health
        self._runs = Condition(
            "maintenance", context.health, _log, lost="maintenance postponed", back="maintenance resumed"
        )
        context.health.expect("maintenance", RUN_S + 2 * REFRESH_EVERY_S)
        registry = context.registry
        self._rows = Counter("hubwatch_store_deleted_rows", "Rows deleted by retention", ["layer"], registry=registry)
        self._too_late = Counter(
            "hubwatch_store_too_late_buckets", "Buckets late readings could not be counted in", registry=registry
        )
        self._folded = Counter("hubwatch_store_folded_frames", "Frames folded in the ledger", registry=registry)
        self._trimmed = Counter("hubwatch_store_deleted_dead_letters", "Dead letters deleted", registry=registry)
        self._unexplained = Gauge(
            "hubwatch_store_unexplained_frames", "Frames missing that nothing explains", registry=registry
        )
        self._refused = Gauge("hubwatch_store_refused_agents", "Agents whose frames are all refused", registry=registry)
        self._last = Gauge("hubwatch_store_maintained_time_seconds", "When maintenance last ran", registry=registry)

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self._once(stop)
            failed_pause_s = backoff_s(self._runs.failures, FIRST_PAUSE_S, self._settings.max_retry_s)
            await wait_for_event(stop, REFRESH_EVERY_S if self._runs.holds else failed_pause_s)

    async def _once(self, stop: asyncio.Event) -> None:
        try:
            done = await self._maintain(stop)
        except HubwatchError as error:
            # Whatever it is, it is no reason for a collector to stop storing.
            if not stop.is_set():
                self._runs.lost(str(error))
            return
        if stop.is_set():
            return
        self._runs.back()
        self._health.did("maintenance")
        if done is not None:
            self._count(done)

    async def _maintain(self, stop: asyncio.Event) -> Done | None:
        if not await self._is_reachable(stop):
            return None
        connection = await asyncio.to_thread(connect_sync, self._settings, NAME)
        bounds = Bounds(RUN_S, stop.is_set)
        working = asyncio.create_task(
            asyncio.to_thread(maintain_on, connection, bounds, when_due=True, heads=self._heads)
        )
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                await self._interrupt(connection, working)
            return await working
        finally:
            stopping.cancel()
            connection.close()

    async def _interrupt(self, connection: Connection[Any], working: asyncio.Task[Done | None]) -> None:
        """End what runs: one statement, such as the rewriting of a large partition, may take longer than a stop may."""
        with suppress(OperationalError):
            await asyncio.to_thread(connection.cancel_safe, timeout=CANCEL_S)
        await asyncio.wait([working], timeout=CANCEL_S)
        hang_up(connection)

    async def _is_reachable(self, stop: asyncio.Event) -> bool:
        """Return whether the database can be reached, without a thread that a stop would have to wait for."""
        connecting = asyncio.create_task(connect(self._settings, NAME))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([connecting, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not connecting.done():
            connecting.cancel()
            await asyncio.wait([connecting])
            return False
        await connecting.result().close()
        return True

    def _count(self, done: Done) -> None:
        self._last.set_to_current_time()
        self._folded.inc(done.folded)
        self._trimmed.inc(done.trimmed)
        self._unexplained.set(done.unexplained)
        self._refused.set(done.refused)
        self._too_late.inc(done.refreshed.too_late)
        if done.deleted is None:
            return
        for (layer, _), rows in done.deleted.rows.items():
            self._rows.labels(layer).inc(rows)
        rows = sum(done.deleted.rows.values())
        if rows or done.deleted.partitions:
            _log.info("deleted data past its retention", rows=rows, partitions=sum(done.deleted.partitions.values()))
