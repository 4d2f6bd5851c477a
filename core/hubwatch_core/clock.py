"""Time as hubwatch counts it: microseconds UTC since 1970, as int."""

from __future__ import annotations

import time
from datetime import UTC, datetime

SECOND_US = 1_000_000


def now_us() -> int:
    """Return the present moment in microseconds since 1970, UTC."""
    return time.time_ns() // 1000


def to_datetime(t_us: int) -> datetime:
    """Turn microseconds since 1970 into an aware UTC datetime, exact to the microsecond."""
    seconds, micros = divmod(t_us, SECOND_US)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=micros)


def to_us(moment: datetime) -> int:
    """Turn an aware datetime into microseconds since 1970; raises ValueError when it has no time zone."""
    if moment.tzinfo is None:
        raise ValueError("a datetime without time zone has no place on the time line")
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * SECOND_US + delta.microseconds


def clock_text(t_us: int | None) -> str:
    """Return a moment in microseconds to the second, in UTC."""
    return "an unknown time" if t_us is None else f"{to_datetime(t_us):%Y-%m-%d %H:%M:%S} UTC"
