"""What a collector offers the store: one message each, decoded or declared dead."""

from __future__ import annotations

from dataclasses import dataclass

from hubwatch_core.message import Message
from hubwatch_core.wire import Birth, Frame


@dataclass(frozen=True, slots=True)
class State:
    """An agent said it is online, or its last will said it is not."""

    hub: str
    agent: str
    online: bool


@dataclass(frozen=True, slots=True)
class Departure:
    """An agent's retained birth was removed from its topic: it was taken away for good."""

    hub: str
    agent: str


@dataclass(frozen=True, slots=True)
class Letter:
    """A message that can never be processed; who sent it and as which frame, where that could be read."""

    reason: str
    hub: str | None = None
    agent: str | None = None
    epoch: str | None = None
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """A message as it came, with what it holds."""

    message: Message
    content: Frame | Birth | State | Departure | Letter
