"""Times of messages that came together: a broker's packets are read in one go and then share one time of receipt."""

from __future__ import annotations

from hubwatch_core.mqtt import Message


class Arrivals:
    """Keeps messages apart: those that came together follow each other by a microsecond, in their order.

    Two values of one channel with the same time would be one.
    """

    def __init__(self) -> None:
        self._received = 0
        self._ahead = 0

    def time(self, message: Message) -> int:
        """Give the time (µs UTC) of the next message."""
        self._ahead = self._ahead + 1 if message.received == self._received else 0
        self._received = message.received
        return self._received + self._ahead
