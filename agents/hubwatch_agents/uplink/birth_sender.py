"""Publishes the agent's inventory and that it is online. What fails here costs only the birth, and is tried again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hubwatch_core import wire
from hubwatch_core.concurrency import backoff_s, wait_for_event
from hubwatch_core.condition import Condition
from hubwatch_core.health import Health
from hubwatch_core.logs import get_logger
from hubwatch_core.mqtt import MqttLink, MqttRefused
from hubwatch_core.plain_text import one_line

FIRST_PAUSE_S = 1.0
MAX_PAUSE_S = 60.0


class BirthSender:
    """Sends births over one connection after another."""

    def __init__(
        self,
        topic: str,
        state_topic: str,
        birth: Callable[[], bytes],
        health: Health,
        prove: Callable[[bytes], str | None] = lambda _: None,
    ) -> None:
        """Prepare; `birth` makes the inventory as it is sent, `prove` signs it."""
        self._topic, self._state_topic = topic, state_topic
        self._prove = prove
        self._birth = birth
        self._again = asyncio.Event()
        self._traced: set[str] = set()
        self._log = get_logger("uplink")
        self._condition = Condition(
            "birth", health, self._log, lost="birth cannot be sent, trying again; readings go on", back="birth sent"
        )

    def announce(self) -> None:
        """Have it sent again: the inventory has changed."""
        self._again.set()

    async def say_hello(self, link: MqttLink) -> None:
        """Send the birth, then that the agent is online. Raises Transient when the link is lost."""
        self._again.clear()
        await self._try(link)
        await link.publish(self._state_topic, wire.ONLINE, retain=True)

    async def keep_announced(self, link: MqttLink) -> None:
        """Send the birth when the inventory has changed, and again after a failure, until the link is lost."""
        while True:
            if self._condition.holds:
                await self._again.wait()
            else:
                await wait_for_event(self._again, backoff_s(self._condition.failures, FIRST_PAUSE_S, MAX_PAUSE_S))
            self._again.clear()
            await self._try(link)

    async def _try(self, link: MqttLink) -> None:
        try:
            payload = self._birth()
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the inventory, readings go on
            self._trace(error)
            self._condition.lost(f"cannot be made: {one_line(str(error)) or type(error).__name__}")
            return
        try:
            await link.publish(self._topic, payload, retain=True, proof=self._prove(payload))
        except MqttRefused as refusal:
            self._condition.lost(one_line(str(refusal)))
            return
        self._condition.back("sent")

    def _trace(self, error: Exception) -> None:
        kind = type(error).__name__
        if kind not in self._traced:
            self._traced.add(kind)
            self._log.error("birth cannot be made", exc_info=error)
