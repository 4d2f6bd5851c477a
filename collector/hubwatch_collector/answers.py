"""Tells agents what became of their frames: which are stored, and that their roll calls are heard.

An agent keeps each frame until a collector has named it (docs/decisions/0045). Each collector of a group answers for
what it has stored itself: at once when it has taken a roll call of the agent, else every `EVERY_S`. What cannot be told
costs only that the agent sends a frame once more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from hubwatch_core import topics
from hubwatch_core.answers import MAX_RANGES, Answer, StoredRange, encode_answer, nonce_of
from hubwatch_core.concurrency import wait_for_event
from hubwatch_core.condition import Condition
from hubwatch_core.errors import Transient
from hubwatch_core.health import Health
from hubwatch_core.logs import get_logger
from hubwatch_core.message import Message
from hubwatch_core.mqtt import Feed, MqttRefused
from hubwatch_core.packed_frame import AnyFrame
from hubwatch_store.ingest import Letter, Offer

EVERY_S = 2.0
EXPIRES_S = 60
"""An answer that could not be delivered by then is worth nothing: the agent has sent the frames again."""
MAX_AGENTS = 10_000
"""Agents that may wait for an answer at a time: so many topics may bring frames before any is answered."""
AT_ONCE = 100
"""Answers under way to the broker at a time."""
ACKNOWLEDGED_S = 30.0
"""An answer that the broker has not acknowledged by then is told again. It may acknowledge none and still answer pings;
and while the database is away nothing it says is read.
"""

AgentName = tuple[str, str]


class PendingAnswer:
    """What one agent has not been told yet."""

    def __init__(self) -> None:
        self.nonce: str | None = None
        self._ranges: dict[str, list[list[int]]] = {}
        self._count = 0

    def stored(self, epoch: str, seq: int) -> None:
        """Add a frame, as far as there is room in one answer."""
        ranges = self._ranges.get(epoch)
        if ranges and ranges[-1][0] <= seq <= ranges[-1][1] + 1:
            ranges[-1][1] = max(seq, ranges[-1][1])
        elif self._count < MAX_RANGES:
            self._ranges.setdefault(epoch, []).append([seq, seq])
            self._count += 1

    def answer(self, name: AgentName) -> Answer:
        """Return what is to be told."""
        stored = [StoredRange(epoch, *each) for epoch, ranges in self._ranges.items() for each in ranges]
        return Answer(1, *name, self.nonce, stored)


class Answers:
    """Gathers what agents are to be told, and tells them over one connection after another."""

    def __init__(self, health: Health) -> None:
        self._pending: dict[AgentName, PendingAnswer] = {}
        self._called: set[AgentName] = set()
        self._due = asyncio.Event()
        self._condition = Condition(
            "answers", health, get_logger("collector"),
            lost="agents cannot be told what is stored, and keep all they have; trying again",
            back="agents are told what is stored",
        )  # fmt: skip

    def stored(self, messages: Sequence[Message], offers: Iterable[Offer]) -> None:
        """Note what is in the database, as readings or as dead letters, and which roll calls came with it."""
        for message in messages:
            if topics.is_rollcall(message.topic):
                self._call(message)
        for offer in offers:
            content = offer.content
            if isinstance(content, AnyFrame | Letter):
                self._note(content)

    async def run(self, feed: Feed) -> None:
        """Tell agents over one connection, until it is lost, which raises Transient."""
        while True:
            called = await wait_for_event(self._due, EVERY_S)
            await self.tell(feed, only_called=called)

    async def tell(self, feed: Feed, *, only_called: bool = False) -> None:
        """Tell what there is to tell: to all agents, or only to those who have called."""
        self._due.clear()
        names = list(self._called if only_called else self._pending)
        self._called.clear()
        refusals: list[str] = []
        try:
            for i in range(0, len(names), AT_ONCE):
                told = await asyncio.gather(*(self._tell(feed, name) for name in names[i : i + AT_ONCE]))
                refusals += [refusal for refusal in told if refusal is not None]
        except TimeoutError:
            self._condition.lost(f"the broker has not acknowledged an answer within {ACKNOWLEDGED_S:g} s")
            return
        if refusals:
            self._condition.lost(f"{refusals[0]}; check its ACL: collectors must be allowed to write {topics.ANSWERS}")
        elif names:
            self._condition.back("agents are told what is stored")

    async def _tell(self, feed: Feed, name: AgentName) -> str | None:
        """Tell one agent; return why the broker refuses it. Raises TimeoutError when it does not acknowledge."""
        pending = self._pending.pop(name, None)
        if pending is None:
            return None
        try:
            async with asyncio.timeout(ACKNOWLEDGED_S):
                await feed.publish(topics.answer(*name), encode_answer(pending.answer(name)), expires_s=EXPIRES_S)
        except MqttRefused as refusal:
            return str(refusal)
        except (Transient, TimeoutError):
            self._pending.setdefault(name, pending)  # told later, unless there is newer
            raise
        return None

    def _call(self, message: Message) -> None:
        name, nonce = topics.called_by(message.topic), nonce_of(message.payload)
        if name is None or nonce is None:  # of an agent that asks for no answer
            return
        pending = self._of(name)
        if pending is not None:
            pending.nonce = nonce
            self._called.add(name)
            self._due.set()

    def _note(self, content: AnyFrame | Letter) -> None:
        if not (content.hub and content.agent and content.epoch and content.seq):
            return  # a letter that names no frame
        pending = self._of((content.hub, content.agent))
        if pending is not None:
            pending.stored(content.epoch, content.seq)

    def _of(self, name: AgentName) -> PendingAnswer | None:
        pending = self._pending.get(name)
        if pending is None and len(self._pending) < MAX_AGENTS:
            pending = self._pending[name] = PendingAnswer()
        return pending
