"""Stands between what came and what is stored: budgets, signatures, and what comes again without a reason.

What is refused here is kept as a dead letter that names no frame, so that its agent is not told that the frame is
stored: an agent whose frames are refused keeps them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from hubwatch_collector.budgets import Budgets
from hubwatch_collector.decoding import decode, topic_of
from hubwatch_collector.settings import IntakeSection
from hubwatch_core.clock import SECOND_US
from hubwatch_core.message import Message
from hubwatch_core.mqtt import Feed
from hubwatch_core.packed_frame import AnyFrame, PackedFrame
from hubwatch_core.signature_check import Unproven, leaf_of
from hubwatch_core.signing import opened
from hubwatch_core.time_limits import Limits
from hubwatch_core.wire import Birth, Frame
from hubwatch_store.ingest import Letter, Mistrust, Offer

REPLAY_US = 60 * SECOND_US
"""A frame that is stored already and was sent so long before its agent's newest on the same connection is a replay: a
broker keeps the order of a topic, and says of what it delivers again that it does.
"""
BIRTHS = 32
"""Births of each agent that are recognised when they come again."""
MAX_AGENTS = 10_000

_FRAME = (Frame, PackedFrame)
_SIGNED = (*_FRAME, Birth)
"""A tuple of types, because `isinstance` with a union takes three times as long."""

Faults = Callable[[Sequence[tuple[Message, AnyFrame | Birth]]], Awaitable[list[Unproven | None]]]
"""Says of signed messages why each is not its agent's, None where it is."""
AgentName = tuple[str, str]
Value = TypeVar("Value")


class Guard:
    """Judges messages before they are stored. With signatures off it only looks at budgets."""

    def __init__(self, settings: IntakeSection, limits: Limits, faults: Faults) -> None:
        self.budgets = Budgets(settings.limits)
        self._mode = settings.signatures
        self._limits = limits
        self._faults = faults
        self._feed: Feed | None = None
        self._newest: dict[AgentName, int] = {}
        self._births: OrderedDict[AgentName, OrderedDict[bytes, None]] = OrderedDict()
        self._late: list[Offer] = []

    async def judged(self, feed: Feed | None, messages: Sequence[Message]) -> list[Offer]:
        """Return what is to be stored of messages that came on one connection, and what is to be told of them.

        Raises Transient or Permanent while keys are needed and have never been there.
        """
        if (messages and feed is not self._feed) or len(self._newest) > MAX_AGENTS:
            self._feed = feed
            self._newest.clear()  # over another connection older ones may come first
        offers = self._within_budgets(messages)
        if self._mode != "off":
            offers = await self._trusted(offers)
        late, self._late = self._late, []
        offers = self._bounded([*late, *offers])
        message = messages[0] if messages else Message("", b"", 0, False, 0, 0)
        return offers + [Offer(message, notice) for notice in self.budgets.notices()]

    def stored_before(self, offers: Sequence[Offer]) -> None:
        """Take note of frames that the ledger had: those that nobody but a stranger has a reason to send are told."""
        if self._mode == "off":
            return
        for offer in offers:
            content = offer.content
            if not isinstance(content, _FRAME) or offer.message.redelivered:
                continue
            if content.sent < self._newest.get((content.hub, content.agent), 0) - REPLAY_US:
                reason = f"frame {content.seq} of epoch {content.epoch} is stored, and was sent once more by somebody"
                self._late.append(_refused(offer, Mistrust.REPLAYED, reason))

    # -- steps -------------------------------------------------------------------------------------------------

    def _within_budgets(self, messages: Sequence[Message]) -> list[Offer]:
        offers = []
        for came in messages:
            message = opened(came)
            where = topic_of(message.topic)
            if where is not None and not self.budgets.takes(where, message):
                continue
            offer = decode(message, where, self._limits)
            if offer is None:
                continue
            if isinstance(offer.content, Birth) and (reason := self.budgets.too_long(offer.content)) is not None:
                offer = _refused(offer, Mistrust.LIMIT, reason)
            offers.append(offer)
        return offers

    async def _trusted(self, offers: Sequence[Offer]) -> list[Offer]:
        signed = [(each.message, each.content) for each in offers if isinstance(each.content, _SIGNED)]
        found = iter(await self._faults(signed))
        trusted: list[Offer] = []
        for offer in offers:
            content = offer.content
            fault = next(found) if isinstance(content, _SIGNED) else None
            if fault is None and isinstance(content, _FRAME):
                self._note(content)
                trusted.append(offer)
            else:
                trusted += self._after_check(offer, fault)
        return trusted

    def _after_check(self, offer: Offer, fault: Unproven | None) -> list[Offer]:
        content = offer.content
        if fault is not None:
            refused = _refused(offer, Mistrust.FORGED, fault.reason)
            return [refused] if self._mode == "require" else [refused, offer]
        if isinstance(content, Birth) and self._came_before(offer.message, content):
            return [_refused(offer, Mistrust.REPLAYED, "this birth came before, and a later one has come since")]
        return [offer]

    def _note(self, frame: AnyFrame) -> None:
        """Remember when the newest frame of an agent was sent that is its own."""
        name = (frame.hub, frame.agent)
        if frame.sent > self._newest.get(name, 0):
            self._newest[name] = frame.sent

    def _came_before(self, message: Message, birth: Birth) -> bool:
        """Return whether a birth has come and was followed by another: only then it says what is not so any more."""
        name, leaf = (birth.hub, birth.agent), leaf_of(message, birth)
        seen = self._births.pop(name, None) or OrderedDict[bytes, None]()
        _put(self._births, name, seen)
        if leaf in seen:
            return next(reversed(seen)) != leaf and not (message.retain or message.redelivered)
        seen[leaf] = None
        if len(seen) > BIRTHS:
            seen.popitem(last=False)
        return False

    def _bounded(self, offers: Sequence[Offer]) -> list[Offer]:
        """Leave out letters that are beyond what is kept of an agent."""
        return [each for each in offers if self._keeps(each.content)]

    def _keeps(self, content: object) -> bool:
        if not isinstance(content, Letter) or content.hub is None or content.agent is None:
            return True
        return self.budgets.keeps_letter(content.hub, content.agent)


def _refused(offer: Offer, kind: Mistrust, reason: str) -> Offer:
    content = offer.content
    assert isinstance(content, _SIGNED), "nothing else is signed"
    return Offer(offer.message, Letter(reason, content.hub, content.agent, kind=kind))


def _put(table: OrderedDict[AgentName, Value], name: AgentName, value: Value) -> None:
    table[name] = value
    table.move_to_end(name)
    if len(table) > MAX_AGENTS:
        table.popitem(last=False)
