"""A simulated ESPGeiger: an area monitor that publishes its dose rate over MQTT.

Ref: ESPGeiger `docs/outputs/mqtt.md`: `ESPGeiger-ID/tele/sensor` with cpm, cps and µSv/h, and a retained last will.
The real one speaks every 60 s; this one every second, so that a short demo shows it.
"""

from __future__ import annotations

import asyncio
import random

import msgspec

from hubwatch_core.config import MqttSection
from hubwatch_core.mqtt import MqttLink, MqttSession, Will

ROOT = "ESPGeiger-5a11"
PERIOD_S = 1.0
CPM_PER_USV_H = 153.8
"""SBM-20 tube: 0.0065 µSv/h per count per minute."""


class Geiger:
    """Publishes one reading per second; `published` has the cpm values that the broker acknowledged, in order."""

    def __init__(self, broker: MqttSection, seed: int) -> None:
        self._session = MqttSession(
            broker, client_id="sim-geiger", name="sim-geiger", will=Will(f"{ROOT}/tele/lwt", b"Offline")
        )
        self._random = random.Random(seed)  # noqa: S311 - physics, not secrets
        self.published: list[float] = []

    async def run(self) -> None:
        """Publish until cancelled."""
        await self._session.run(self._publish)

    async def _publish(self, link: MqttLink) -> None:
        await link.publish(f"{ROOT}/tele/lwt", b"Online", retain=True)
        while True:
            cpm = round(self._random.gauss(22, 2), 3)
            body = {"cpm": cpm, "usv": round(cpm / CPM_PER_USV_H, 4), "cps": round(cpm / 60, 3), "warn": 0, "alert": 0}
            await link.publish(f"{ROOT}/tele/sensor", msgspec.json.encode(body))
            self.published.append(cpm)
            await asyncio.sleep(PERIOD_S)
