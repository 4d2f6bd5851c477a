"""Checks what agents have signed, with the keys they were enrolled with. Pure: where keys come from is the caller's.

A signature that was found good is remembered, so that messages that share one cost one check and, each, the few digests
that lead to it. Whether the key is good is asked for each message anew: a revoked one is out at once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from hubwatch_core.errors import Poison
from hubwatch_core.message import Message
from hubwatch_core.packed_frame import AnyFrame
from hubwatch_core.signing import NOT_SIGNED, Proof, Signed, is_signed_by, key_name, node_number, way_of
from hubwatch_core.wire import Birth

REMEMBERED = 1000
"""Good signatures that are remembered, each with the tree over what was signed together: its messages come close
together.
"""
EARLY_US = 5 * 60_000_000
"""How much a gateway's clock may be behind that of who issued its key."""
LATEST_US = 30 * 86_400_000_000
"""How long after the end of a key what was signed before it is still taken: it may have waited at the broker."""


_name = lru_cache(maxsize=10_000)(key_name)


class VerifyingKey(NamedTuple):
    """A key of an agent, and when it is good (µs UTC)."""

    public: bytes
    not_before: int
    not_after: int
    revoked: int | None = None


KeyRing = Mapping[tuple[str, str], Sequence[VerifyingKey]]
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
        self._trees: OrderedDict[tuple[bytes, bytes, int], dict[int, bytes]] = OrderedDict()
        """The nodes that hold of each tree, by key and signature."""

    def fault(self, message: Message, content: AnyFrame | Birth) -> Unproven | None:
        """Return why a message is not proven to be its agent's; None when it is. May compute for 0.1 ms."""
        if message.proof is None:
            return Unproven("it is not signed")
        try:
            proof = Proof.parsed(message.proof)
            leaf = leaf_of(message, content)
            known = False
            for key in self.ring.get((content.hub, content.agent), ()):
                if _name(key.public) != proof.key:
                    continue
                known = True
                if (unusable := _unusable(key, content.sent, message)) is not None:
                    return Unproven(unusable)
                self._prove(key.public, proof, leaf)
        except Poison as poison:
            return Unproven(poison.reason)
        if not known:
            return Unproven("it is signed with a key that is none of this agent's", unknown_key=True)
        return None

    def _prove(self, public: bytes, proof: Proof, leaf: bytes) -> None:
        """Raise Poison unless the owner of a key has signed what has this digest."""
        # How many were signed together is part of what is signed: the tree of another number is another tree.
        name = (public, proof.signature, proof.together)
        tree = self._trees.get(name, {})
        if tree.get(node_number(0, proof.place)) == leaf:
            return
        way = way_of(proof, leaf, tree)
        if way.statement is not None and not is_signed_by(public, proof.signature, way.statement):
            raise Poison(NOT_SIGNED)
        if not tree:
            self._trees[name] = tree
            if len(self._trees) > REMEMBERED:
                self._trees.popitem(last=False)
        tree |= way.nodes


def leaf_of(message: Message, content: AnyFrame | Birth) -> bytes:
    """Return what names a message whole: nothing else has the same."""
    seq = content.seq if isinstance(content, AnyFrame) else 0
    return Signed(message.topic, content.epoch, seq, message.payload).leaf


def _unusable(key: VerifyingKey, sent: int, message: Message) -> str | None:
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
