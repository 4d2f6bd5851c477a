"""A simulated UHPPOTE controller behind uhppoted-mqtt: it publishes badges at doors as MQTT events.

Ref: uhppoted-mqtt documentation (v0.9.0), topic `uhppoted/gateway/events/live`; reason codes of uhppoted-lib.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import msgspec

from hubwatch_core.config import MqttSection
from hubwatch_core.mqtt import MqttLink, MqttSession

TOPIC = "uhppoted/gateway/events/live"
DEVICE_ID = 405419896
GRANTED, NO_RIGHTS = 1, 6


@dataclass(frozen=True, slots=True)
class Badge:
    """A card held to the reader of a door (1–4), going in; granted or denied."""

    door: int
    card: int
    granted: bool


class AccessController:
    """Publishes an event for every badge; `published` has the ids of the events that the broker acknowledged."""

    def __init__(self, broker: MqttSection) -> None:
        self._session = MqttSession(broker, client_id="sim-uhppoted", name="sim-access")
        self._badges: asyncio.Queue[Badge] = asyncio.Queue()
        self._next_id = 1000
        self.published: list[int] = []

    def badge(self, badge: Badge) -> None:
        """Hold a card to a reader."""
        self._badges.put_nowait(badge)

    async def run(self) -> None:
        """Publish until cancelled."""
        await self._session.run(self._publish)

    async def _publish(self, link: MqttLink) -> None:
        while True:
            badge = await self._badges.get()
            self._next_id += 1
            await link.publish(TOPIC, msgspec.json.encode(self._event(badge, self._next_id)))
            self.published.append(self._next_id)

    @staticmethod
    def _event(badge: Badge, number: int) -> dict[str, object]:
        reason = GRANTED if badge.granted else NO_RIGHTS
        event = {
            "device-id": DEVICE_ID,
            "event-id": number,
            "event-type": 1,
            "event-type-text": "card swipe",
            "access-granted": badge.granted,
            "door-id": badge.door,
            "direction": 1,
            "direction-text": "in",
            "card-number": badge.card,
            "timestamp": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
            "event-reason": reason,
            "event-reason-text": "swipe" if badge.granted else "no access rights",
        }
        return {"message": {"event": event}}
