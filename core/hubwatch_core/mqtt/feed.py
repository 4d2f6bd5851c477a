"""What a component takes messages from, whether an MQTT broker or a JetStream cluster is behind it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from hubwatch_core.message import Message


class Feed(Protocol):
    """A link to where messages come from: `MqttLink` and `JetStreamLink`."""

    async def subscribe(self, *filters: str) -> None:
        """Begin to take what matches MQTT topic filters."""

    async def receive(self, most: int, wait_s: float, max_bytes: int | None = None) -> list[Message]:
        """Wait up to `wait_s` for a message, then take what has come within the limits; [] when none came."""

    def ack(self, message: Message) -> None:
        """Tell the other side that `message` is dealt with, so that it is not delivered again."""

    async def publish(self, topic: str, payload: bytes, *, expires_s: int | None = None) -> bool:
        """Publish a small message to whoever has subscribed now; return False when it is known that nobody has."""


class FeedSession(Protocol):
    """Keeps a feed alive: `MqttSession` and `JetStreamSession`."""

    async def run(self, use: Callable[[Feed], Awaitable[None]]) -> None:
        """Call `use(feed)`, with a new feed where the old one ended with its connection, until it returns."""
