"""Saves findings and state in one transaction, and acknowledges frames only after it.

Findings are saved at once, states every `save_every_s`. While one transaction runs judging goes on. While the database
is away nothing is acknowledged, and judging goes on until `unsaved_most` messages wait.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from hubwatch_core.clock import now_us
from hubwatch_core.errors import Transient
from hubwatch_core.feed import Feed
from hubwatch_core.health import Health
from hubwatch_core.logs import get_logger
from hubwatch_core.mqtt import Message
from hubwatch_detectors.contract import Finding
from hubwatch_detectors.engine import Engine
from hubwatch_detectors.metrics import Metrics
from hubwatch_store.detections import Harvest, keep
from hubwatch_store.detector_state import StateKey, StateRow
from hubwatch_store.errors import Refused
from hubwatch_store.pool import Pool

FIRST_PAUSE_S = 0.1
STOP_TRIES_S = 10.0
"""How long an ordered stop waits for the database; what is not saved by then is delivered again."""

_log = get_logger("detectors")


@dataclass
class _Load:
    """What waits to be saved: findings with the time their cause was received, and messages to acknowledge."""

    findings: list[tuple[Finding, int]] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)


class Saver:
    """Carries what the engine has come to into the database."""

    def __init__(
        self, engine: Engine, pool: Pool, metrics: Metrics, health: Health, *, every_s: float, pause_max_s: float
    ) -> None:
        self._engine, self._pool, self._metrics, self._health = engine, pool, metrics, health
        self._every_s, self._pause_max_s = every_s, pause_max_s
        self._load = _Load()
        self._under_way = 0
        self._link: Feed | None = None
        self._urgent = asyncio.Event()
        self._away = False
        metrics.unsaved.set_function(lambda: self.waiting)

    @property
    def waiting(self) -> int:
        """Messages that are judged but not acknowledged."""
        return len(self._load.messages) + self._under_way

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
        """Save until `stop` is set, and then once more."""
        tries = 0
        while not stop.is_set():
            await self._next(tries)
            tries = 0 if await self.save() else tries + 1
        deadline = asyncio.get_running_loop().time() + STOP_TRIES_S
        while not await self.save():
            if asyncio.get_running_loop().time() > deadline:
                _log.warning("stopped before all was saved; the broker will deliver it again", messages=self.waiting)
                return
            await asyncio.sleep(FIRST_PAUSE_S)

    async def save(self) -> bool:
        """Save what there is in one transaction; False when the database is away and all of it still waits."""
        load, self._load = self._load, _Load()
        states, gone = self._engine.changes()
        link, self._under_way = self._link, len(load.messages)
        rows = [StateRow(StateKey(*each.key), each.version, each.state) for each in states]
        keys = [StateKey(*key) for key in gone]
        try:
            await self._keep(load, rows, keys)
        except Transient as error:
            self._engine.not_saved([*(each.key for each in states), *gone])
            self._put_back(load, link)
            self._lost(str(error))
            return False
        finally:
            self._under_way = 0
        if load.findings or rows or keys:
            self._back()
        self._metrics.stored(load.findings, now_us())
        self._acknowledge(load.messages, link)
        return True

    async def _keep(self, load: _Load, states: Sequence[StateRow], gone: Sequence[StateKey]) -> None:
        if not (load.findings or states or gone):
            return
        findings = [finding for finding, _ in load.findings]
        try:
            await keep(self._pool, Harvest(findings, states, gone))
        except Refused as error:
            _log.error("the database refuses a finding or a state; saving one by one", reason=str(error))
            await self._one_by_one(findings, states)

    async def _one_by_one(self, findings: Sequence[Finding], states: Sequence[StateRow]) -> None:
        """Save what can be saved, so that one impossible row does not hold up all others."""
        for harvest in [*(Harvest([each]) for each in findings), *(Harvest(states=[each]) for each in states)]:
            try:
                await keep(self._pool, harvest)
            except Refused as error:
                self._metrics.refused.inc()
                _log.error("lost: the database will not have it", what=repr(harvest)[:500], reason=str(error))

    async def _next(self, tries: int) -> None:
        """Wait until there is something to save at once, the time has come, or the pause after a failure is over."""
        if tries:
            ceiling = min(self._pause_max_s, FIRST_PAUSE_S * 2 ** min(tries, 16))
            await asyncio.sleep(random.uniform(ceiling / 2, ceiling))  # noqa: S311 - no secret depends on it
        else:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._urgent.wait(), self._every_s)
        self._urgent.clear()

    def _put_back(self, load: _Load, link: Feed | None) -> None:
        self._load.findings[:0] = load.findings
        if link is self._link:
            self._load.messages[:0] = load.messages

    def _acknowledge(self, messages: Sequence[Message], link: Feed | None) -> None:
        if link is not None and link is self._link:
            for message in messages:
                link.ack(message)

    def _lost(self, reason: str) -> None:
        self._metrics.failures.inc()
        self._health.set("detectors-database", False, reason)
        if not self._away:
            self._away = True
            _log.warning("database lost, judging goes on and saving is tried again", reason=reason)

    def _back(self) -> None:
        if self._away:
            self._away = False
            _log.info("database back")
        self._health.set("detectors-database", True, "saving")
