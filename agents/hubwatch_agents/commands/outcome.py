"""How a command ended."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Result(StrEnum):
    """What can become of a request."""

    DONE = "done"
    """The device, or the broker of an MQTT device, has taken it, and what is read back agrees."""
    REFUSED = "refused"
    """Not permitted; nothing was sent."""
    FAILED = "failed"
    """Not sent, refused by the device, or what is read back differs."""
    UNKNOWN = "unknown"
    """Sent, and nobody knows whether it took effect. Never sent again by itself."""


class Outcome(NamedTuple):
    """A result and, in one sentence, why or with what."""

    result: Result
    text: str
