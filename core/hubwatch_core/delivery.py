"""What came of one attempt to deliver a message to people."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class DeliveryResult(StrEnum):
    """What to do after an attempt."""

    DELIVERED = "delivered"
    """The other side has it."""
    TRANSIENT = "transient"
    """The other side is away or busy: try again."""
    REFUSED = "refused"
    """The other side refuses: try again at a slow pace, for a key, an address or a service is put right by people."""


@dataclass(frozen=True, slots=True)
class DeliveryOutcome:
    """One attempt's result; `status` is the other side's code where it has one, `error` one line for an operator."""

    result: DeliveryResult
    status: int | None = None
    error: str | None = None
    retry_after_s: float | None = None
    """The other side asked not to be called again for so long."""
