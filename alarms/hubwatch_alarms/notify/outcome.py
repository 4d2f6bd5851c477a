"""What came of one attempt to deliver a message."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Result(StrEnum):
    """What to do after an attempt."""

    DELIVERED = "delivered"
    """The other side has it."""
    TRANSIENT = "transient"
    """The other side is away or busy: try again."""
    PERMANENT = "permanent"
    """The other side refuses this message: trying again changes nothing."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One attempt's result; `status` is the other side's code where it has one, `error` one line for an operator."""

    result: Result
    status: int | None = None
    error: str | None = None
    retry_after_s: float | None = None
    """The other side asked not to be called again for so long."""
