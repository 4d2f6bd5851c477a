"""What a collector offers the store: one message each, decoded or declared dead."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hubwatch_core.message import Message
from hubwatch_core.packed_frame import AnyFrame
from hubwatch_core.wire import Birth


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


class Mistrust(StrEnum):
    """Why a message that can be read is refused all the same, or somebody who would send one."""

    FORGED = "forged"
    REPLAYED = "replayed"
    CLAIMED = "claimed"
    LIMIT = "limit"
    UNANNOUNCED = "unannounced"
    UNIT = "unit"
    LOGIN = "login"
    TOPIC = "topic"


@dataclass(frozen=True, slots=True)
class Letter:
    """A message that is not processed; who sent it and as which frame, where that could be read and is believed.

    An agent is told that a frame named here is kept, and keeps it no longer. `kind` says that it is not believed, or is
    not that agent's to say; then `sensor` may say of what.
    """

    reason: str
    hub: str | None = None
    agent: str | None = None
    epoch: str | None = None
    seq: int | None = None
    kind: Mistrust | None = None
    sensor: str | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that is told and of which nothing is kept, with how often it happened."""

    kind: Mistrust
    reason: str
    hub: str
    agent: str
    times: int = 1
    sensor: str | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """A message as it came, with what it holds."""

    message: Message
    content: AnyFrame | Birth | State | Departure | Letter | Notice
