"""Where a page of what is closed goes on: by when it closed, the newest first, of one moment the larger number."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from hubwatch_core.clock import to_datetime, to_us

LAST = datetime.max.replace(tzinfo=UTC)
MOST_COUNTED = 10_000
"""What is closed grows without an end: of more, only that there are so many is said."""


def before(after: Sequence[int] | None) -> dict[str, Any]:
    """Return what a page goes on before: the last two numbers of a place tell it, and that of an open one means all."""
    if after is None or after[0] <= 0:
        return {"before": LAST, "before_id": 0}
    moment, number = after[-2:]
    return {"before": to_datetime(min(max(-moment, 0), to_us(LAST))), "before_id": -number}
