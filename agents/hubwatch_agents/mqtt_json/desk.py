"""Asks devices for what they do not say by themselves: one request of a queue at a time, each at its period."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hubwatch_agents.mqtt_json.asking import Asker
from hubwatch_agents.mqtt_json.heard import Found, Heard
from hubwatch_agents.mqtt_json.mapper import Mapper
from hubwatch_agents.profiles.mqtt_schema import PolledRequest
from hubwatch_core.clock import now_us
from hubwatch_core.mqtt import Link


@dataclass
class Turn:
    """One request of one sensor, and when it is due next (seconds of the event loop)."""

    mapper: Mapper
    index: int
    request: PolledRequest
    due: float = 0.0


class Desk:
    """The requests of one queue."""

    def __init__(self, turns: list[Turn], asker: Asker, give: Callable[[Iterable[Found]], None]) -> None:
        self._turns = turns
        self._asker = asker
        self._give = give

    async def run(self, link: Link) -> None:
        """Ask for ever. Raises Transient when the link is lost."""
        loop = asyncio.get_running_loop()
        while True:
            turn = min(self._turns, key=lambda each: each.due)
            await asyncio.sleep(max(0.0, turn.due - loop.time()))
            # From now on, not from when it was due: what could not be asked in time is not asked twice afterwards.
            turn.due = loop.time() + (turn.mapper.period_ms or turn.request.period_ms) / 1000
            await self._ask(link, turn)

    async def _ask(self, link: Link, turn: Turn) -> None:
        reply = await self._asker.ask(link, turn.request, turn.request.reply.topic)
        if reply is None:
            reason = f"no reply within {turn.request.timeout_ms / 1000:g} s"
            self._give(turn.mapper.unanswered(turn.index, now_us(), reason))
            return
        heard = Heard(turn.request.reply.topic, b"", retained=False, t=reply.t)
        self._give(turn.mapper.answered(turn.index, reply.document, heard))


def desks(mappers: Iterable[Mapper], asker: Asker, give: Callable[[Iterable[Found]], None]) -> list[Desk]:
    """Give a desk for each queue of these sensors."""
    queues: dict[str, list[Turn]] = {}
    for mapper in mappers:
        for index, request in enumerate(mapper.profile.requests):
            asker.expect(request.reply.topic, request.echo, mapper.sensor)
            queues.setdefault(request.queue or request.topic, []).append(Turn(mapper, index, request))
    return [Desk(turns, asker, give) for turns in queues.values()]
