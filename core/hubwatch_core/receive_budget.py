"""How much received payload a process may hold in memory, counted in one place."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hubwatch_core.message import Message

MESSAGE_BYTES = 300
"""What a message takes in memory besides payload and topic, roughly: empty ones fill memory as well."""


def size_of(message: Message) -> int:
    """Return what a message counts."""
    return len(message.payload) + len(message.topic) + MESSAGE_BYTES


class ReceiveBudget:
    """Counts what was received and is not processed yet; a connection reads no more while there is no room."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.held_bytes = 0
        self.held_messages = 0
        self.on_release: Callable[[], None] | None = None
        """Called after each release: the connection may have room to read on."""

    @property
    def room_bytes(self) -> int:
        """Return how many bytes may still be received; negative when the limit is exceeded."""
        return self.max_bytes - self.held_bytes

    def hold(self, message: Message) -> None:
        """Count a message that has come."""
        self.held_messages += 1
        self.held_bytes += size_of(message)

    def release(self, messages: Sequence[Message]) -> None:
        """Count messages out: they are processed, or discarded because the broker delivers them again."""
        self.held_messages -= len(messages)
        self.held_bytes -= sum(map(size_of, messages))
        if self.on_release is not None:
            self.on_release()


def take_within(waiting: Sequence[Message], max_messages: int, max_bytes: int | None) -> int:
    """Return how many of the first waiting messages fit into both limits; at least one where any waits."""
    if max_bytes is None:
        return min(max_messages, len(waiting))
    size = 0
    for count, message in enumerate(waiting):
        size += size_of(message)
        if count == max_messages or (count and size > max_bytes):
            return count
    return len(waiting)
