"""Signatures of what agents say: who said it, provable to anybody who has the agent's public key and nothing else.

Messages that an agent sends together are signed together: their digests are the leaves of a tree, the root is signed
with Ed25519, and each message carries the signature with the few digests that lead from it to the root (its proof). So
each is checked alone, in any order, and one signature check serves all that were signed together
(docs/decisions/0073). A leaf covers topic, epoch, sequence number and payload; a birth has the number 0.

A proof is detached: a user property where MQTT 5 is spoken, a line before the payload elsewhere and wherever a message
is kept. What is sent twice under other bytes (`late`) is signed twice.
"""

from __future__ import annotations

import struct
from base64 import b64encode
from binascii import a2b_base64
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hubwatch_core.errors import Poison
from hubwatch_core.message import PROOF_PROPERTY, Message
from hubwatch_core.signing_key import key_in

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

MOST_TOGETHER = 64
"""Messages under one signature: with more, the way to the root costs what the signature saves."""
_LEVELS = 6
"""Digests that lead from one of so many messages to the root."""
_HEAD = struct.Struct(">B8s64sBB3s")
"""Version, name of the key, signature, place among the messages signed together, how many those are, nothing."""
_NOTHING = bytes(3)
_DIGEST = 32
_VERSION = 1
_STATEMENT = b"hubwatch frames 1\n"
_LEAF, _NODE = b"\x00", b"\x01"
_MARK = b"hubwatch-signed "
_HEAD_CHARS = 4 * _HEAD.size // 3
BEGIN_CHARS = 96
"""Characters with which proofs of one signature begin alike: version, key, signature without its last byte."""
_HEAD_END = _HEAD.size - 3 * BEGIN_CHARS // 4
"""Bytes of the rest."""
MAX_PROOF_CHARS = _HEAD_CHARS + 4 * (_LEVELS * _DIGEST + 2) // 3
NOT_SIGNED = "its signature does not hold: it is not what the agent signed"
PROOF_BYTES = len(_MARK) + MAX_PROOF_CHARS + len(PROOF_PROPERTY) + 8
"""What a message grows by when it is signed, in either way, at the most."""


class Signed(NamedTuple):
    """What a signature covers; `epoch` and `seq` are those that the payload says."""

    topic: str
    epoch: str
    seq: int
    payload: bytes

    @property
    def leaf(self) -> bytes:
        """Return its digest."""
        return leaf_digest(*self)


def leaf_digest(topic: str, epoch: str, seq: int, payload: bytes) -> bytes:
    """Return the digest of what a signature covers."""
    return sha256(b"%b%d\n%b" % (_stem(topic, epoch), seq, payload)).digest()


@lru_cache(maxsize=4096)
def _stem(topic: str, epoch: str) -> bytes:
    """Return how leaves begin: agents are few, and one has the same epoch for weeks."""
    return b"%b%b\n%b\n" % (_LEAF, topic.encode(), epoch.encode())


class Proof(NamedTuple):
    """The signature of a message, and what leads from the message to it."""

    key: bytes
    """Name of the key; which key that is, the reader knows from elsewhere."""
    signature: bytes
    place: int
    together: int
    tail: str
    """The way to the root, still in text: of messages that were signed together most need none of it."""

    @classmethod
    def parsed(cls, text: str) -> Proof:
        """Take a proof from its text; raises Poison when it is none."""
        if not _HEAD_CHARS <= len(text) <= MAX_PROOF_CHARS:
            raise Poison("its signature cannot be read")
        try:
            head = _HEAD.unpack(a2b_base64(text[:_HEAD_CHARS], strict_mode=True))
        except (ValueError, struct.error):
            raise Poison("its signature cannot be read") from None
        version, key, signature, place, together, nothing = head
        if (version, nothing) != (_VERSION, _NOTHING) or not place < together <= MOST_TOGETHER:
            raise Poison("its signature is none of this version")
        return cls(key, signature, place, together, text[_HEAD_CHARS:])

    def place_beside(self, text: str) -> int | None:
        """Return the place in another proof of this signature, which begins like this one; None where it is none."""
        if len(text) > MAX_PROOF_CHARS:
            return None
        try:
            end = a2b_base64(text[BEGIN_CHARS:_HEAD_CHARS], strict_mode=True)
        except ValueError:
            return None
        # The last byte of the signature, place, together, nothing: as in `_HEAD`.
        if len(end) != _HEAD_END or end[0] != self.signature[-1] or end[2] != self.together or end[3:] != _NOTHING:
            return None
        return end[1] if end[1] < end[2] else None

    @property
    def text(self) -> str:
        """Return it as it is sent."""
        head = _HEAD.pack(_VERSION, self.key, self.signature, self.place, self.together, _NOTHING)
        return b64encode(head).decode() + self.tail

    @staticmethod
    def tail_of(text: str) -> str:
        """Return the way to the root in the text of a proof."""
        return text[_HEAD_CHARS:]

    @property
    def path(self) -> tuple[bytes, ...]:
        """Return the digests beside the way to the root, from below; raises Poison when they cannot be read."""
        try:
            data = a2b_base64(self.tail + "=" * (-len(self.tail) % 4), strict_mode=bool(self.tail))
        except ValueError:
            raise Poison("its signature cannot be read") from None
        path = tuple(data[i : i + _DIGEST] for i in range(0, len(data), _DIGEST))
        if len(data) % _DIGEST:
            raise Poison("its signature cannot be read")
        return path


class Way(NamedTuple):
    """The nodes from a message up to where something is known, and those beside them; by `node_number`."""

    nodes: dict[int, bytes]
    statement: bytes | None
    """What must have been signed for them to hold; None where a node that is known says that they hold."""


def way_of(proof: Proof, leaf: bytes, known: Mapping[int, bytes]) -> Way:
    """Return what a proof says of the tree over a message with this digest.

    `known` are nodes of that tree that hold. Raises Poison where the message is none of the tree's.
    """
    nodes: dict[int, bytes] = {}
    beside: list[bytes] | None = None
    node, place, width, level = leaf, proof.place, proof.together, 0
    while (there := known.get(node_number(level, place))) is None:
        nodes[node_number(level, place)] = node
        if width == 1:
            break
        if place ^ 1 < width:
            beside = list(reversed(proof.path)) if beside is None else beside
            if not beside:
                raise Poison("its signature lacks a part")
            other = nodes[node_number(level, place ^ 1)] = beside.pop()
            node = _parent(other, node) if place & 1 else _parent(node, other)
        place, width, level = place >> 1, (width + 1) >> 1, level + 1
    if there is not None:
        if there != node:
            raise Poison(NOT_SIGNED)
        return Way(nodes, None)
    if beside or (beside is None and proof.tail):
        raise Poison("its signature has a part too many")
    return Way(nodes, _statement(node, proof.together))


def node_number(level: int, place: int) -> int:
    """Return what names a node of a tree: its level, the leaves' is 0, and its place there."""
    return level * MOST_TOGETHER + place


class MessageSigner:
    """Signs what one agent says."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = key.public_key().public_bytes_raw()
        self._name = key_name(self.public)

    @classmethod
    def from_file(cls, file: Path) -> MessageSigner:
        """Read a key that enrolment has made (PEM, PKCS 8). Raises Permanent when that cannot be, or others may."""
        return cls(key_in(file))

    def sign(self, messages: Sequence[Signed]) -> list[str]:
        """Return the proof of each message; those of `MOST_TOGETHER` at a time share one signature."""
        proofs: list[str] = []
        for i in range(0, len(messages), MOST_TOGETHER):
            proofs += self._sign_together([each.leaf for each in messages[i : i + MOST_TOGETHER]])
        return proofs

    def _sign_together(self, leaves: list[bytes]) -> list[str]:
        tree = Tree(leaves)
        signature = self._key.sign(tree.statement)
        return [Proof(self._name, signature, place, len(leaves), tail).text for place, tail in enumerate(tree.tails)]


class Tree:
    """The hash tree over messages that are signed together, of which all digests are known."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self._levels: list[Sequence[bytes]] = [leaves]
        while len(below := self._levels[-1]) > 1:
            pairs = [_parent(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)]
            self._levels.append([*pairs, *below[len(pairs) * 2 :]])

    @property
    def statement(self) -> bytes:
        """Return what is signed."""
        return _statement(self._levels[-1][0], len(self._levels[0]))

    @property
    def tails(self) -> list[str]:
        """Return the way from each leaf to the root, as proofs have it."""
        ways = [b""]
        for level in reversed(self._levels[:-1]):
            ways = [(level[i ^ 1] if i ^ 1 < len(level) else b"") + ways[i >> 1] for i in range(len(level))]
        return [b64encode(way).rstrip(b"=").decode() for way in ways]


def key_name(public: bytes) -> bytes:
    """Return what a key is called in proofs: enough to tell an agent's keys apart, nothing to be trusted."""
    return sha256(public).digest()[:8]


def is_signed_by(public: bytes, signature: bytes, statement: bytes) -> bool:
    """Return whether the owner of a public key has signed a statement. Lets go of the interpreter while it computes."""
    from cryptography.exceptions import InvalidSignature

    try:
        _loaded(public).verify(signature, statement)
    except InvalidSignature:
        return False
    return True


@lru_cache(maxsize=1024)
def _loaded(public: bytes) -> Ed25519PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(public)


def wrapped(payload: bytes, proof: str | None) -> bytes:
    """Return a payload with its proof before it, as it is sent and kept where a message has no properties."""
    return payload if proof is None else b"%b%b\n%b" % (_MARK, proof.encode(), payload)


def opened(message: Message) -> Message:
    """Return a message with its own payload, and its proof beside it, however that came."""
    if not message.payload.startswith(_MARK):
        return message
    line, _, payload = message.payload.partition(b"\n")
    return replace(message, payload=payload, proof=line.removeprefix(_MARK).decode("ascii", "replace"))


def _parent(left: bytes, right: bytes) -> bytes:
    return sha256(_NODE + left + right).digest()


def _statement(root: bytes, count: int) -> bytes:
    return b"%b%d\n%b" % (_STATEMENT, count, root)
