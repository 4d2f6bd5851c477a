"""Asks the broker whether a collector is subscribed.

That a frame was acknowledged says only that somebody has subscribed. Mosquitto restores the detectors' plain
subscriptions when it restarts and forgets the collectors' shared ones: until a collector is back, it takes frames for
the detectors alone. So the agent publishes a roll call on a topic that collectors share just as they share frames, and
the broker's acknowledgement says whether one is there (docs/decisions/0031). That a collector also receives what it has
subscribed to is for the collector to say (`collectors`).
"""

from __future__ import annotations

from enum import Enum, auto

from hubwatch_core.mqtt import MqttLink, MqttRefused

EXPIRES_S = 60
"""Roll calls that a collector has not fetched by then are worth nothing: a night without one must not pile them up."""


class SubscriberAnswer(Enum):
    """What the broker's acknowledgement means."""

    SUBSCRIBED = auto()
    """A collector is subscribed."""
    NOBODY = auto()
    """None is: the broker has thrown the roll call away."""
    REFUSED = auto()
    """The agent may not publish it."""
    UNTOLD = auto()
    """MQTT 3.1.1 has no word for it."""


class SubscriberCheck:
    """Makes roll calls."""

    def __init__(self, topic: str) -> None:
        self.topic = topic

    async def ask(self, link: MqttLink, nonce: str) -> SubscriberAnswer:
        """Publish a roll call with a nonce, which a collector answers. Raises Transient when the link is lost."""
        if not link.tells_who_hears:
            return SubscriberAnswer.UNTOLD
        try:
            subscribed = await link.publish(self.topic, nonce.encode(), expires_s=EXPIRES_S)
        except MqttRefused:
            return SubscriberAnswer.REFUSED
        return SubscriberAnswer.SUBSCRIBED if subscribed else SubscriberAnswer.NOBODY
