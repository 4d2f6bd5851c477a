"""Commands to MQTT devices, at a real broker: published once, never retained."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hubwatch_agents.commands.catalog import entries
from hubwatch_agents.commands.protocol import CommandOutcome, CommandResult
from hubwatch_agents.config.load import check
from hubwatch_agents.drivers import contract, registry
from hubwatch_agents.settings import AgentSettings
from hubwatch_agents.values import pseudonyms
from hubwatch_core.concurrency import drain
from hubwatch_core.config import MqttSection
from hubwatch_core.mqtt import Message, MqttLink, MqttSession
from support.agents_rig import Heard
from support.eventually import eventually
from support.own_mosquitto import OwnMosquitto

Address = tuple[str, int]
PATIENCE_S = 60.0
MARKER = b"marker"


class Door:
    """A door of a UniFi gateway, and the driver that may unlock it."""

    def __init__(self, address: Address) -> None:
        self.topic = f"unifi-{uuid.uuid4().hex[:8]}"
        self.came: list[Message] = []
        self.heard = Heard()
        way = {"name": "b", "transport": "mqtt", "host": address[0], "port": address[1], "max_reconnect_s": 0.3}
        device = {
            "sensor": "door-1",
            "zone": "z",
            "profile": "unifi-access-gateway",
            "connection": "b",
            "parameters": {"topic": self.topic, "door": "gate-2"},
        }
        settings = AgentSettings.model_validate({"hub": "t", "agent": "r", "connections": [way], "devices": [device]})
        self.checked = check(settings, "test")
        tools = contract.DriverContext(self.heard, pseudonyms.raw, f"cmd-{self.topic}")
        self.driver = registry.make(settings.connections[0], self.checked.devices, tools)

    async def unlock(self) -> CommandOutcome:
        (entry,) = entries(self.checked.devices)
        return await self.driver.command(entry.device, entry.command)

    async def listen(self, link: MqttLink) -> None:
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
    section = MqttSection(host=address[0], port=address[1], max_reconnect_s=0.3)
    listening = asyncio.create_task(MqttSession(section, client_id=f"door-{door.topic}").run(door.listen))
    driving = asyncio.create_task(door.driver.run(stop))
    try:
        yield door
    finally:
        stop.set()
        async with asyncio.timeout(60):
            await driving
        await drain([listening])


async def marked(address: Address, door: Door) -> None:
    """Publish a marker to a door until it comes: what was sent before has come then."""
    section = MqttSection(host=address[0], port=address[1])

    async def until_it_comes(link: MqttLink) -> None:
        while not any(message.payload == MARKER for message in door.came):
            await link.publish(f"{door.topic}/gate-2/set", MARKER)
            await asyncio.sleep(0.05)

    async with asyncio.timeout(PATIENCE_S):
        await MqttSession(section, client_id=f"marker-{door.topic}").run(until_it_comes)


def before_marker(door: Door) -> list[Message]:
    return list(itertools.takewhile(lambda message: message.payload != MARKER, door.came))


async def test_command_is_published_once_and_not_retained(mosquitto: Address) -> None:
    async with door_at(mosquitto) as door:
        await door.heard.until(lambda heard: heard.last("door-1", "lock"), PATIENCE_S)
        result, text = await door.unlock()
        assert result is CommandResult.DONE
        assert "the broker has taken it" in text
        await marked(mosquitto, door)
        assert [(each.payload, each.retain) for each in before_marker(door)] == [(b'{"action":"unlock"}', False)]
        late = Door(mosquitto)
        late.topic = door.topic
        section = MqttSection(host=mosquitto[0], port=mosquitto[1])
        task = asyncio.create_task(MqttSession(section, client_id=f"late-{door.topic}").run(late.listen))
        await marked(mosquitto, late)
        await drain([task])
        assert before_marker(late) == [], "whoever subscribes later must not be told to unlock"


async def test_without_a_link_nothing_is_sent_then_or_later(own_mosquitto: OwnMosquitto) -> None:
    async with door_at((own_mosquitto.host, own_mosquitto.port)) as door:
        await door.heard.until(lambda heard: heard.last("door-1", "lock"), PATIENCE_S)
        own_mosquitto.kill()
        await eventually(lambda: "lost" in str(door.heard.readings[-1].reason), PATIENCE_S)
        assert await door.unlock() == (CommandResult.FAILED, "not sent: there is no link to the device's broker")
        own_mosquitto.start()
        await door.heard.until(lambda heard: (last := heard.last("door-1", "lock")) and last.x is not None, PATIENCE_S)
        await marked((own_mosquitto.host, own_mosquitto.port), door)
        assert before_marker(door) == []
