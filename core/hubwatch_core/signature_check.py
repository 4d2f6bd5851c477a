"""Checks what agents have signed, with the keys they were enrolled with. Pure: where keys come from is the caller's.

Messages that share a signature and come together cost one check of it and a digest or two each. A signature that was
found good is remembered, so that the others of it cost no more than the few digests that lead to it. Whether the key is
good is asked for each message anew: a revoked one is out at once.
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
from hubwatch_core.signing import (
    BEGIN_CHARS,
    NOT_SIGNED,
    Proof,
    Tree,
    is_signed_by,
    key_name,
    leaf_digest,
    node_number,
    way_of,
)
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


_NOT_PROVEN = Unproven(NOT_SIGNED)
"""Of each message until it is proven."""
_Claim = tuple[int, int, str, bytes]
"""Its place among the messages that are checked, its place in the tree, its way to the root, its digest."""


class _Group(NamedTuple):
    """What messages say that share a signature."""

    key: VerifyingKey
    proof: Proof
    """Of the first of them."""
    claims: list[_Claim]


_TreeName = tuple[bytes, bytes, int]
"""Key, signature, and how many were signed together: that is part of what is signed, another number is another tree."""


class SignatureCheck:
    """Checks the messages of many agents."""

    def __init__(self) -> None:
        self.ring: KeyRing = {}
        self._trees: OrderedDict[_TreeName, dict[int, bytes]] = OrderedDict()
        """The nodes that hold of each tree."""

    def fault(self, message: Message, content: AnyFrame | Birth) -> Unproven | None:
        """Return why a message is not proven to be its agent's; None when it is. May compute for 0.1 ms."""
        return self.faults([(message, content)])[0]

    def faults(self, signed: Sequence[tuple[Message, AnyFrame | Birth]]) -> list[Unproven | None]:
        """Return the same of each of many messages, which costs less than to ask for one after the other."""
        found: list[Unproven | None] = [_NOT_PROVEN] * len(signed)
        groups: list[_Group] = []
        by_beginning: dict[tuple[str, str, str], _Group] = {}
        for at, (message, content) in enumerate(signed):
            text = message.proof or ""
            begin = (content.hub, content.agent, text[:BEGIN_CHARS])
            group = by_beginning.get(begin)
            place = None if group is None else group.proof.place_beside(text)
            if group is None or place is None:
                try:
                    group = by_beginning[begin] = self._group(message, content)
                except _Refused as refused:
                    found[at] = refused.why
                    continue
                groups.append(group)
                place = group.proof.place
            if (unusable := _unusable(group.key, content.sent, message)) is not None:
                found[at] = Unproven(unusable)
                continue
            group.claims.append((at, place, Proof.tail_of(text), leaf_of(message, content)))
        for group in groups:
            self._prove_group(group, found)
        return found

    def _prove_group(self, group: _Group, found: list[Unproven | None]) -> None:
        """Put down which messages of one signature are proven, and why others are not."""
        proof = group.proof
        name = (group.key.public, proof.signature, proof.together)
        is_whole = self._prove_whole(name, group.claims)
        for at, place, tail, leaf in group.claims:
            try:
                if not is_whole:
                    self._prove(name, proof._replace(place=place, tail=tail), leaf)
                found[at] = None
            except Poison as poison:
                found[at] = Unproven(poison.reason)

    def _group(self, message: Message, content: AnyFrame | Birth) -> _Group:
        """Begin a group with the proof of a message, and the key of its agent that it names."""
        if message.proof is None:
            raise _Refused(Unproven("it is not signed"))
        try:
            proof = Proof.parsed(message.proof)
        except Poison as poison:
            raise _Refused(Unproven(poison.reason)) from None
        for key in self.ring.get((content.hub, content.agent), ()):
            if _name(key.public) == proof.key:
                return _Group(key, proof, [])
        raise _Refused(Unproven("it is signed with a key that is none of this agent's", unknown_key=True))

    def _prove_whole(self, name: _TreeName, claims: Sequence[_Claim]) -> bool:
        """Return whether messages are the whole of what was signed together, each with the proof that it was sent with.

        Where they are not, each is to be proven alone: one that is forged says nothing against the others.
        """
        public, signature, together = name
        if together == 1 or len(claims) != together or name in self._trees:
            return False
        leaves = {place: leaf for _, place, _, leaf in claims}
        if len(leaves) != together:
            return False
        tree = Tree([leaves[place] for place in range(together)])
        tails = tree.tails
        # Each must be provable without the others, by whoever gets it alone.
        if any(tail != tails[place] for _, place, tail, _ in claims):
            return False
        if not is_signed_by(public, signature, tree.statement):
            return False
        self._remember(name, {node_number(0, place): leaf for place, leaf in leaves.items()})
        return True

    def _prove(self, name: _TreeName, proof: Proof, leaf: bytes) -> None:
        """Raise Poison unless the owner of a key has signed what has this digest."""
        tree = self._trees.get(name, {})
        if tree.get(node_number(0, proof.place)) == leaf:
            return
        way = way_of(proof, leaf, tree)
        if way.statement is not None and not is_signed_by(name[0], proof.signature, way.statement):
            raise Poison(NOT_SIGNED)
        if not tree:
            self._remember(name, tree)
        tree |= way.nodes

    def _remember(self, name: _TreeName, tree: dict[int, bytes]) -> None:
        self._trees[name] = tree
        if len(self._trees) > REMEMBERED:
            self._trees.popitem(last=False)


class _Refused(Exception):
    """A message names no good key of its agent."""

    def __init__(self, why: Unproven) -> None:
        super().__init__(why.reason)
        self.why = why


def leaf_of(message: Message, content: AnyFrame | Birth) -> bytes:
    """Return what names a message whole: nothing else has the same."""
    seq = 0 if isinstance(content, Birth) else content.seq
    return leaf_digest(message.topic, content.epoch, seq, message.payload)


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
