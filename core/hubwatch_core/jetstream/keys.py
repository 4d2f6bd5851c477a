"""NKEYs and credentials files: a NATS user shows who it is by signing what the server sends, and its secret stays here.

A seed is base32 of two bytes that say what it is for, 32 bytes of an Ed25519 seed and a checksum; a public key the same
with one byte before it. Ref: https://github.com/nats-io/nkeys (nkeys.go, strkey.go, crc16.go), and for credentials
files https://docs.nats.io/using-nats/developer/connecting/creds.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hubwatch_core.config.secret_file import secret_in
from hubwatch_core.errors import Permanent

_SEED = 18 << 3
"""The letter S: what follows is a seed."""
_TOKEN = re.compile(r"-----BEGIN NATS USER JWT-----\s*(\S+)\s*-+END")
_KEY = re.compile(r"-----BEGIN USER NKEY SEED-----\s*(\S+)\s*-+END")


@dataclass(frozen=True, slots=True)
class Signer:
    """One user: the key it signs with, its public key as NATS writes it, and its token where it has one."""

    key: Ed25519PrivateKey
    public: str
    token: str = ""

    def sign(self, nonce: str) -> bytes:
        """Sign what a server has sent, in base64."""
        return base64.b64encode(self.key.sign(nonce.encode()))


def read_credentials(path: Path) -> Signer:
    """Read a credentials file (.creds); raises Permanent when it is none."""
    text = secret_in(path)
    token, seed = _TOKEN.search(text), _KEY.search(text)
    if token is None or seed is None:
        raise Permanent(f"{path} is not a NATS credentials file: no user JWT and NKEY seed in it")
    key, public = _of_seed(seed[1], path)
    return Signer(key, public, token[1])


def read_seed(path: Path) -> Signer:
    """Read a file that holds the seed of an NKEY; raises Permanent when it does not."""
    lines = [line.strip() for line in secret_in(path).splitlines()]
    key, public = _of_seed(next((line for line in lines if line.startswith("S")), ""), path)
    return Signer(key, public)


def encoded(prefix: bytes, key: bytes) -> str:
    """Write a key as NATS does, with what it is for and a checksum."""
    return base64.b32encode(prefix + key + _checksum(prefix + key)).decode().rstrip("=")


def _of_seed(seed: str, path: Path) -> tuple[Ed25519PrivateKey, str]:
    try:
        raw = base64.b32decode(seed + "=" * (-len(seed) % 8))
    except binascii.Error:
        raw = b""
    if len(raw) != 36 or raw[0] & 0xF8 != _SEED or raw[34:] != _checksum(raw[:34]):
        raise Permanent(f"{path} holds no valid NKEY seed")
    purpose = (raw[0] & 7) << 5 | raw[1] >> 3
    key = Ed25519PrivateKey.from_private_bytes(raw[2:34])
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return key, encoded(bytes([purpose]), public)


def _checksum(data: bytes) -> bytes:
    return binascii.crc_hqx(data, 0).to_bytes(2, "little")
