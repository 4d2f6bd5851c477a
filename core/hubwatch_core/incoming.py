"""Reads a message by its topic: whoever consumes frames, births and states checks them in the same way."""

from __future__ import annotations

from enum import StrEnum

from hubwatch_core.errors import Misdirected, Poison
from hubwatch_core.packed_frame import AnyFrame, decode
from hubwatch_core.topics import Leaf, Topic
from hubwatch_core.wire import Birth, decode_birth


class AgentState(StrEnum):
    """What an agent, or the broker in its stead, says of its presence."""

    ONLINE = "online"
    OFFLINE = "offline"


Content = AnyFrame | Birth | AgentState


def read(where: Topic, payload: bytes) -> Content:
    """Decode and check a message that came on the topic `where`.

    A broker's access control is by topic: a message that names another hub or agent than its topic does is forged or
    misdirected. Raises Poison with the reason for that, and for everything the decoders refuse.
    """
    if where.leaf is Leaf.STATE:
        return _state(payload)
    content = decode(payload) if where.leaf is Leaf.FRAME else decode_birth(payload)
    if (content.hub, content.agent) != (where.hub, where.agent):
        raise Misdirected(f"came on the topic of {where.hub}/{where.agent} but says {content.hub}/{content.agent}")
    return content


def _state(payload: bytes) -> AgentState:
    try:
        return AgentState(payload.decode())
    except ValueError:
        raise Poison(f"state is neither online nor offline but {payload[:20]!r}") from None
