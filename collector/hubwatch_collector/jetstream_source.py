"""Takes messages from a NATS JetStream cluster, sharing all of them with the other collectors of the group."""

from __future__ import annotations

from hubwatch_collector.inbox import Inbox
from hubwatch_collector.source import Source
from hubwatch_core import topics
from hubwatch_core.config import NatsSection
from hubwatch_core.health import Health
from hubwatch_core.jetstream import Session
from hubwatch_core.topics import Leaf


def jetstream_source(settings: NatsSection, group: str, inbox: Inbox, health: Health) -> Source:
    """Make the source that `[nats]` describes. Births and states come the same way, before the frames they explain."""
    session = Session(settings, durable=f"hubwatch-{group or 'collector'}", name="nats", health=health)
    return Source(session, [topics.every(leaf) for leaf in Leaf], inbox, health)
