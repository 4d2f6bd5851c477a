"""What a hub's detectors were given, in its order, until a snapshot of their states holds it.

The engine gives the same findings for the same input. So after a crash the states of the last snapshot and the entries
since then lead to where it stood; what it finds again has the same ids and is not stored twice.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from hubwatch_core import incoming, topics
from hubwatch_core.errors import Poison
from hubwatch_core.incoming import AgentState
from hubwatch_core.logs import get_logger
from hubwatch_core.packed_frame import AnyFrame
from hubwatch_core.topics import Leaf
from hubwatch_core.wire import Birth
from hubwatch_detectors.contract import Finding
from hubwatch_detectors.engine import Engine
from hubwatch_detectors.following import follow
from hubwatch_store.devices import Act

VERSION = 1
"""How entries are written; those of another version are not read."""
LEVEL = 1
"""zlib's fastest: names that come again with every frame are what there is to save."""
ROW_BYTES = 4 * 1024 * 1024
"""Payload a row holds, before it is compressed."""

_log = get_logger("detectors")


class Heard(msgspec.Struct, frozen=True, tag="h", array_like=True):
    """A message of the broker, which came at `received` (µs, the hub's clock)."""

    topic: str
    payload: bytes
    received: int
    retained: bool


class Ticked(msgspec.Struct, frozen=True, tag="t", array_like=True):
    """Our time passed up to `now` (µs), and something followed from it."""

    now: int


class Resumed(msgspec.Struct, frozen=True, tag="r", array_like=True):
    """We ourselves saw nothing until `now` (µs)."""

    now: int


class Behind(msgspec.Struct, frozen=True, tag="b", array_like=True):
    """More waited than what was taken: nothing followed from absence until it was resumed."""


class Followed(msgspec.Struct, frozen=True, tag="f", array_like=True):
    """What a person did to an agent or a sensor."""

    act: Act


class Withheld(msgspec.Struct, frozen=True, tag="w", array_like=True):
    """Frames of an agent had come and were not judged yet, or from `now` (µs) on no longer."""

    agent: str
    now: int
    waits: bool


Entry = Heard | Ticked | Resumed | Behind | Followed | Withheld

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Entry])


class Packed(NamedTuple):
    """Entries of one hub as they are stored, and the bytes they had before."""

    hub: str
    entries: bytes
    size: int


class Journal:
    """Gives input to an engine and keeps it, by hub, until somebody takes it to store it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._entries: dict[str, list[Entry]] = {}

    def hear(self, topic: str, payload: bytes, received: int, *, retained: bool) -> list[Finding]:
        """Take a message of the broker; raises Poison when it cannot be read."""
        entry = Heard(topic, payload, received, retained)
        hub, found = _hear(self.engine, entry)
        self._note(hub, entry)
        return found

    def tick(self, now: int) -> list[Finding]:
        """Let our time pass up to `now` (µs) at all hubs."""
        found: list[Finding] = []
        for hub in self.engine.hubs():
            news = self.engine.tick(now, hub)
            if news:
                self._note(hub, Ticked(now))
                found += news
        return found

    def follow(self, acts: Iterable[Act]) -> list[Finding]:
        """Follow what people did to agents and sensors."""
        found: list[Finding] = []
        for act in acts:
            if act.id > self.engine.followed(act.hub):
                self._note(act.hub, Followed(act))
            found += follow(self.engine, [act])
        return found

    def resume(self, now: int) -> None:
        """Note that we ourselves saw nothing until `now` (µs)."""
        self.engine.resume(now)
        for hub in self.engine.hubs():
            self._note(hub, Resumed(now))

    def behind(self) -> None:
        """Note that more waits than what was taken."""
        if self.engine.watching:
            self.engine.watching = False
            for hub in self.engine.hubs():
                self._note(hub, Behind())

    def wait_for(self, agents: Collection[tuple[str, str]], now: int) -> None:
        """Note of which agents, by hub, frames have come that are not judged yet, at `now` (µs)."""
        known = {each for each in agents if self.engine.knows(*each)}
        for hub, agent in sorted(known ^ self.engine.awaited):
            waits = (hub, agent) in known
            self.engine.wait_for(hub, agent, now, waits=waits)
            self._note(hub, Withheld(agent, now, waits))

    def taken(self) -> dict[str, list[Entry]]:
        """Return what was noted since the last call."""
        entries, self._entries = self._entries, {}
        return entries

    def put_back(self, entries: dict[str, list[Entry]]) -> None:
        """Put what could not be stored before what was noted since."""
        for hub, before in entries.items():
            self._entries[hub] = before + self._entries.get(hub, [])

    def _note(self, hub: str, entry: Entry) -> None:
        self._entries.setdefault(hub, []).append(entry)


def pack(entries: dict[str, list[Entry]]) -> list[Packed]:
    """Return entries as they are stored."""
    packed = []
    for hub, of_hub in entries.items():
        for part in _parts(of_hub):
            plain = _encoder.encode(part)
            packed.append(Packed(hub, zlib.compress(plain, LEVEL), len(plain)))
    return packed


def judge_again(engine: Engine, hub: str, version: int, entries: bytes) -> list[Finding]:
    """Give an engine what was packed; entries that cannot be read are logged and left out."""
    try:
        if version != VERSION:
            raise Poison(f"it is of version {version}, not {VERSION}")
        unpacked = _decoder.decode(zlib.decompress(entries))
    except (Poison, zlib.error, msgspec.DecodeError) as error:
        _log.error("stored input cannot be read, what it led to is not remembered", hub=hub, reason=str(error))
        return []
    return [finding for entry in unpacked for finding in _again(engine, hub, entry)]


def _parts(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    part, size = list[Entry](), 0
    for entry in entries:
        part.append(entry)
        size += len(entry.payload) if isinstance(entry, Heard) else 0
        if size >= ROW_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part


def _again(engine: Engine, hub: str, entry: Entry) -> list[Finding]:
    if isinstance(entry, Heard):
        return _hear(engine, entry)[1]
    if isinstance(entry, Ticked):
        return engine.tick(entry.now, hub)
    if isinstance(entry, Followed):
        return follow(engine, [entry.act])
    if isinstance(entry, Resumed):
        engine.resume(entry.now, hub)
    elif isinstance(entry, Withheld):
        engine.wait_for(hub, entry.agent, entry.now, waits=entry.waits)
    else:
        engine.watching = False
    return []


def _hear(engine: Engine, entry: Heard) -> tuple[str, list[Finding]]:
    topic, received = topics.parse(entry.topic), entry.received
    if not entry.payload and topic.leaf is Leaf.BIRTH:
        why = f"agent {topic.agent} was taken away for good: its birth was removed from its topic"
        return topic.hub, engine.forget_agent(topic.hub, topic.agent, received, why)
    if not entry.payload and topic.leaf is Leaf.STATE:
        return topic.hub, []  # a retained message that somebody removed
    content = incoming.read(topic, entry.payload)
    if isinstance(content, AnyFrame):
        return topic.hub, engine.frame(content, received)
    if isinstance(content, Birth):
        return topic.hub, engine.birth(content, received, retained=entry.retained)
    online = content is AgentState.ONLINE
    return topic.hub, engine.agent_state(topic.hub, topic.agent, online=online, at=received, retained=entry.retained)
