"""Personal data: badge numbers become keyed pseudonyms before they are written anywhere."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

from hubwatch_agents.settings import PrivacySection
from hubwatch_core.config import read_secret
from hubwatch_core.errors import Permanent

Pseudonym = Callable[[str, str], str]
"""Takes a prefix (`badge:`) and an identity, gives the subject of an event."""

KEY_BYTES_MIN = 16
PSEUDONYM_DIGITS = 20
"""80 bits: no two badges of a hub ever meet, and no card number can be found by trying without the key."""


def raw(prefix: str, identity: str) -> str:
    """Return the identity as it is."""
    return f"{prefix}{identity}"


def keyed(key: bytes) -> Pseudonym:
    """Return the function that makes pseudonyms with `key`: the same identity always gets the same one."""

    def pseudonym(prefix: str, identity: str) -> str:
        digest = hmac.new(key, f"{prefix}{identity}".encode(), hashlib.sha256).hexdigest()
        return f"{prefix}p-{digest[:PSEUDONYM_DIGITS]}"

    return pseudonym


def of(settings: PrivacySection) -> Pseudonym:
    """Return what the settings ask for. Raises Permanent when the key cannot be read or is too short."""
    if settings.subjects == "raw" or settings.key_file is None:
        return raw
    key = read_secret(None, settings.key_file)
    if key is None or len(key) < KEY_BYTES_MIN:
        raise Permanent(f"key file {settings.key_file} holds fewer than {KEY_BYTES_MIN} characters")
    return keyed(key.encode())
