"""Passwords: which are good enough, and argon2id to keep them by."""

from __future__ import annotations

import secrets
from functools import cache
from importlib import resources

from argon2 import PasswordHasher, profiles
from argon2.exceptions import InvalidHashError, VerificationError

from hubwatch_core.errors import BadCall

LEAST_CHARACTERS = 12
MOST_CHARACTERS = 256
"""Longer ones would only cost time to hash."""

ONE_TIME_GROUPS = 4
_ONE_TIME_SIGNS = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without those that are mistaken for one another on paper; 16 of them have 79 bits."""

_hasher = PasswordHasher.from_parameters(profiles.RFC_9106_LOW_MEMORY)
"""64 MiB and about 50 ms a try (RFC 9106, second recommended option)."""


def hashed(password: str) -> str:
    """Return what is kept of a password; takes a while, so call it outside the event loop."""
    return _hasher.hash(password)


def matches(password: str, kept: str | None) -> bool:
    """Return whether a password is the one that was kept; takes as long when none was."""
    try:
        _hasher.verify(_nobody() if kept is None else kept, password)
    except (VerificationError, InvalidHashError):
        return False
    return kept is not None


def is_outdated(kept: str) -> bool:
    """Return whether it was hashed with other parameters than today's."""
    return _hasher.check_needs_rehash(kept)


def one_time_password() -> str:
    """Return a password to be given to somebody who then chooses their own."""
    signs = "".join(secrets.choice(_ONE_TIME_SIGNS) for _ in range(4 * ONE_TIME_GROUPS))
    return "-".join(signs[i : i + 4] for i in range(0, len(signs), 4))


def check_password(password: str, name: str) -> None:
    """Raise BadCall when a password is too weak for the user of that name.

    Length and lists of what others chose, no rules for signs (NIST SP 800-63B, 3.1.1.2).
    """
    if len(password) < LEAST_CHARACTERS:
        raise BadCall(f"a password has at least {LEAST_CHARACTERS} characters; four or five words are easy to keep")
    if len(password) > MOST_CHARACTERS:
        raise BadCall(f"a password has at most {MOST_CHARACTERS} characters")
    plain = password.casefold()
    if len(set(plain)) < 5:
        raise BadCall("that password repeats a few characters")
    if name.casefold() in plain or "hubwatch" in plain:
        raise BadCall("a password must not hold the name of its user or of this program")
    if not any(sign.isalpha() for sign in plain):
        raise BadCall("a password of digits and signs alone is guessed too soon")
    if {_core_of(plain), plain.strip()} & breached():
        raise BadCall("that password is among the first that anybody tries: it is in lists of stolen passwords")


@cache
def breached() -> frozenset[str]:
    """Return the passwords that are tried first, in lower case; no network is needed."""
    text = (resources.files("hubwatch_core") / "credentials" / "breached.txt").read_text(encoding="utf-8")
    return frozenset(line.strip().casefold() for line in text.splitlines() if line.strip() and line[0] != "#")


def _core_of(plain: str) -> str:
    """Return what is left of a password without the digits and signs that people put round a word of the list.

    A word written twice or more counts as that word.
    """
    core = plain.strip("0123456789!?.,-_#*$@+ ")
    for size in range(1, len(core) // 2 + 1):
        if len(core) % size == 0 and core == core[:size] * (len(core) // size):
            return core[:size]
    return core


@cache
def _nobody() -> str:
    return hashed(secrets.token_urlsafe(16))
