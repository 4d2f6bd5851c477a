"""Secrets that have to be read again, encrypted where they are kept: AES-256-GCM, with keys that are in files.

A sealed text says which key it is under, so that keys can be changed: the first key seals, the others still open.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hubwatch_core.config.secret_file import secret_in
from hubwatch_core.errors import Permanent

KEY_BYTES = 32
NONCE_BYTES = 12
"""As GCM wants it; random, and a key seals a few thousand texts at most (NIST SP 800-38D, 8.3: 2^32)."""
FORM = "s1"
"""Begins every sealed text; nothing that is kept plain has a dot in it."""
TO_MAKE_ONE = "(umask 077; openssl rand -base64 32 > FILE)"


class NotOpened(Permanent):
    """A sealed text whose key is not among those at hand, or that was changed."""


@dataclass(frozen=True, slots=True, repr=False)
class SealingKeys:
    """The keys at hand, the one that seals first; without any, texts are kept as they are."""

    keys: Sequence[bytes] = ()

    def sealed(self, text: str, about: str) -> str:
        """Return a text sealed for what it is `about`: it opens for nothing else."""
        if not self.keys:
            return text
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        key, nonce = self.keys[0], os.urandom(NONCE_BYTES)
        kept = nonce + AESGCM(key).encrypt(nonce, text.encode(), about.encode())
        return f"{FORM}.{name_of(key)}.{base64.b64encode(kept).decode()}"

    def opened(self, text: str, about: str) -> str:
        """Return what was sealed, or a text that never was; raises NotOpened."""
        if not text.startswith(f"{FORM}."):
            return text
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        name, _, kept = text.removeprefix(f"{FORM}.").partition(".")
        for key in self.keys:
            if name_of(key) == name:
                try:
                    data = base64.b64decode(kept, validate=True)
                    return AESGCM(key).decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], about.encode()).decode()
                except (InvalidTag, ValueError):  # ValueError: it is no base64, or too short
                    raise NotOpened(f"what key {name} has sealed was changed, or is about something else") from None
        raise NotOpened("the key that it is sealed under is not at hand")

    def is_current(self, text: str) -> bool:
        """Return whether a kept text is as these keys would keep it."""
        return not self.keys or text.startswith(f"{FORM}.{name_of(self.keys[0])}.")


def name_of(key: bytes) -> str:
    """Return how a key is called in what it seals; tells nothing of it."""
    return hashlib.sha256(b"hubwatch sealing key" + key).hexdigest()[:12]


def keys_in(*files: Path | None) -> SealingKeys:
    """Return the keys in files, the first of which seals.

    Raises Permanent where one holds none, or others may read it.
    """
    return SealingKeys([_key_in(file) for file in files if file is not None])


def _key_in(file: Path) -> bytes:
    try:
        key = base64.b64decode(secret_in(file), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    # Fewer than 16 different values stand among 32 random bytes in one of 3 * 10^16 keys.
    if len(key) != KEY_BYTES or len(set(key)) < KEY_BYTES // 2:
        raise Permanent(f"{file} holds no key of {KEY_BYTES} random bytes in base64; to make one: {TO_MAKE_ONE}")
    return key
