"""A token bucket per key, bounded in memory."""

from __future__ import annotations

from collections import OrderedDict


class RateLimit:
    """Allows `burst` at once and `per_second` on average, for each key; forgets the keys longest unused."""

    def __init__(self, per_second: float, burst: float, max_keys: int = 1000) -> None:
        self._per_second = per_second
        self._burst = burst
        self._max_keys = max_keys
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allow(self, key: str, now_s: float) -> bool:
        """Take one token of `key` at the monotonic time `now_s`; False when there is none."""
        tokens, at = self._buckets.pop(key, (self._burst, now_s))
        tokens = min(self._burst, tokens + (now_s - at) * self._per_second)
        allowed = tokens >= 1.0
        self._buckets[key] = (tokens - 1.0 if allowed else tokens, now_s)
        if len(self._buckets) > self._max_keys:
            self._buckets.popitem(last=False)
        return allowed
