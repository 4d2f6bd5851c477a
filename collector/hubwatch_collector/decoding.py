"""From a message to what the store is offered: a frame, a birth, a state, or a dead letter with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec

from hubwatch_collector.config import IntakeSection
from hubwatch_core import incoming, topics, wire
from hubwatch_core.clock import SECOND_US
from hubwatch_core.errors import Poison
from hubwatch_core.incoming import AgentState
from hubwatch_core.topics import Leaf, Topic
from hubwatch_store.offer import Letter, Offer, State


class _Identity(msgspec.Struct, frozen=True):
    """Just what names a frame, read from a payload that is wrong elsewhere."""

    hub: wire.Id
    agent: wire.Id
    epoch: wire.Ulid
    seq: wire.Seq


_identity = msgspec.json.Decoder(_Identity)


_parsed = lru_cache(maxsize=4096)(topics.parse)
"""Agents are few and their topics always the same; taking one apart is a fifth of decoding a frame."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Times that make sense, relative to the moment of receipt; µs."""

    oldest_us: int
    newest_us: int


def limits_of(settings: IntakeSection) -> Limits:
    """Give the limits as configured."""
    return Limits(int(settings.oldest_days * 86_400 * SECOND_US), int(settings.newest_s * SECOND_US))


def offer_of(topic: str, payload: bytes, received: int, limits: Limits) -> Offer | None:
    """Decode and check one message; None when it says nothing (a roll call, a retained message being deleted)."""
    where: Topic | None = None
    if topics.is_rollcall(topic):
        return None
    try:
        where = _parsed(topic)
        if not payload and where.leaf is not Leaf.FRAME:
            return None
        content = _content(where, payload)
        if isinstance(content, wire.Frame):
            _check_times(content, received, limits)
    except Poison as poison:
        return Offer(topic, payload, received, _letter(poison.reason, where, payload))
    return Offer(topic, payload, received, content)


def _content(where: Topic, payload: bytes) -> wire.Frame | wire.Birth | State:
    content = incoming.read(where, payload)
    if isinstance(content, AgentState):
        return State(where.hub, where.agent, content is AgentState.ONLINE)
    return content


def _check_times(frame: wire.Frame, received: int, limits: Limits) -> None:
    earliest, latest = received - limits.oldest_us, received + limits.newest_us
    if not earliest <= frame.sent <= latest:
        raise _absurd("sent", frame.sent, received)
    for series in frame.series:
        if series.dt and not earliest <= (first := series.t0 + min(series.dt)):
            raise _absurd(series.channel, first, received)
        if series.dt and not (last := series.t0 + max(series.dt)) <= latest:
            raise _absurd(series.channel, last, received)
    for event in frame.events:
        if not earliest <= event.t <= latest:
            raise _absurd(event.type, event.t, received)


def _absurd(what: str, time: int, received: int) -> Poison:
    off = (time - received) / 86_400_000_000
    return Poison(f"{what} is {abs(off):.1f} days {'ahead of' if off > 0 else 'behind'} the time of receipt")


def _letter(reason: str, where: Topic | None, payload: bytes) -> Letter:
    if where is None:
        return Letter(reason)
    identity: Any = None
    if where.leaf is Leaf.FRAME:
        try:
            identity = _identity.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            identity = None  # nothing in it can be trusted to name a frame
    if identity is None or (identity.hub, identity.agent) != (where.hub, where.agent):
        return Letter(reason, where.hub, where.agent)
    return Letter(reason, where.hub, where.agent, identity.epoch, identity.seq)
