"""Keeps from the detectors what is not proven to be its agent's, or is another's to say.

Collectors keep and tell it; here it is left out. What is signed with a key that is unknown while the database is away
waits, unacknowledged, and holds up nobody else's.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import TypeVar

from hubwatch_core import incoming, topics
from hubwatch_core.concurrency import backoff_s
from hubwatch_core.errors import Permanent, Poison, Transient
from hubwatch_core.logs import get_logger
from hubwatch_core.message import Message
from hubwatch_core.packed_frame import AnyFrame
from hubwatch_core.signing import opened
from hubwatch_core.topics import Leaf
from hubwatch_core.wire import Birth
from hubwatch_detectors.key_following import KeyFollowing
from hubwatch_detectors.metrics import DetectorMetrics
from hubwatch_detectors.owning import ASK_AGAIN_S, Owning
from hubwatch_detectors.settings import DetectorsSettings
from hubwatch_store.database import Pool
from hubwatch_store.devices import AgentKeys

FIRST_PAUSE_S = 0.2
Answer = TypeVar("Answer")

_log = get_logger("detectors")


MAX_WAITING = 500
"""Messages that wait because nobody can say yet whose key has signed them. They are not acknowledged: together with
`max_unsaved` they stay below what a broker sends ahead.
"""
MAX_WAITING_OF_AGENT = 100
"""Of them those under one agent's name: nobody takes the room of all others."""


@dataclass(slots=True)
class _Came:
    """A message as it came, with its own payload, and what must be signed of it."""

    message: Message
    own: Message | None
    content: AnyFrame | Birth | None
    since: int = 0
    """The last question about keys that was asked before it came."""
    state_of: tuple[str, str] | None = None
    """Whose state it is, which nobody signs."""

    @property
    def agent(self) -> tuple[str, str]:
        assert self.content is not None, "only what must be signed is asked for"
        return self.content.hub, self.content.agent


class Proving:
    """Opens messages and, where the settings ask for it, leaves out those that are not proven."""

    def __init__(self, settings: DetectorsSettings, pool: Pool, metrics: DetectorMetrics | None = None) -> None:
        self._required = settings.signatures == "require"
        self._metrics = metrics
        self._max_retry_s = settings.database.max_retry_s
        self._keys = AgentKeys(settings.database, f"hubwatch {settings.name} keys")
        self._following = KeyFollowing(self._keys, self._max_retry_s)
        self._owning = Owning(pool) if settings.claims == "refuse" else None
        self._look_at = monotonic() + ASK_AGAIN_S
        self._waiting: list[_Came] = []
        self.left_out = 0
        """Messages that were left out."""
        self.without_room = 0
        """Of them those that nobody looked at, because too many waited for a key."""

    @property
    def waiting(self) -> int:
        """Return the number of messages of which nobody can say yet whether they are proven."""
        return len(self._waiting)

    @property
    def awaited(self) -> set[tuple[str, str]]:
        """Return the hubs and agents in whose name something waits."""
        return {each.agent for each in self._waiting if each.content is not None}

    def linked(self) -> None:
        """Forget what waits: over a new connection it is delivered again."""
        self._waiting = []

    async def opened(self, messages: Sequence[Message]) -> list[tuple[Message, Message | None]]:
        """Return messages, each with what its agent may say of it, None where it is left out.

        A message that is signed with an unknown key comes back by a later call where the database does not answer:
        those of others are not held up by it. For whose a sensor is the database is waited for.
        """
        came = [_Came(message, opened(message), None) for message in messages]
        if self._required or self._owning is not None:
            for each in came:
                each.content = _content(each.own) if each.own is not None else None
        if self._required:
            came = await self._proven(came)
        if self._owning is not None:
            await self._leave_to_owners(came)
        return [(each.message, each.own) for each in came]

    async def _leave_to_owners(self, came: Sequence[_Came]) -> None:
        signed = [each for each in came if each.own is not None and each.content is not None]
        owning = self._owning
        if not signed or owning is None:
            return
        asked = [(each.own, each.content) for each in signed if each.own is not None and each.content is not None]
        for each, own in zip(signed, await self._patiently(lambda: owning.own(asked)), strict=True):
            each.own = own

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

    async def _proven(self, new: Sequence[_Came]) -> list[_Came]:
        """Return what of `new`, and of what waited, is known to be proven or not; the rest waits."""
        await self._following.first()
        self._following.follow()
        for each in new:
            each.since = self._following.asked
            each.state_of = _state_of(each.own)
        # All that waits is looked at with what is new, so that nothing of an agent comes before what it sent earlier.
        came, self._waiting = [*self._waiting, *new], []
        unknown = await self._judge(came)
        if unknown:
            await self._following.look_for({each.agent for each in unknown})
            unknown = await self._judge(unknown)
        self._hold(came, unknown)
        held = {id(each) for each in self._waiting}
        return [each for each in came if id(each) not in held]

    async def _judge(self, came: Sequence[_Came]) -> list[_Came]:
        """Take the payload from what is not proven; return that of which newer keys may tell.

        An unknown key may be newer than those that were read, until a question is answered that was asked after the
        message came.
        """
        answered = self._following.answered  # before the check: an answer that comes meanwhile is not looked at by it
        signed = [each for each in came if each.content is not None]
        asked = [(each.own, each.content) for each in signed if each.own is not None and each.content is not None]
        unknown = []
        for each, fault in zip(signed, await self._keys.former_faults(asked), strict=True):
            if fault is not None and fault.unknown_key and each.since >= answered:
                unknown.append(each)
            elif fault is not None:
                self._leave_out(each, fault.reason)
        return unknown

    def _hold(self, came: Sequence[_Came], unknown: Sequence[_Came]) -> None:
        """Have messages wait, as many as there is room for, and the states of their agents that came after them.

        Receiving goes on without room: it would be a stranger that stops it for the whole hub.
        """
        asked = {id(each) for each in unknown}
        of_agent = Counter[tuple[str, str]]()
        for each in came:
            is_asked = id(each) in asked
            agent = each.agent if is_asked else each.state_of
            if agent is None or not (is_asked or of_agent[agent]):
                continue
            if len(self._waiting) < MAX_WAITING and of_agent[agent] < MAX_WAITING_OF_AGENT:
                of_agent[agent] += 1
                self._waiting.append(each)
            elif is_asked:
                self._leave_without_room(each)

    def _leave_without_room(self, each: _Came) -> None:
        if not self.without_room:
            _log.error(
                "too many messages wait until the database says whose key has signed them; more are not judged",
                hub=each.agent[0], agent=each.agent[1],
            )  # fmt: skip
        self.without_room += 1
        self._count_out(each, "no_room")

    def _leave_out(self, each: _Came, reason: str) -> None:
        if self.left_out == self.without_room:
            _log.warning("what is not signed by its agent is left out", reason=reason)
        self._count_out(each, "unproven")

    def _count_out(self, each: _Came, why: str) -> None:
        self.left_out += 1
        if self._metrics is not None:
            self._metrics.left_out.labels(why).inc()
        each.own = None

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
        await self._following.close()


def _content(message: Message) -> AnyFrame | Birth | None:
    """Return what must be signed; None for what need not be, or is poison, which is told by whoever judges it."""
    try:
        content = incoming.read(topics.parse(message.topic), message.payload)
    except Poison:
        return None
    return content if isinstance(content, AnyFrame | Birth) else None


def _state_of(message: Message | None) -> tuple[str, str] | None:
    """Return the hub and the agent whose state a message is, None where it is none."""
    if message is None:
        return None
    try:
        topic = topics.parse(message.topic)
    except Poison:
        return None
    return (topic.hub, topic.agent) if topic.leaf is Leaf.STATE else None
