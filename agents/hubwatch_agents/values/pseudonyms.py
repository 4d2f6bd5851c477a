"""Personal data: badge numbers become keyed pseudonyms before they are written anywhere."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

from hubwatch_agents.settings import PrivacySection, subject_key
from hubwatch_core.clock import now_us, to_us

Pseudonym = Callable[[str, str], str]
"""Takes a prefix (`badge:`) and an identity, gives the subject of an event."""

PSEUDONYM_DIGITS = 20
"""80 bits: no two badges of a hub ever meet, and no card number can be found by trying without the key."""


def raw(prefix: str, identity: str) -> str:
    """Return the identity as it is."""
    return f"{prefix}{identity}"


def keyed(key: bytes, version: int = 1) -> Pseudonym:
    """Return the function that makes pseudonyms with `key`: the same identity always gets the same one."""

    def pseudonym(prefix: str, identity: str) -> str:
        digest = hmac.new(key, f"{prefix}{identity}".encode(), hashlib.sha256).hexdigest()
        return f"{prefix}p{version}-{digest[:PSEUDONYM_DIGITS]}"

    return pseudonym


def all_of(settings: PrivacySection) -> tuple[Pseudonym, ...]:
    """Return what the settings ask for: now, and after a change of the key. Raises Permanent when a key is no good."""
    if settings.subjects == "raw" or settings.key_file is None:
        return (raw,)
    files = (settings.key_file, *([] if settings.next_key_file is None else [settings.next_key_file]))
    return tuple(keyed(subject_key(file), settings.key_version + ahead) for ahead, file in enumerate(files))


def of(settings: PrivacySection, clock: Callable[[], int] = now_us) -> Pseudonym:
    """Return what the settings ask for; with two keys, the one that holds by the clock. Raises as `all_of`."""
    present, *following = all_of(settings)
    if not following or settings.next_from is None:
        return present
    start = to_us(settings.next_from)

    def pseudonym(prefix: str, identity: str) -> str:
        return (following[0] if clock() >= start else present)(prefix, identity)

    return pseudonym
