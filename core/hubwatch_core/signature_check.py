"""Checks what agents have signed, with the keys they were enrolled with. Pure: where keys come from is the caller's.

A signature that was found good is remembered, so that messages that share one cost one check and, each, the few digests
that lead to it. Whether the key is good is asked for each message anew: a revoked one is out at once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from hubwatch_core.errors import Poison
from hubwatch_core.message import Message
from hubwatch_core.signing import Proof, Signed, is_signed_by, key_name
from hubwatch_core.wire import Birth, Frame

REMEMBERED = 20_000
"""Good signatures that are remembered."""
EARLY_US = 5 * 60_000_000
"""How much a gateway's clock may be behind that of who issued its key."""
LATEST_US = 30 * 86_400_000_000
"""How long after the end of a key what was signed before it is still taken: it may have waited at the broker."""


class AgentKey(NamedTuple):
    """A key of an agent, and when it is good (µs UTC)."""

    public: bytes
    not_before: int
    not_after: int
    revoked: int | None = None


KeyRing = Mapping[tuple[str, str], Sequence[AgentKey]]
"""The keys of each agent, by hub and agent."""


@dataclass(frozen=True, slots=True)
class Unproven:
    """Why nobody can tell that an agent has said something; `unknown_key` says that newer keys may tell."""

    reason: str
    unknown_key: bool = False


class SignatureCheck:
    """Checks the messages of many agents."""

    def __init__(self) -> None:
        self.ring: KeyRing = {}
        self._good: OrderedDict[tuple[bytes, bytes, bytes], None] = OrderedDict()

    def fault(self, message: Message, content: Frame | Birth) -> Unproven | None:
        """Return why a message is not proven to be its agent's; None when it is. May compute for 0.1 ms."""
        if message.proof is None:
            return Unproven("it is not signed")
        try:
            proof = Proof.parsed(message.proof)
            statement = proof.statement(_signed(message, content).leaf)
        except Poison as poison:
            return Unproven(poison.reason)
        keys = self.ring.get((content.hub, content.agent), ())
        mine = [key for key in keys if key_name(key.public) == proof.key]
        if not mine:
            return Unproven("it is signed with a key that is none of this agent's", unknown_key=True)
        for key in mine:
            if (unusable := _unusable(key, content.sent, message)) is not None:
                return Unproven(unusable)
            if not self._holds(key.public, proof.signature, statement):
                return Unproven("its signature does not hold: it is not what the agent signed")
        return None

    def _holds(self, public: bytes, signature: bytes, statement: bytes) -> bool:
        known = (public, signature, statement)
        if known in self._good:
            self._good.move_to_end(known)
            return True
        if not is_signed_by(public, signature, statement):
            return False
        self._good[known] = None
        if len(self._good) > REMEMBERED:
            self._good.popitem(last=False)
        return True


def leaf_of(message: Message, content: Frame | Birth) -> bytes:
    """Return what names a message whole: nothing else has the same."""
    return _signed(message, content).leaf


def _signed(message: Message, content: Frame | Birth) -> Signed:
    seq = content.seq if isinstance(content, Frame) else 0
    return Signed(message.topic, content.epoch, seq, message.payload)


def _unusable(key: AgentKey, sent: int, message: Message) -> str | None:
    """Return why a key counts for nothing that was sent then; what it signed itself tells when that was."""
    if key.revoked is not None:
        return "its key is revoked"
    if sent < key.not_before - EARLY_US:
        return "it is older than its key"
    if sent > key.not_after:
        return "its key had ended when it was sent"
    if not message.retain and message.received > key.not_after + LATEST_US:
        return "its key ended long ago"
    return None
