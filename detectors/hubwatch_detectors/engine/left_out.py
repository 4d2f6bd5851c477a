"""What is not judged: messages of a clock that is ahead, and readings of sensors that are in no inventory."""

from __future__ import annotations

from hubwatch_core.logs import get_logger
from hubwatch_core.packed_frame import AnyFrame
from hubwatch_core.time_limits import DAY_US
from hubwatch_core.wire import Birth

MAX_UNKNOWN = 1000
"""Sensors without an inventory, and clocks, that are logged one by one; all are counted."""

_log = get_logger("detectors")


class LeftOut:
    """Logs each sensor and each clock once."""

    def __init__(self, future_us: int) -> None:
        self._future_us = future_us
        self._unknown: set[tuple[str, str]] = set()
        self._wrong_clocks: set[tuple[str, str]] = set()

    def is_from_the_future(self, content: AnyFrame | Birth, received: int) -> bool:
        """Return whether a clock was so far ahead that what it says is not judged."""
        key = (content.hub, content.agent)
        if content.sent <= received + self._future_us:
            self._wrong_clocks.discard(key)
            return False
        if key not in self._wrong_clocks and len(self._wrong_clocks) < MAX_UNKNOWN:
            self._wrong_clocks.add(key)
            days = round((content.sent - received) / DAY_US, 1)
            _log.warning("agent's clock is ahead, what it sends is not judged", hub=key[0], agent=key[1], days=days)
        return True

    def unknown(self, hub: str, name: str) -> None:
        """Note a sensor that spoke and is in no inventory."""
        if (hub, name) not in self._unknown and len(self._unknown) < MAX_UNKNOWN:
            self._unknown.add((hub, name))
            _log.warning("sensor is in no inventory, not judged", hub=hub, sensor=name)
