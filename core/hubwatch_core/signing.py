"""Signatures of what agents say: who said it, provable to anybody who has the agent's public key and nothing else.

Messages that an agent sends together are signed together: their digests are the leaves of a tree, the root is signed
with Ed25519, and each message carries the signature with the few digests that lead from it to the root (its proof). So
each is checked alone, in any order, and one signature check serves all that were signed together
(docs/decisions/0073). A leaf covers topic, epoch, sequence number and payload; a birth has the number 0.

A proof is detached: a user property where MQTT 5 is spoken, a line before the payload elsewhere and wherever a message
is kept. What is sent twice under other bytes (`late`) is signed twice.
"""

from __future__ import annotations

import stat
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hubwatch_core.errors import Permanent, Poison
from hubwatch_core.message import PROOF_PROPERTY, Message

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["PROOF_PROPERTY", "Proof", "Signed", "Signer", "is_signed_by", "key_name", "opened", "wrapped"]

MOST_TOGETHER = 64
"""Messages under one signature: with more, the way to the root costs what the signature saves."""
_LEVELS = 6
"""Digests that lead from one of so many messages to the root."""
_HEAD = struct.Struct(">B8s64sHH")
"""Version, name of the key, signature, place among the messages signed together, how many those are."""
_DIGEST = 32
_VERSION = 1
_STATEMENT = b"hubwatch frames 1\n"
_LEAF, _NODE = b"\x00", b"\x01"
_MARK = b"hubwatch-signed "
MAX_PROOF_CHARS = 4 * (_HEAD.size + _LEVELS * _DIGEST + 2) // 3
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
        head = b"%b%b\n%b\n%d\n" % (_LEAF, self.topic.encode(), self.epoch.encode(), self.seq)
        return sha256(head + self.payload).digest()


class Proof(NamedTuple):
    """The signature of a message, and what leads from the message to it."""

    key: bytes
    """Name of the key; which key that is, the reader knows from elsewhere."""
    signature: bytes
    place: int
    together: int
    path: tuple[bytes, ...]

    @classmethod
    def parsed(cls, text: str) -> Proof:
        """Take a proof from its text; raises Poison when it is none."""
        if len(text) > MAX_PROOF_CHARS:
            raise Poison("its signature is too long")
        try:
            data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
            version, key, signature, place, count = _HEAD.unpack_from(data)
        except (ValueError, struct.error):
            raise Poison("its signature cannot be read") from None
        path = tuple(data[i : i + _DIGEST] for i in range(_HEAD.size, len(data), _DIGEST))
        if version != _VERSION or not place < count <= MOST_TOGETHER or any(len(each) != _DIGEST for each in path):
            raise Poison("its signature is none of this version")
        return cls(key, signature, place, count, path)

    @property
    def text(self) -> str:
        """Return it as it is sent."""
        head = _HEAD.pack(_VERSION, self.key, self.signature, self.place, self.together)
        return urlsafe_b64encode(head + b"".join(self.path)).rstrip(b"=").decode()

    def statement(self, leaf: bytes) -> bytes:
        """Return what must have been signed if a message with this digest was; raises Poison where nothing can be."""
        node, place, width, path = leaf, self.place, self.together, list(self.path)
        while width > 1:
            if place ^ 1 < width:
                if not path:
                    raise Poison("its signature lacks a part")
                other = path.pop(0)
                node = _parent(other, node) if place & 1 else _parent(node, other)
            place, width = place >> 1, (width + 1) >> 1
        if path:
            raise Poison("its signature has a part too many")
        return _statement(node, self.together)


class Signer:
    """Signs what one agent says."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = key.public_key().public_bytes_raw()
        self._name = key_name(self.public)

    @classmethod
    def from_file(cls, file: Path) -> Signer:
        """Read a key that enrolment has made (PEM, PKCS 8). Raises Permanent when that cannot be, or others may."""
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            if file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise Permanent(f"signing key {file} may be read by others: chmod 600 {file}")
            key = load_pem_private_key(file.read_bytes(), None)
        except OSError as error:
            raise Permanent(f"signing key {file} cannot be read: {error.strerror or error}") from None
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise Permanent(f"signing key {file} is no unencrypted PEM of a private key") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise Permanent(f"signing key {file} is not of the kind Ed25519")
        return cls(key)

    def sign(self, messages: Sequence[Signed]) -> list[str]:
        """Return the proof of each message; those of `MOST_TOGETHER` at a time share one signature."""
        proofs: list[str] = []
        for i in range(0, len(messages), MOST_TOGETHER):
            proofs += self._sign_together([each.leaf for each in messages[i : i + MOST_TOGETHER]])
        return proofs

    def _sign_together(self, leaves: list[bytes]) -> list[str]:
        levels = [leaves]
        while len(levels[-1]) > 1:
            below = levels[-1]
            pairs = [_parent(*below[i : i + 2]) for i in range(0, len(below) - 1, 2)]
            levels.append(pairs + below[len(pairs) * 2 :])
        signature = self._key.sign(_statement(levels[-1][0], len(leaves)))
        return [
            Proof(self._name, signature, place, len(leaves), tuple(_path(levels, place))).text
            for place in range(len(leaves))
        ]


def key_name(public: bytes) -> bytes:
    """Return what a key is called in proofs: enough to tell an agent's keys apart, nothing to be trusted."""
    return sha256(public).digest()[:8]


def is_signed_by(public: bytes, signature: bytes, statement: bytes) -> bool:
    """Return whether the owner of a public key has signed a statement. Lets go of the interpreter while it computes."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, statement)
    except InvalidSignature:
        return False
    return True


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


def _path(levels: Sequence[Sequence[bytes]], place: int) -> list[bytes]:
    path = []
    for level in levels[:-1]:
        if place ^ 1 < len(level):
            path.append(level[place ^ 1])
        place >>= 1
    return path
