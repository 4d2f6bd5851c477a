"""Signatures over the end of the chain of what was done: who holds one knows that nothing before it was changed.

Ed25519 (RFC 8032); needs the package cryptography.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
)

from hubwatch_core.audit_chain import ChainEnd
from hubwatch_core.errors import Permanent
from hubwatch_core.signing_key import key_in, make_key

_PURPOSE = "hubwatch audit head 1"
"""Stands before what is signed, so that a signature counts for nothing else."""


class SignedEnd(msgspec.Struct, frozen=True):
    """The end of the chain as it was signed; `at` in µs by the database's clock, the rest in hexadecimal."""

    id: int
    hash: str
    at: int
    key: str
    signature: str

    @property
    def end(self) -> ChainEnd:
        """Return the row that is signed."""
        return ChainEnd(self.id, self.hash)

    @property
    def holds(self) -> bool:
        """Return whether the signature is that of its key."""
        try:
            public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.key))
            public.verify(bytes.fromhex(self.signature), _signed(self.id, self.hash, self.at))
        except (ValueError, InvalidSignature):
            return False
        return True


class SigningKey:
    """A private key from a file that only its owner may read."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()

    @classmethod
    def make(cls, file: Path) -> SigningKey:
        """Make a key and its file; raises Permanent when the file is there or cannot be made."""
        return cls(make_key(file))

    @classmethod
    def load(cls, file: Path) -> SigningKey:
        """Read a key; raises Permanent when it is none, or when others may read it."""
        return cls(key_in(file))

    def sign(self, end: ChainEnd, at: int) -> SignedEnd:
        """Sign the end of the chain."""
        return SignedEnd(end.id, end.hash, at, self.public, self._key.sign(_signed(end.id, end.hash, at)).hex())


def write_end(file: Path, end: SignedEnd) -> None:
    """Add a signed end to a file, a JSON object a line; raises Permanent when that cannot be written."""
    try:
        with file.open("ab") as written:
            written.write(msgspec.json.encode(end) + b"\n")
            written.flush()
            os.fsync(written.fileno())
    except OSError as error:
        raise Permanent(f"{file} cannot be written: {error.strerror}") from None


def read_ends(file: Path) -> Iterator[SignedEnd]:
    """Read what `write_end` wrote; raises Permanent when it is something else."""
    try:
        for number, line in enumerate(file.read_bytes().splitlines(), start=1):
            try:
                yield msgspec.json.decode(line, type=SignedEnd)
            except msgspec.MsgspecError as error:
                raise Permanent(f"{file}, line {number} is no signed end: {error}") from None
    except OSError as error:
        raise Permanent(f"{file} cannot be read: {error.strerror}") from None


def _signed(number: int, digest: str, at: int) -> bytes:
    return f"{_PURPOSE}\n{number}\n{digest}\n{at}\n".encode()
