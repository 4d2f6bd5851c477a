"""Keeps from the detectors what is not proven to be its agent's, or is another's to say.

Collectors keep and tell it; here it is left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from time import monotonic
from typing import TypeVar

from hubwatch_core import incoming, topics
from hubwatch_core.concurrency import backoff_s
from hubwatch_core.errors import Permanent, Poison, Transient
from hubwatch_core.logs import get_logger
from hubwatch_core.message import Message
from hubwatch_core.packed_frame import AnyFrame
from hubwatch_core.signing import opened
from hubwatch_core.wire import Birth
from hubwatch_detectors.owning import ASK_AGAIN_S, Owning
from hubwatch_detectors.settings import DetectorsSettings
from hubwatch_store.database import Pool
from hubwatch_store.devices import AgentKeys

FIRST_PAUSE_S = 0.2
Answer = TypeVar("Answer")

_log = get_logger("detectors")


class Proving:
    """Opens messages and, where the settings ask for it, leaves out those that are not proven."""

    def __init__(self, settings: DetectorsSettings, pool: Pool) -> None:
        self._required = settings.signatures == "require"
        self._max_retry_s = settings.database.max_retry_s
        self._keys = AgentKeys(settings.database, f"hubwatch {settings.name} keys")
        self._owning = Owning(pool) if settings.claims == "refuse" else None
        self._look_at = monotonic() + ASK_AGAIN_S
        self.left_out = 0
        """Messages that were left out."""

    async def opened(self, messages: Sequence[Message]) -> list[Message | None]:
        """Return each message with its own payload and what its agent may say, None for one that is left out.

        Waits for the database as long as it is needed to tell.
        """
        own: list[Message | None] = [opened(message) for message in messages]
        if not self._required and self._owning is None:
            return own
        said = {
            i: content for i, each in enumerate(own) if each is not None and (content := _content(each)) is not None
        }
        if self._required and said:
            for i in await self._unproven([(i, own[i], content) for i, content in said.items()]):
                own[i] = None
                del said[i]
        if self._owning is not None and said:
            signed = [(message, content) for i, content in said.items() if (message := own[i]) is not None]
            owning = self._owning
            for i, message in zip(said, await self._patiently(lambda: owning.own(signed)), strict=True):
                own[i] = message
        return own

    async def changed(self, now: int) -> list[Message]:
        """Return births that count anew from `now` (µs) on: a person has given a sensor to another agent."""
        if self._owning is None or monotonic() < self._look_at:
            return []
        self._look_at = monotonic() + ASK_AGAIN_S
        with suppress(Transient, Permanent):  # who saves reports that the database is away
            return await self._owning.changed(now)
        return []

    def look_at_once(self) -> None:
        """Have the next call of `changed` ask the database."""
        self._look_at = monotonic()

    async def _unproven(self, signed: Sequence[tuple[int, Message | None, AnyFrame | Birth]]) -> list[int]:
        """Return which messages are not proven."""
        asked = [(message, content) for _, message, content in signed if message is not None]
        faults = await self._patiently(lambda: self._keys.faults(asked))
        found = [(i, fault) for (i, _, _), fault in zip(signed, faults, strict=True) if fault is not None]
        if found and not self.left_out:
            _log.warning("what is not signed by its agent is left out", reason=found[0][1].reason)
        self.left_out += len(found)
        return [i for i, _ in found]

    async def _patiently(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        failures = 0
        while True:
            try:
                return await ask()
            except (Transient, Permanent) as error:
                failures += 1
                if failures == 1:
                    _log.warning("database cannot say whom to believe, nothing is judged until then", reason=str(error))
                await asyncio.sleep(backoff_s(failures, FIRST_PAUSE_S, self._max_retry_s))

    async def close(self) -> None:
        """Leave the database."""
        await self._keys.close()


def _content(message: Message) -> AnyFrame | Birth | None:
    """Return what must be signed; None for what need not be, or is poison, which is told by whoever judges it."""
    try:
        content = incoming.read(topics.parse(message.topic), message.payload)
    except Poison:
        return None
    return content if isinstance(content, AnyFrame | Birth) else None
