"""A simulated ESPGeiger: an area monitor that publishes its dose rate over MQTT.

Ref: ESPGeiger `docs/outputs/mqtt.md`: `ESPGeiger-ID/tele/sensor` with cpm, cps and µSv/h, and a retained last will.
The real one speaks every 60 s; this one four times a second, so that a short demo has a history.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque

import msgspec

from hubwatch_core.config import MqttSection
from hubwatch_core.mqtt import MqttLink, MqttSession, Will

ROOT = "ESPGeiger-5a11"
PERIOD_S = 0.25
CPM_PER_USV_H = 153.8
"""SBM-20 tube: 0.0065 µSv/h per count per minute."""


class Geiger:
    """Publishes its readings; `published` has the cpm values that the broker acknowledged, in order.

    Its readings can be replaced by a recording of earlier ones.
    """

    def __init__(self, broker: MqttSection, seed: int) -> None:
        self._session = MqttSession(
            broker, client_id="sim-geiger", name="sim-geiger", will=Will(f"{ROOT}/tele/lwt", b"Offline")
        )
        self._random = random.Random(seed)  # noqa: S311 - physics, not secrets
        self.published: list[float] = []
        self.speaking = asyncio.Lock()
        """Held while a reading is on its way to the broker."""
        self._recording: deque[float] = deque()

    def replay(self, age_s: float, seconds: float) -> None:
        """Publish again what was published from `age_s` ago on, for some seconds, in the place of true readings."""
        begin = len(self.published) - round(age_s / PERIOD_S)
        self._recording.extend(self.published[max(begin, 0) : begin + round(seconds / PERIOD_S)])

    async def run(self) -> None:
        """Publish until cancelled."""
        await self._session.run(self._publish)

    async def _publish(self, link: MqttLink) -> None:
        await link.publish(f"{ROOT}/tele/lwt", b"Online", retain=True)
        while True:
            true = round(self._random.gauss(22, 2), 3)
            cpm = self._recording.popleft() if self._recording else true
            body = {"cpm": cpm, "usv": round(cpm / CPM_PER_USV_H, 4), "cps": round(cpm / 60, 3), "warn": 0, "alert": 0}
            async with self.speaking:
                await link.publish(f"{ROOT}/tele/sensor", msgspec.json.encode(body))
                self.published.append(cpm)
            await asyncio.sleep(PERIOD_S)
