"""Signed frames as lines of JSON, which anybody can check who has the agent's public key, without us and offline.

A line is `{"topic":…,"proof":…,"payload":…}`, the payload as the text that was signed; with `packed` in its place
that is the payload in base64, of version 2 of the wire format. Numbers of frames have no gaps
inside an epoch, so that what is left out between the first and the last line of an epoch shows; what an agent itself
gave up it says in a signed frame (`agent.evicted`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from hubwatch_core import incoming, topics
from hubwatch_core.errors import Poison
from hubwatch_core.message import Message
from hubwatch_core.packed_frame import AnyFrame, is_packed
from hubwatch_core.signature_check import SignatureCheck, VerifyingKey
from hubwatch_core.wire import Event

_EVICTED = "agent.evicted"
_ALWAYS = (0, 2**62)


class SignedLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line."""

    topic: str
    proof: str
    payload: str = ""
    packed: bytes = b""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(SignedLine)


@dataclass
class EpochAccount:
    """What lines show of one epoch of an agent; times in µs UTC, by the agent's clock."""

    hub: str
    agent: str
    epoch: str
    seqs: set[int] = field(default_factory=set)
    declared: set[int] = field(default_factory=set)
    first_sent: int = 2**62
    last_sent: int = 0

    @property
    def missing(self) -> list[int]:
        """Return the numbers between the first and the last line that are nowhere, and not declared as lost."""
        known = self.seqs | self.declared
        return [seq for seq in range(min(self.seqs), max(self.seqs) + 1) if seq not in known] if self.seqs else []


@dataclass
class Account:
    """What lines show: epochs, and lines that do not hold, with why, by their number."""

    epochs: list[EpochAccount]
    faults: dict[int, str]

    @property
    def holds(self) -> bool:
        """Return whether every line holds and nothing is left out between them."""
        return not self.faults and not any(each.missing for each in self.epochs)


def line_of(message: Message) -> bytes:
    """Return a signed message as a line, without its end."""
    proof = message.proof or ""
    if is_packed(message.payload):
        return _encoder.encode(SignedLine(message.topic, proof, packed=message.payload))
    return _encoder.encode(SignedLine(message.topic, proof, message.payload.decode()))


def account(lines: Iterable[bytes], public_keys: Sequence[bytes]) -> Account:
    """Check every line against the keys of an agent."""
    check = SignatureCheck()
    epochs: dict[tuple[str, str, str], EpochAccount] = {}
    declared: dict[tuple[str, str, str], set[int]] = defaultdict(set)
    faults: dict[int, str] = {}
    for number, line in enumerate(lines, 1):
        try:
            frame = _checked(line, check, public_keys)
        except (Poison, msgspec.DecodeError) as error:
            faults[number] = str(error)
            continue
        key = (frame.hub, frame.agent, frame.epoch)
        of = epochs.setdefault(key, EpochAccount(*key))
        of.seqs.add(frame.seq)
        of.first_sent, of.last_sent = min(of.first_sent, frame.sent), max(of.last_sent, frame.sent)
        for event in frame.events:
            if event.type == _EVICTED and event.sensor == frame.agent:
                declared[frame.hub, frame.agent, str(event.attrs.get("epoch"))] |= _range(event)
    for key, each in epochs.items():
        each.declared = declared[key]
    return Account(list(epochs.values()), faults)


def _checked(line: bytes, check: SignatureCheck, public_keys: Sequence[bytes]) -> AnyFrame:
    said = _decoder.decode(line)
    if said.payload and said.packed:
        raise Poison("it has two payloads, of which only one can be signed")
    message = Message(said.topic, said.packed or said.payload.encode(), 1, True, 0, 0, proof=said.proof)
    content = incoming.read(topics.parse(said.topic), message.payload)
    if not isinstance(content, AnyFrame):
        raise Poison("it is no frame")
    check.ring = {(content.hub, content.agent): [VerifyingKey(key, *_ALWAYS) for key in public_keys]}
    fault = check.fault(message, content)
    if fault is not None:
        raise Poison(fault.reason)
    return content


def _range(event: Event) -> set[int]:
    first, last = event.attrs.get("first_seq"), event.attrs.get("last_seq")
    if isinstance(first, int) and isinstance(last, int) and 0 < first <= last < first + 10_000_000:
        return set(range(first, last + 1))
    return set()
