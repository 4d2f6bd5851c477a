"""An agent by hand: a few doors whose position is told in frames, over a link of the test's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hubwatch_core.clock import now_us
from hubwatch_core.config import MqttSection
from hubwatch_core.ids import new_ulid
from hubwatch_core.mqtt import MqttLink, MqttSession

HUB, AGENT = "quay", "gate-7"
EVERY_S = 0.3


class HandAgent:
    """Tells each 0.3 s where its doors stand; `opened` are those that are open."""

    def __init__(self, doors: int) -> None:
        self.opened: set[int] = set()
        self.published = 0
        self._doors = range(1, doors + 1)
        self._epoch = new_ulid()

    async def tell(self, link: MqttLink) -> None:
        """Announce the doors, then tell of them for ever."""
        await self._publish(link, "birth", {"software": "t", "config": "c", "inventory": [*map(_door, self._doors)]})
        await link.publish(f"hubwatch/1/{HUB}/{AGENT}/state", b"online", retain=True)
        while True:
            series = [
                {"sensor": f"door-{n}", "channel": "position", "t0": now_us(), "dt": [0], "x": [int(n in self.opened)]}
                for n in self._doors
            ]
            self.published += 1
            await self._publish(link, "frame", {"seq": self.published, "series": series, "events": []})
            await asyncio.sleep(EVERY_S)

    async def _publish(self, link: MqttLink, leaf: str, content: dict[str, object]) -> None:
        who = {"v": 1, "hub": HUB, "agent": AGENT, "epoch": self._epoch, "sent": now_us()}
        await link.publish(
            f"hubwatch/1/{HUB}/{AGENT}/{leaf}", json.dumps(who | content).encode(), retain=leaf == "birth"
        )


@asynccontextmanager
async def telling(host: str, port: int, doors: int) -> AsyncIterator[HandAgent]:
    """Run such an agent at a broker inside the context."""
    agent = HandAgent(doors)
    session = MqttSession(MqttSection(host=host, port=port), client_id="hand-agent")
    task = asyncio.create_task(session.run(agent.tell))
    try:
        yield agent
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _door(number: int) -> dict[str, object]:
    channel = {"name": "position", "unit": "1", "kind": "state", "period_us": 300_000}
    return {"sensor": f"door-{number}", "kind": "access", "zone": "quay", "max_age_s": 300, "channels": [channel]}
