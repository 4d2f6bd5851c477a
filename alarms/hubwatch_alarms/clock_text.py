"""Moments as people read them."""

from __future__ import annotations

from hubwatch_core.clock import to_datetime


def clock_text(t_us: int | None) -> str:
    """Give a moment in microseconds to the second, in UTC."""
    return "an unknown time" if t_us is None else f"{to_datetime(t_us):%Y-%m-%d %H:%M:%S} UTC"
