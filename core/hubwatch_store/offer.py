"""What a collector offers the store: one message each, decoded or declared dead."""

from __future__ import annotations

from dataclasses import dataclass

from hubwatch_core.wire import Birth, Frame


@dataclass(frozen=True, slots=True)
class State:
    """An agent said it is online, or its last will said it is not."""

    hub: str
    agent: str
    online: bool


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
    """A message as it came (`received` in µs UTC), with what it holds."""

    topic: str
    payload: bytes
    received: int
    content: Frame | Birth | State | Letter
