"""A second chance for dead letters: what is good now is stored, by the rules that hold for what comes today.

People ask for it over the API, whose login may store nothing; a collector does it.
"""

from __future__ import annotations

import asyncio
from typing import Any

from hubwatch_collector.budgets import Budgets
from hubwatch_collector.decoding import limits_of, offer_of
from hubwatch_collector.settings import CollectorSettings
from hubwatch_core.clock import to_us
from hubwatch_core.concurrency import wait_for_event
from hubwatch_core.condition import Condition
from hubwatch_core.errors import Permanent, Transient
from hubwatch_core.health import Health
from hubwatch_core.logs import get_logger
from hubwatch_core.message import Message
from hubwatch_core.packed_frame import AnyFrame
from hubwatch_core.wire import Birth
from hubwatch_store.database import connect_sync, limit_answers
from hubwatch_store.devices import AgentKeys, SayingRules
from hubwatch_store.ingest import DeadLetter, Letter, Mistrust, Writer, asked, mark_replayed, mark_still_dead, shown

CHECK = "dead-letters"
LOOK_EVERY_S = 2.0
LOOKED_WITHIN_S = 180.0
ANSWER_WITHIN_S = 5.0
"""Of the database: a process that is to end waits for no longer."""
AT_A_TIME = 100
"""Dead letters that are looked for at once; one of them at a time is in memory."""
NAME = "hubwatch collector dead letters"

_log = get_logger("collector")


class SecondChances:
    """Tries dead letters again, over connections of its own."""

    def __init__(self, settings: CollectorSettings, name: str = NAME) -> None:
        intake = settings.intake
        self._settings, self._name = settings, name
        self._limits = limits_of(intake)
        self._budgets = Budgets(intake.limits)
        self._keys = AgentKeys(settings.database, name)
        rules = SayingRules(own=intake.claims == "refuse", announced=intake.unannounced == "refuse")
        self._writer = Writer(settings.database, name, own_epochs=intake.signatures != "off", rules=rules)
        self._link: Any = None

    async def close(self) -> None:
        """Leave."""
        self._hang_up()
        await self._keys.close()
        await self._writer.close()

    async def run(self, stop: asyncio.Event, health: Health) -> None:
        """Try what people ask for until `stop` is set."""
        database = Condition(
            CHECK, health, _log, lost="dead letters cannot be tried again", back="dead letters are looked at"
        )
        health.expect(CHECK, LOOKED_WITHIN_S)
        try:
            while not await wait_for_event(stop, LOOK_EVERY_S):
                try:
                    await self.round()
                    database.back()
                    health.did(CHECK)
                except (Transient, Permanent) as error:
                    self._hang_up()
                    database.lost(str(error))
        finally:
            health.expect_no_more(CHECK)
            await self.close()

    async def round(self) -> int:
        """Try what is asked for now; return how many are stored. Raises Transient or Permanent."""
        stored = 0
        for number in await asyncio.to_thread(self._asked):
            why = await self.again(await asyncio.to_thread(self._shown, number))
            await asyncio.to_thread(self._settle, number, why)
            stored += why is None
        if stored:
            _log.info("dead letters were stored after all", count=stored)
        return stored

    async def again(self, letter: DeadLetter) -> str | None:
        """Store a dead letter; return the reason when it is still dead. Raises Transient or Permanent."""
        offer = offer_of(Message(letter.topic, letter.payload, 1, False, 0, to_us(letter.first_seen)), self._limits)
        if offer is None:
            return None
        if isinstance(offer.content, Letter):
            return offer.content.reason
        if isinstance(offer.content, Birth) and (reason := self._budgets.too_long(offer.content)) is not None:
            return reason
        mistrusted = letter.kind in (Mistrust.FORGED, Mistrust.REPLAYED)
        if isinstance(offer.content, AnyFrame | Birth) and (
            mistrusted or self._settings.intake.signatures == "require"
        ):
            (fault,) = await self._keys.faults([(offer.message, offer.content)])
            if fault is not None:
                return fault.reason
        written = await self._writer.write([offer])
        return written.dead[0].reason if written.dead else None

    def _asked(self) -> list[int]:
        return asked(self._connected(), AT_A_TIME)

    def _shown(self, number: int) -> DeadLetter:
        return shown(self._connected(), number)

    def _settle(self, number: int, why: str | None) -> None:
        if why is None:
            mark_replayed(self._connected(), number)
        else:
            mark_still_dead(self._connected(), number, why)

    def _connected(self) -> Any:
        if self._link is None:
            self._link = connect_sync(self._settings.database, self._name)
            limit_answers(self._link, ANSWER_WITHIN_S)
        return self._link

    def _hang_up(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.close()
