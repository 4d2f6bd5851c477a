"""Takes messages from an MQTT broker, sharing the frames with the other collectors of the group."""

from __future__ import annotations

from hubwatch_collector.config import Settings
from hubwatch_collector.inbox import Inbox
from hubwatch_collector.source import Source
from hubwatch_core import topics
from hubwatch_core.health import Health
from hubwatch_core.mqtt import Session
from hubwatch_core.topics import Leaf


def mqtt_source(settings: Settings, inbox: Inbox, health: Health) -> Source:
    """Make the source that `[mqtt]` describes."""
    return Source(mqtt_session(settings, health), filters_of(settings), inbox, health)


def mqtt_session(settings: Settings, health: Health) -> Session:
    """Make the session that this collector has at the broker."""
    return Session(
        settings.mqtt,
        client_id=settings.intake.client_id,
        name="mqtt",
        persistent=True,
        manual_ack=True,
        health=health,
    )


def filters_of(settings: Settings) -> tuple[str, ...]:
    """Give what a collector subscribes to.

    Births and states go to every collector: each can then explain gaps, and a broker gives retained messages to none
    that shares.
    """
    return (
        topics.every(Leaf.BIRTH),
        topics.every(Leaf.STATE),
        topics.shared(settings.intake.group, topics.every(Leaf.FRAME)),
        # Behind the frames, and shared like them: who finds this subscription finds that one.
        topics.shared(settings.intake.group, topics.EVERY_ROLLCALL),
    )
