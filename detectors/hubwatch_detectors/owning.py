"""Keeps from the detectors what an agent says of another's sensor. Collectors keep and tell it; here it is left out.

Whose a sensor is stands in the database, where collectors and people write it. Births are remembered, because a person
may move a sensor while none comes: then they count anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import monotonic

import msgspec

from hubwatch_core import packed_frame, wire
from hubwatch_core.message import Message
from hubwatch_core.packed_frame import AnyFrame
from hubwatch_core.wire import Birth
from hubwatch_store.database import Pool, translated
from hubwatch_store.devices import Rights, SayingRules, claimed_in

ASK_AGAIN_S = 5.0
"""How long an answer about whose a sensor is serves."""
MOST_BIRTHS = 10_000


@dataclass(slots=True)
class _Said:
    """A birth as it came, and the sensors in it that were another's."""

    message: Message
    birth: Birth
    claimed: frozenset[str]


class Owning:
    """Leaves out of messages what is another agent's to say."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._rights = Rights(SayingRules(own=True))
        self._births: dict[tuple[str, str], _Said] = {}
        self._asked = monotonic()

    async def own(self, messages: Sequence[tuple[Message, AnyFrame | Birth]]) -> list[Message]:
        """Return messages with what their agents may say. Raises Transient or Permanent."""
        if monotonic() - self._asked > ASK_AGAIN_S:
            self._rights.forget()
            self._asked = monotonic()
        with translated():
            async with self._pool.connection() as connection:
                frames = [content for _, content in messages if isinstance(content, AnyFrame)]
                sifted = iter(await self._rights.sift(connection, frames))
                found = []
                for message, content in messages:
                    if isinstance(content, AnyFrame):
                        rest = next(sifted).frame
                        if rest is content:
                            found.append(message)
                        else:
                            found.append(replace(message, payload=packed_frame.encode(rest)))
                    else:
                        claimed = frozenset(await claimed_in(connection, content))
                        self._remember(_Said(message, content, claimed))
                        found.append(_without(message, content, claimed))
        return found

    async def changed(self, sent: int) -> list[Message]:
        """Return births that count anew, as said at `sent` (µs), because a sensor in them changed hands. Raises as
        `own`.
        """
        news = []
        with translated():
            async with self._pool.connection() as connection:
                for said in self._births.values():
                    claimed = frozenset(await claimed_in(connection, said.birth))
                    if claimed != said.claimed:
                        said.claimed = claimed
                        said.birth = msgspec.structs.replace(said.birth, sent=max(sent, said.birth.sent + 1))
                        again = replace(said.message, payload=wire.encode(said.birth), retain=False)
                        news.append(_without(again, said.birth, claimed))
        self._rights.forget()
        return news

    def _remember(self, said: _Said) -> None:
        name = (said.birth.hub, said.birth.agent)
        known = self._births.get(name)
        if known is None and len(self._births) >= MOST_BIRTHS:
            return
        if known is None or said.birth.sent >= known.birth.sent or not said.message.retain:
            self._births[name] = said


def _without(message: Message, birth: Birth, claimed: frozenset[str]) -> Message:
    if not claimed:
        return message
    rest = [sensor for sensor in birth.inventory if sensor.sensor not in claimed]
    return replace(message, payload=wire.encode(msgspec.structs.replace(birth, inventory=rest)))
