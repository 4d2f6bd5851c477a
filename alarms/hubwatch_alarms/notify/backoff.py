"""How long to wait before the next attempt."""

from __future__ import annotations

FIRST_S = 1.0
LONGEST_S = 60.0
LONGEST_ASKED_S = 15 * 60.0
"""No answer of another machine may silence a route for longer than this, whatever its Retry-After says."""


def pause_s(attempt: int, chance: float, retry_after_s: float | None = None) -> float:
    """Give the pause after attempt number `attempt` (from 1): doubling from 1 s to at most 60 s.

    `chance` in [0, 1) spreads it over the upper half, so that messages that failed together do not come back together.
    What the other side asked for with Retry-After is the least, up to 15 minutes.
    """
    full = min(FIRST_S * 2.0 ** min(attempt - 1, 10), LONGEST_S)
    pause = full * (0.5 + chance / 2)
    return max(pause, min(retry_after_s or 0.0, LONGEST_ASKED_S))
