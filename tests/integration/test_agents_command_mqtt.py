"""Commands to MQTT devices, at a real broker: published once, never retained."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hubwatch_agents import drivers, privacy
from hubwatch_agents.checked import check
from hubwatch_agents.commands.catalog import entries
from hubwatch_agents.commands.outcome import Outcome, Result
from hubwatch_agents.config import Settings
from hubwatch_agents.tasks import end
from hubwatch_core.config import MqttSection
from hubwatch_core.mqtt import Link, Message, Session
from support.agents_rig import Heard
from support.eventually import eventually
from support.own_mosquitto import OwnMosquitto

Address = tuple[str, int]
PATIENCE_S = 15.0


class Door:
    """A door of a UniFi gateway, and the driver that may unlock it."""

    def __init__(self, address: Address) -> None:
        self.topic = f"unifi-{uuid.uuid4().hex[:8]}"
        self.came: list[Message] = []
        self.heard = Heard()
        way = {"name": "b", "transport": "mqtt", "host": address[0], "port": address[1], "reconnect_max_s": 0.3}
        device = {
            "sensor": "door-1",
            "zone": "z",
            "profile": "unifi-access-gateway",
            "connection": "b",
            "parameters": {"topic": self.topic, "door": "gate-2"},
        }
        settings = Settings.model_validate({"hub": "t", "agent": "r", "connections": [way], "devices": [device]})
        self.checked = check(settings, "test")
        tools = drivers.Tools(self.heard, privacy.raw, f"cmd-{self.topic}")
        self.driver = drivers.make(settings.connections[0], self.checked.devices, tools)

    async def unlock(self) -> Outcome:
        (entry,) = entries(self.checked.devices)
        return await self.driver.command(entry.device, entry.command)

    async def listen(self, link: Link) -> None:
        """Hear what the door would, and tell its state once, so that the driver shows that it listens."""
        await link.subscribe(f"{self.topic}/gate-2/set")
        while True:
            await link.publish(
                f"{self.topic}/gate-2", b'{"is_online": true, "door_status": "closed", "lock_status": "locked"}'
            )
            self.came += await link.receive(10, 0.2)


@asynccontextmanager
async def door_at(address: Address) -> AsyncIterator[Door]:
    """Run the door and its driver inside the context."""
    door, stop = Door(address), asyncio.Event()
    section = MqttSection(host=address[0], port=address[1], reconnect_max_s=0.3)
    listening = asyncio.create_task(Session(section, client_id=f"door-{door.topic}").run(door.listen))
    driving = asyncio.create_task(door.driver.run(stop))
    try:
        yield door
    finally:
        stop.set()
        await asyncio.wait_for(driving, 10)
        await end(listening)


async def test_command_is_published_once_and_not_retained(mosquitto: Address) -> None:
    async with door_at(mosquitto) as door:
        await door.heard.until(lambda heard: heard.last("door-1", "lock"), PATIENCE_S)
        result, text = await door.unlock()
        assert result is Result.DONE
        assert "the broker has taken it" in text
        await eventually(lambda: door.came, PATIENCE_S)
        await asyncio.sleep(1.0)
        assert [(each.payload, each.retain) for each in door.came] == [(b'{"action":"unlock"}', False)]
        late = Door(mosquitto)
        late.topic = door.topic
        section = MqttSection(host=mosquitto[0], port=mosquitto[1])
        task = asyncio.create_task(Session(section, client_id=f"late-{door.topic}").run(late.listen))
        await asyncio.sleep(1.0)
        await end(task)
        assert late.came == [], "whoever subscribes later must not be told to unlock"


async def test_without_a_link_nothing_is_sent_then_or_later(own_mosquitto: OwnMosquitto) -> None:
    async with door_at((own_mosquitto.host, own_mosquitto.port)) as door:
        await door.heard.until(lambda heard: heard.last("door-1", "lock"), PATIENCE_S)
        own_mosquitto.kill()
        await eventually(lambda: "lost" in str(door.heard.readings[-1].reason), PATIENCE_S)
        assert await door.unlock() == (Result.FAILED, "not sent: there is no link to the device's broker")
        own_mosquitto.start()
        await door.heard.until(lambda heard: (last := heard.last("door-1", "lock")) and last.x is not None, PATIENCE_S)
        await asyncio.sleep(1.0)
        assert door.came == []
