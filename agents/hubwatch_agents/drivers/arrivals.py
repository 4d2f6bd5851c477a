"""Times of what came together: messages read from a broker in one go, samples in one message."""

from __future__ import annotations

from typing import NamedTuple

from hubwatch_core.clock import SECOND_US
from hubwatch_core.wire import EARLIEST_US

OLD_US = 10 * SECOND_US
"""What a device has kept back for longer than this is late: nobody watching live waits so long."""


class Arrivals:
    """Keeps times apart: what came together follows each other by a microsecond, in its order.

    Two values of one channel with the same time would be one.
    """

    def __init__(self) -> None:
        self._last = 0

    def time(self, received: int) -> int:
        """Return the time (µs UTC) of what was received next: after all before it, unless the clock was set back."""
        ahead = self._last - received
        self._last = self._last + 1 if 0 <= ahead < SECOND_US else received
        return self._last


class SampleTime(NamedTuple):
    """The time (µs UTC) of a sample, whether it is the device's own, and whether the sample is late."""

    t: int
    own: bool
    late: bool


class SampleTimes:
    """Times of the samples of one channel, or of channels that are always measured together."""

    def __init__(self) -> None:
        self._arrivals = Arrivals()
        self._device = 0
        self._same = 0

    def next(self, received: int, device: int | None, *, buffered: bool, stored: bool = False) -> SampleTime:
        """Return the time of the next sample: when it was received or, of what was kept back, the device's own.

        `buffered`: the profile says that the device keeps samples back; `stored`: the device says so of this one, which
        is then late. A time of the device that is later than the message, or before any installation, is none.
        """
        if device is None or not (buffered or stored) or not EARLIEST_US <= device <= received:
            return SampleTime(self._arrivals.time(received), own=False, late=False)
        self._same = self._same + 1 if device == self._device else 0
        self._device = device
        return SampleTime(device + self._same, own=True, late=stored or received - device > OLD_US)
