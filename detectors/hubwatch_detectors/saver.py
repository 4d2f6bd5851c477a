"""Saves findings and the input they came from in one transaction, and acknowledges frames only after it.

Findings are saved at once, input every `save_every_s`. While one transaction runs detection continues. While the
database is unavailable nothing is acknowledged, and detection continues until `max_unsaved` messages wait. The states
that the input led to are written now and then (`snapshots.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic

from hubwatch_core.concurrency import wait_for_event
from hubwatch_core.errors import Transient
from hubwatch_core.health import WORK_WITHIN_S, Health
from hubwatch_core.hub_clock import HubClock
from hubwatch_core.logs import get_logger
from hubwatch_core.mqtt import Feed, Message
from hubwatch_core.outage import Outage
from hubwatch_detectors.contract import Finding
from hubwatch_detectors.journal import VERSION, Entry, Journal, Packed, pack
from hubwatch_detectors.metrics import DetectorMetrics
from hubwatch_detectors.snapshots import Snapshots, TakenSnapshot, packed
from hubwatch_store.database import DatabaseRefused, Pool
from hubwatch_store.detections import DetectionBatch, JournalRow, keep, keep_snapshot

FIRST_PAUSE_S = 0.2
PROOF_EVERY_S = 5.0
"""With nothing to save the database is asked this often whether it still would."""
UNPACKED = 5
"""Frames become about this much smaller in the journal."""
SNAPSHOT_S = 60.0
"""How long the states of a hub may take; meanwhile findings are saved beside it."""
STOP_TRIES_S = 10.0
"""How long an ordered stop waits for the database; what is not saved by then is delivered again."""

_log = get_logger("detectors")


@dataclass
class _Load:
    """What waits to be saved: findings with the time their cause was received, and messages to acknowledge."""

    findings: list[tuple[Finding, int]] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    entries: dict[str, list[Entry]] = field(default_factory=dict)
    """The input, by hub."""


class Saver:
    """Carries what the engine has come to into the database."""

    def __init__(
        self,
        journal: Journal,
        pool: Pool,
        metrics: DetectorMetrics,
        health: Health,
        *,
        every_s: float,
        max_pause_s: float,
        snapshot_every_s: float = 60.0,
        save_s: float | None = None,
        owner: str | None = None,
        clock: HubClock | None = None,
    ) -> None:
        """Save what waits every `every_s` seconds, states every `snapshot_every_s`; an attempt may take `save_s`.

        With the token of an `owner` nothing is saved once another process has its work.
        """
        self._journal, self._pool, self._metrics, self._owner = journal, pool, metrics, owner
        self._snapshots = Snapshots(journal.engine, snapshot_every_s)
        self._writing: asyncio.Task[bool] | None = None
        self._clock = clock or HubClock()
        self._every_s = every_s
        self._answered_at = monotonic()
        """When the database last answered."""
        self._database = Outage(
            "detectors-database", health, max_pause_s, step_s=save_s, within_s=max(WORK_WITHIN_S, 2 * every_s),
            lost="database lost; detection continues, saving is retried", back="database back",
        )  # fmt: skip
        self._load = _Load()
        self._under_way = 0
        self._link: Feed | None = None
        self._urgent = asyncio.Event()
        metrics.unsaved.set_function(lambda: self.waiting)

    @property
    def waiting(self) -> int:
        """Messages that are judged but not acknowledged."""
        return len(self._load.messages) + self._under_way

    def restored(self, rows: Sequence[JournalRow], found: Sequence[Finding]) -> None:
        """Take the journal that was judged again, and what was found in it: what is stored already stays as it is."""
        parts = [Packed(row.hub, row.entries, UNPACKED * len(row.entries)) for row in rows]
        self._snapshots.noted(parts, {row.hub: row.id for row in rows})
        self.add(found, self._clock.now())

    def linked(self, link: Feed) -> None:
        """Take a new link; what came over the one before is delivered again, so it is not acknowledged here."""
        self._link = link
        self._load.messages = []

    def add(self, findings: Sequence[Finding], received: int, message: Message | None = None) -> None:
        """Take findings, when (µs) their cause was received, and the message to acknowledge with them."""
        self._load.findings += [(finding, received) for finding in findings]
        if message is not None:
            self._load.messages.append(message)
        if findings:
            self._urgent.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Save until `stop` is set, and then once more, with all states."""
        try:
            while not stop.is_set():
                await self._next()
                await self.save()
            await self._save_all()
        finally:
            if self._writing is not None:
                self._writing.cancel()

    async def _save_all(self) -> None:
        deadline = asyncio.get_running_loop().time() + STOP_TRIES_S
        while not (await self.save() and await self.save_states()):
            if asyncio.get_running_loop().time() > deadline:
                _log.warning("stopped before all was saved; the broker will deliver it again", messages=self.waiting)
                return
            await asyncio.sleep(FIRST_PAUSE_S)

    async def save(self) -> bool:
        """Save what there is in one transaction; False when the database is away and all of it still waits.

        Where the states of a hub are due, they are taken as they are now, and written once this is stored.
        """
        taken = self._take_due() if self._writing is None or self._writing.done() else None
        load, self._load = self._load, _Load()
        load.entries = self._journal.taken()
        link, self._under_way = self._link, len(load.messages)
        try:
            await self._database.bounded(lambda: self._keep(load))
        except Transient as error:
            if taken is not None:
                self._snapshots.not_written(taken)
            self._put_back(load, link)
            self._metrics.failures.inc()
            self._database.lost(str(error))
            return False
        finally:
            self._under_way = 0
        self._metrics.stored(load.findings, self._clock.now())
        self._acknowledge(load.messages, link)
        if taken is not None:
            self._writing = asyncio.create_task(self._write(taken, self._snapshots.place(taken.hub)))
        return True

    async def save_states(self) -> bool:
        """Write the states of all hubs; False when the database is away."""
        if self._writing is not None:
            await self._writing
        taken = [self._take(hub) for hub in sorted(self._snapshots.hubs())]
        if not await self.save():
            for each in taken:
                self._snapshots.not_written(each)
            return False
        return all([await self._write(each, self._snapshots.place(each.hub)) for each in taken])

    def _take_due(self) -> TakenSnapshot | None:
        hub = self._snapshots.due(monotonic())
        return self._take(hub) if hub is not None else None

    def _take(self, hub: str) -> TakenSnapshot:
        """Take the states of a hub as they are now; what they were not given before is judged with it."""
        taken = self._snapshots.take(hub, monotonic())
        self._load.findings += [(finding, self._clock.now()) for finding in taken.found]
        return taken

    async def _write(self, taken: TakenSnapshot, until: int) -> bool:
        """Write states that were taken; all that was judged before is stored, in the journal up to `until`."""
        try:
            snapshot = await asyncio.to_thread(packed, taken, until)
            async with asyncio.timeout(SNAPSHOT_S):
                await keep_snapshot(self._pool, snapshot, self._owner)
        except (Transient, TimeoutError) as error:
            self._snapshots.not_written(taken)
            _log.warning("states not written, tried again", hub=taken.hub, reason=str(error) or "no answer")
            return False
        except DatabaseRefused as error:
            self._metrics.refused.inc()
            _log.error("database rejected states, they stay in the journal", hub=taken.hub, reason=str(error))
            self._snapshots.not_written(taken)
            return True
        self._metrics.state_bytes.inc(sum(len(row.state) for row in snapshot.states))
        return True

    async def _keep(self, load: _Load) -> None:
        if not (load.findings or load.entries) and monotonic() - self._answered_at < PROOF_EVERY_S:
            return
        findings = [finding for finding, _ in load.findings]
        parts = await asyncio.to_thread(pack, load.entries)
        rows = [JournalRow(each.hub, VERSION, each.entries) for each in parts]
        try:
            places = await keep(self._pool, DetectionBatch(findings, rows), self._owner)
        except DatabaseRefused as error:
            _log.error("database rejected a finding; saving one by one", reason=str(error))
            places = await self._one_by_one(findings, rows)
        self._metrics.state_bytes.inc(sum(len(row.entries) for row in rows))
        self._snapshots.noted(parts, places)
        self._answered_at = monotonic()
        self._database.back()

    async def _one_by_one(self, findings: Sequence[Finding], rows: Sequence[JournalRow]) -> dict[str, int]:
        """Save what can be saved, so that one impossible row does not hold up all others."""
        places = dict[str, int]()
        for batch in [
            *(DetectionBatch([each]) for each in findings),
            *(DetectionBatch(journal=[each]) for each in rows),
        ]:
            try:
                places |= await keep(self._pool, batch, self._owner)
            except DatabaseRefused as error:
                self._metrics.refused.inc()
                _log.error("rejected by database, dropped", what=repr(batch)[:500], reason=str(error))
        return places

    async def _next(self) -> None:
        """Wait until there is something to save at once, the time has come, or the pause after a failure is over."""
        if self._database.holds:
            await wait_for_event(self._urgent, self._every_s)
        else:
            await asyncio.sleep(self._database.pause_s)
        self._urgent.clear()

    def _put_back(self, load: _Load, link: Feed | None) -> None:
        self._load.findings[:0] = load.findings
        self._journal.put_back(load.entries)
        if link is self._link:
            self._load.messages[:0] = load.messages

    def _acknowledge(self, messages: Sequence[Message], link: Feed | None) -> None:
        if link is not None and link is self._link:
            for message in messages:
                link.ack(message)
