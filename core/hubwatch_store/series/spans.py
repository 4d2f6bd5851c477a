"""Spans of time, and what is left of one when others are taken out of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """From `since` up to `until`; whether `until` is included is for the user to say."""

    since: datetime
    until: datetime


def without(whole: Span, kept: Iterable[Span], width: timedelta) -> list[Span]:
    """Return what is left of `whole` (without its end) when all that touches `kept` (with their ends) is taken out.

    What lies at a moment reaches from there over `width`: a bucket is kept when any part of it is.
    """
    left, since = [], whole.since
    for span in sorted(kept):
        # A bucket is touched when it ends after the span's beginning; a reading (no width) when it is not before it.
        first = span.since - width + _MOMENT if width else span.since
        if first > since:
            left.append(Span(since, min(first, whole.until)))
        since = max(since, span.until + _MOMENT)
        if since >= whole.until:
            break
    if since < whole.until:
        left.append(Span(since, whole.until))
    return [span for span in left if span.since < span.until]
