"""From a message to what the store is offered: a frame, a birth, a state, or a dead letter with its reason."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from hubwatch_collector.settings import IntakeSection
from hubwatch_core import incoming, topics, wire
from hubwatch_core.clock import SECOND_US
from hubwatch_core.errors import Misdirected, Poison
from hubwatch_core.incoming import AgentState
from hubwatch_core.message import Message
from hubwatch_core.packed_frame import AnyFrame, is_packed
from hubwatch_core.signing import opened
from hubwatch_core.time_limits import Limits, check_times
from hubwatch_core.topics import Leaf, Topic
from hubwatch_store.ingest import Departure, Letter, Mistrust, Offer, State


class _Identity(msgspec.Struct, frozen=True):
    """Just what names a frame, read from a payload that is wrong elsewhere."""

    hub: wire.Id
    agent: wire.Id
    epoch: wire.Ulid
    seq: wire.Seq


_identity = msgspec.json.Decoder(_Identity)
_packed_identity = msgspec.msgpack.Decoder(_Identity)


_parsed = lru_cache(maxsize=4096)(topics.parse)
"""Agents are few and their topics always the same; taking one apart is a fifth of decoding a frame."""


def limits_of(settings: IntakeSection) -> Limits:
    """Return the limits as configured."""
    return Limits(int(settings.max_age_days * 86_400 * SECOND_US), int(settings.max_future_s * SECOND_US))


def topic_of(topic: str) -> Topic | None:
    """Return a topic taken apart; None when it is none of an agent's."""
    if topics.is_rollcall(topic):
        return None
    try:
        return _parsed(topic)
    except Poison:
        return None


def offer_of(message: Message, limits: Limits) -> Offer | None:
    """Decode and check one message; None when it says nothing (a roll call, a retained state being deleted)."""
    message = opened(message)
    return decode(message, topic_of(message.topic), limits)


def decode(message: Message, where: Topic | None, limits: Limits) -> Offer | None:
    """Do the same with a message that is opened and of which it is known `where` it came."""
    payload = message.payload
    if topics.is_rollcall(message.topic):
        return None
    try:
        where = where or _parsed(message.topic)
        if not payload and where.leaf is Leaf.BIRTH:
            return Offer(message, Departure(where.hub, where.agent))
        if not payload and where.leaf is Leaf.STATE:
            return None
        content = _content(where, payload)
        if not isinstance(content, State):
            check_times(content, message.received, limits, retained=message.retain)
    except Poison as poison:
        return Offer(message, _letter(poison, where, payload))
    return Offer(message, content)


def _content(where: Topic, payload: bytes) -> AnyFrame | wire.Birth | State:
    content = incoming.read(where, payload)
    if isinstance(content, AgentState):
        return State(where.hub, where.agent, content is AgentState.ONLINE)
    return content


def _letter(poison: Poison, where: Topic | None, payload: bytes) -> Letter:
    reason = poison.reason
    if where is None:
        return Letter(reason)
    if isinstance(poison, Misdirected):
        return Letter(reason, where.hub, where.agent, kind=Mistrust.FORGED)
    identity: Any = None
    if where.leaf is Leaf.FRAME:
        try:
            identity = (_packed_identity if is_packed(payload) else _identity).decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            identity = None  # nothing in it can be trusted to name a frame
    if identity is None or (identity.hub, identity.agent) != (where.hub, where.agent):
        return Letter(reason, where.hub, where.agent)
    return Letter(reason, where.hub, where.agent, identity.epoch, identity.seq)
