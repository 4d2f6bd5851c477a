"""Operators, accounts and users of NATS, with keys and tokens made here.

Ref: https://github.com/nats-io/jwt, version 2.
"""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass
from typing import Any, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hubwatch_core.jetstream.keys import encoded

Kind = Literal["operator", "account", "user"]
PREFIXES: dict[Kind, int] = {"operator": 14 << 3, "account": 0, "user": 20 << 3}
"""The letters O, A and U. Ref: nkeys, strkey.go."""
UNLIMITED = {"subs": -1, "data": -1, "payload": -1}


@dataclass(frozen=True)
class Identity:
    """A key pair and what it is for."""

    kind: Kind
    key: Ed25519PrivateKey

    @classmethod
    def make(cls, kind: Kind) -> Identity:
        """Make a new one."""
        return cls(kind, Ed25519PrivateKey.generate())

    @property
    def public(self) -> str:
        """The public key as NATS writes it."""
        raw = self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return encoded(bytes([PREFIXES[self.kind]]), raw)

    @property
    def seed(self) -> str:
        """The secret as NATS writes it."""
        purpose = PREFIXES[self.kind]
        return encoded(bytes([18 << 3 | purpose >> 5, (purpose & 31) << 3]), self.key.private_bytes_raw())

    def sign(self, subject: Identity, **claims: Any) -> str:
        """Return a token that says of `subject` what `claims` say."""
        content = {
            "iat": int(time.time()),
            "iss": self.public,
            "jti": "test",
            "name": subject.kind,
            "sub": subject.public,
            "nats": {"type": subject.kind, "version": 2, **claims},
        }
        signed = f"{_part({'typ': 'JWT', 'alg': 'ed25519-nkey'})}.{_part(content)}"
        return f"{signed}.{_text(self.key.sign(signed.encode()))}"


def credentials(token: str, user: Identity) -> str:
    """Return what a credentials file of a user holds."""
    return (
        f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user.seed}\n------END USER NKEY SEED------\n"
    )


def _part(content: dict[str, Any]) -> str:
    return _text(json.dumps(content, separators=(",", ":")).encode())


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
