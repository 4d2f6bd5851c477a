"""The MQTT driver: one session to one broker, every device behind it a mapper."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from hubwatch_agents.arrivals import Arrivals
from hubwatch_agents.commands.outcome import Outcome, Result
from hubwatch_agents.connections import Connection, MqttWay
from hubwatch_agents.devices import Device
from hubwatch_agents.drivers import AnyCommand, Tools
from hubwatch_agents.mqtt_json.asking import Asker
from hubwatch_agents.mqtt_json.commanding import Speaker
from hubwatch_agents.mqtt_json.desk import desks
from hubwatch_agents.mqtt_json.heard import Found, Heard
from hubwatch_agents.mqtt_json.mapper import Mapper
from hubwatch_agents.mqtt_json.recovery import recoverers
from hubwatch_agents.mqtt_json.topics import matches
from hubwatch_agents.profiles.mqtt_schema import MqttCommand, MqttProfile
from hubwatch_agents.readings import Reading
from hubwatch_agents.tasks import until_stopped
from hubwatch_core.clock import now_us
from hubwatch_core.config import MqttSection
from hubwatch_core.mqtt import Link, Message, Session

BATCH = 200
TICK_S = 0.5


class MqttDriver:
    """Listens to one broker, and asks where a device wants to be asked."""

    def __init__(self, connection: Connection, devices: Sequence[Device], tools: Tools) -> None:
        assert isinstance(connection, MqttWay)
        self._tools = tools
        self.mappers = [Mapper(device, _profile(device), tools.pseudonym, tools.drops) for device in devices]
        self._asker = Asker(f"{tools.client_id}-{connection.name}", tools.drops)
        self._desks = desks(self.mappers, self._asker, self._give)
        self._recoverers = recoverers(self.mappers, self._asker, tools.marks, tools.drops, self._give)
        topics = (self._asker.filters, *(mapper.filters for mapper in self.mappers))
        self._filters = sorted({each for filters in topics for each in filters})
        self._devices = tuple(devices)
        self._arrivals = Arrivals()
        self._speaker = Speaker()
        self._session = session(connection, tools, f"mqtt-{connection.name}")

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until `stop` is set."""
        for recoverer in self._recoverers:
            recoverer.restore()
        try:
            await until_stopped(stop, self._tick_for_ever(), self._session.run(self._use))
        finally:
            self._tools.marks.close()

    def delays_s(self) -> Mapping[str, float]:
        """Nobody waits for anybody here."""
        return {}

    async def command(self, device: Device, command: AnyCommand) -> Outcome:
        """Publish a command once."""
        if device not in self._devices or not isinstance(command, MqttCommand):
            return Outcome(Result.FAILED, "not sent: the connection is being set up anew")
        return await self._speaker.command(command)

    async def _use(self, link: Link) -> None:
        await link.subscribe(*self._filters)
        asking = [*(desk.run(link) for desk in self._desks), *(each.run(link) for each in self._recoverers)]
        self._speaker.link = link
        try:
            await until_stopped(asyncio.Event(), self._listen(link), *asking)
        finally:
            self._speaker.link = None
            t = now_us()
            for mapper in self.mappers:
                self._give(mapper.failed(t, "link to the device's broker is lost"))

    async def _listen(self, link: Link) -> None:
        while True:
            for message in await link.receive(BATCH, TICK_S):
                self._hear(message)

    def _hear(self, message: Message) -> None:
        heard = Heard(message.topic, message.payload, message.retain, self._arrivals.time(message))
        for mapper in self.mappers:
            if any(matches(pattern, message.topic) for pattern in mapper.filters):
                self._give(mapper.hear(heard))
        for recoverer in self._recoverers:
            if matches(recoverer.rule.topic, message.topic):
                recoverer.hear(heard)
        self._asker.hear(message)

    async def _tick_for_ever(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            t = now_us()
            for mapper in self.mappers:
                self._give(mapper.tick(t))
            self._tools.drops.settle(t)
            self._tools.marks.save()

    def _give(self, found: Iterable[Found]) -> None:
        for each in found:
            if isinstance(each, Reading):
                self._tools.sink.reading(each)
            else:
                self._tools.sink.happening(each)


def session(connection: MqttSection, tools: Tools, name: str) -> Session:
    """Make the session of a driver: a client of its own, which keeps nothing at the broker."""
    return Session(connection, client_id=f"{tools.client_id}-{name}", name=name)


def _profile(device: Device) -> MqttProfile:
    assert isinstance(device.profile, MqttProfile)
    return device.profile
