"""What a component takes messages from, whether an MQTT broker or a JetStream cluster is behind it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from hubwatch_core.mqtt import Message


class Feed(Protocol):
    """A link to where messages come from: `mqtt.Link` and `jetstream.Link`."""

    async def subscribe(self, *filters: str) -> None:
        """Begin to take what matches MQTT topic filters."""

    async def receive(self, most: int, wait_s: float) -> list[Message]:
        """Wait up to `wait_s` for a message, then take what has come, at most `most`; [] when none came."""

    def ack(self, message: Message) -> None:
        """Tell the other side that `message` is dealt with, so that it is not delivered again."""


class FeedSession(Protocol):
    """Keeps a feed alive: `mqtt.Session` and `jetstream.Session`."""

    async def run(self, use: Callable[[Feed], Awaitable[None]]) -> None:
        """Call `use(feed)`, with a new feed where the old one ended with its connection, until it returns."""
