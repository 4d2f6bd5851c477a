"""A message of a device, as the mapper sees it."""

from __future__ import annotations

from typing import NamedTuple

from hubwatch_agents.readings import Happening, Reading
from hubwatch_core.wire import EARLIEST_US

Found = Reading | Happening
"""What a message says."""


class Heard(NamedTuple):
    """One message as the broker gave it; `t` in µs is when it came. `late`: fetched afterwards."""

    topic: str
    payload: bytes
    retained: bool
    t: int
    late: bool = False

    def moment(self, device: int | None) -> int:
        """Give the time (µs) of what it says: when it came, but of what was fetched afterwards the device's own."""
        own = self.late and device is not None and EARLIEST_US <= device <= self.t
        return device if own and device is not None else self.t
