"""Codes of a second factor that change every 30 seconds (TOTP, RFC 6238), as any authenticator app makes them."""

from __future__ import annotations

import hmac
from datetime import UTC, datetime

import pyotp

ISSUER = "hubwatch"
STEP_S = 30
STEPS_OFF = 1
"""How many steps a phone's clock may be wrong either way."""


def new_key() -> str:
    """Return a key, in base 32, for an authenticator app."""
    return pyotp.random_base32()


def address_of(key: str, name: str) -> str:
    """Return the address of a key, which apps read from a QR code or a link; it is a secret."""
    return pyotp.TOTP(key).provisioning_uri(name=name, issuer_name=ISSUER)


def step_of(key: str, code: str, now_s: float) -> int | None:
    """Return the time step that a code is of, None when it is wrong; a caller lets no step be used twice."""
    given = code.replace(" ", "")
    if not (given.isascii() and given.isdigit() and len(given) == 6):
        return None
    now, found = int(now_s) // STEP_S, None
    totp = pyotp.TOTP(key)
    for step in range(now - STEPS_OFF, now + STEPS_OFF + 1):
        if hmac.compare_digest(totp.at(datetime.fromtimestamp(step * STEP_S, UTC)), given):
            found = step
    return found
