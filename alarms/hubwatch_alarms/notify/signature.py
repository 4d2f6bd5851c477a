"""Signing of webhook bodies: HMAC-SHA256 over the decimal seconds of the sending, a full stop, and the body.

The time is inside the signature so that a recorded request cannot be played again later. How a receiver checks it is in
docs/howto/receive-webhooks.md.
"""

from __future__ import annotations

import hashlib
import hmac

VERSION = "v1"


def sign(secret: str, timestamp_s: int, body: bytes) -> str:
    """Give the value of X-Hubwatch-Signature for a body sent at `timestamp_s` (seconds since 1970)."""
    signed = str(timestamp_s).encode() + b"." + body
    return f"{VERSION}={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"
