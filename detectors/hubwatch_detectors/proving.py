"""Keeps from the detectors what is not proven to be its agent's. Collectors keep and tell it; here it is left out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hubwatch_core import incoming, topics
from hubwatch_core.concurrency import backoff_s
from hubwatch_core.errors import Permanent, Poison, Transient
from hubwatch_core.logs import get_logger
from hubwatch_core.message import Message
from hubwatch_core.signing import opened
from hubwatch_core.wire import Birth, Frame
from hubwatch_detectors.settings import DetectorsSettings
from hubwatch_store.devices import AgentKeys

FIRST_PAUSE_S = 0.2

_log = get_logger("detectors")


class Proving:
    """Opens messages and, where the settings ask for it, leaves out those that are not proven."""

    def __init__(self, settings: DetectorsSettings) -> None:
        self._required = settings.signatures == "require"
        self._max_retry_s = settings.database.max_retry_s
        self._keys = AgentKeys(settings.database, f"hubwatch {settings.name} keys")
        self.left_out = 0
        """Messages that were left out."""

    async def opened(self, messages: Sequence[Message]) -> list[Message | None]:
        """Return each message with its own payload, None for one that is left out.

        Waits for the database where it has never been there to say which keys are good.
        """
        own = [opened(message) for message in messages]
        if not self._required:
            return list(own)
        signed = {i: (message, content) for i, message in enumerate(own) if (content := _content(message)) is not None}
        failures = 0
        while True:
            try:
                faults = dict(zip(signed, await self._keys.faults(list(signed.values())), strict=True))
                break
            except (Transient, Permanent) as error:
                failures += 1
                if failures == 1:
                    _log.warning("keys of agents cannot be read, nothing is judged until then", reason=str(error))
                await asyncio.sleep(backoff_s(failures, FIRST_PAUSE_S, self._max_retry_s))
        left_out = [i for i, fault in faults.items() if fault is not None]
        if left_out and not self.left_out:
            fault = faults[left_out[0]]
            reason = fault.reason if fault is not None else ""
            _log.warning("what is not signed by its agent is left out", topic=own[left_out[0]].topic, reason=reason)
        self.left_out += len(left_out)
        return [None if i in left_out else message for i, message in enumerate(own)]

    async def close(self) -> None:
        """Leave the database."""
        await self._keys.close()


def _content(message: Message) -> Frame | Birth | None:
    """Return what must be signed; None for what need not be, or is poison, which is told by whoever judges it."""
    try:
        content = incoming.read(topics.parse(message.topic), message.payload)
    except Poison:
        return None
    return content if isinstance(content, Frame | Birth) else None
