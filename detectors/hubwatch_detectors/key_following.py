"""Follows the keys of agents beside the detectors' work: nobody waits for the database but whose key is unknown."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from time import monotonic

from hubwatch_core.concurrency import backoff_s
from hubwatch_core.errors import Permanent, Transient
from hubwatch_core.logs import get_logger
from hubwatch_store.devices import AgentKeys

EVERY_S = 5.0
"""How old keys may be: so long a revoked one is still good."""
ANSWERED_WITHIN_S = 0.5
"""How long all others wait for the answer about an unknown key, before they are judged without it."""
FIRST_PAUSE_S = 0.2

_log = get_logger("detectors")


class KeyFollowing:
    """Asks for keys, one question at a time, and knows which question was answered last."""

    def __init__(self, keys: AgentKeys, max_pause_s: float) -> None:
        self._keys, self._max_pause_s = keys, max_pause_s
        self.asked = self.answered = 0
        """Numbers of the last question, and of the last one that was answered."""
        self._question: asyncio.Task[None] | None = None
        self._failures = 0
        self._pause_ends = self._read_at = self._asked_at = monotonic()

    async def first(self) -> None:
        """Wait until keys have been read once: before that nobody can be believed."""
        while not self.answered:
            self._ask(None)
            assert self._question is not None
            await asyncio.wait([self._question])
            self._raise_ours()
            if self._failures:
                await asyncio.sleep(max(0.0, self._pause_ends - monotonic()))

    def follow(self) -> None:
        """Begin to ask for all keys when those that are there are old."""
        if monotonic() - self._read_at >= EVERY_S:
            self._ask(None)

    async def look_for(self, agents: Collection[tuple[str, str]]) -> None:
        """Ask for the keys of some agents, and wait a little; not while the database is known to be away."""
        self._ask(agents)
        patience_s = self._asked_at + ANSWERED_WITHIN_S - monotonic()
        if self._question is not None and not self._failures and patience_s > 0:
            await asyncio.wait([self._question], timeout=patience_s)
            self._raise_ours()

    async def close(self) -> None:
        """Leave the database."""
        if self._question is not None:
            self._question.cancel()
            await asyncio.gather(self._question, return_exceptions=True)  # what it raised was raised, or ends with us
        await self._keys.close()

    def _ask(self, agents: Collection[tuple[str, str]] | None) -> None:
        self._raise_ours()
        if monotonic() < self._pause_ends or (self._question is not None and not self._question.done()):
            return
        self.asked, self._asked_at = self.asked + 1, monotonic()
        self._question = asyncio.create_task(self._answer(self.asked, agents))

    def _raise_ours(self) -> None:
        """Raise what has ended a question and is none of the database's failures: it is our own, and ends the part."""
        if self._question is not None and self._question.done():
            self._question.result()

    async def _answer(self, number: int, agents: Collection[tuple[str, str]] | None) -> None:
        try:
            await self._keys.read(agents)
        except (Transient, Permanent) as error:
            self._failures += 1
            self._pause_ends = monotonic() + backoff_s(self._failures, FIRST_PAUSE_S, self._max_pause_s)
            if self._failures == 1:
                _log.warning(
                    "database does not say whose keys are good; what was read before serves", reason=str(error)
                )
            return
        if self._failures:
            _log.info("database says again whose keys are good")
        self._failures, self.answered = 0, number
        if agents is None:
            self._read_at = monotonic()
