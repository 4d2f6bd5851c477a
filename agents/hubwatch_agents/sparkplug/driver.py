"""The Sparkplug B driver: listens to edge nodes, asks for rebirths, and commands nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from hubwatch_agents.arrivals import Arrivals
from hubwatch_agents.commands.outcome import Outcome, Result
from hubwatch_agents.connections import Connection, SparkplugWay
from hubwatch_agents.devices import Device
from hubwatch_agents.drivers import AnyCommand, Tools
from hubwatch_agents.profiles.sparkplug_schema import SparkplugProfile
from hubwatch_agents.readings import Reading
from hubwatch_agents.sparkplug.host import Host
from hubwatch_agents.sparkplug.node import Found, MetricSensor, Node, Told
from hubwatch_agents.sparkplug.payload import Malformed, decode, rebirth_command
from hubwatch_agents.tasks import until_stopped
from hubwatch_core.clock import now_us
from hubwatch_core.mqtt import Link, Message, Session

NAMESPACE = "spBv1.0"
KINDS = frozenset({"NBIRTH", "NDEATH", "NDATA", "DBIRTH", "DDEATH", "DDATA"})
BATCH = 200
TICK_S = 0.5
MS_US = 1000


class SparkplugDriver:
    """Listens to the edge nodes behind one broker."""

    def __init__(self, connection: Connection, devices: Sequence[Device], tools: Tools) -> None:
        assert isinstance(connection, SparkplugWay)
        self._sink = tools.sink
        self._drops = tools.drops
        self._arrivals = Arrivals()
        self.host = Host(connection.host_id) if connection.host_id is not None else None
        name = f"sparkplug-{connection.name}"
        will = self.host.will if self.host is not None else None
        self._session = Session(connection, client_id=f"{tools.client_id}-{name}", name=name, will=will)
        behind: dict[tuple[str, str], list[MetricSensor]] = {}
        for device in devices:
            profile = device.profile
            assert isinstance(profile, SparkplugProfile)
            behind.setdefault((profile.group, profile.node), []).append(MetricSensor(device, profile))
        reorder_us = connection.reorder_ms * MS_US
        self.nodes = {key: Node(sensors, reorder_us, tools.drops) for key, sensors in behind.items()}

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until `stop` is set."""
        await until_stopped(stop, self._session.run(self._use))

    def delays_s(self) -> Mapping[str, float]:
        """Nobody waits for anybody here."""
        return {}

    async def command(self, device: Device, command: AnyCommand) -> Outcome:
        """Send nothing: profiles of Sparkplug devices name no commands."""
        return Outcome(Result.FAILED, f"not sent: {device.sensor} takes no command such as {command.name}")

    async def _use(self, link: Link) -> None:
        for node in self.nodes.values():
            node.begin()
        await link.subscribe(*(f"{NAMESPACE}/{group}/+/{name}/#" for group, name in self.nodes))
        try:
            if self.host is not None:
                await self.host.begin(link)
            while True:
                await self._ask_for_births(link)
                for message in await link.receive(BATCH, TICK_S):
                    self._hear(message)
                await self._tick(link)
        finally:
            for node in self.nodes.values():
                self._give(node.failed(now_us(), "link to the device's broker is lost"))
            if self.host is not None:
                await self.host.end(link)

    async def _tick(self, link: Link) -> None:
        t = now_us()
        for node in self.nodes.values():
            self._give(node.tick(t))
        self._drops.settle(t)
        if self.host is not None:
            await self.host.tick(link, t)

    async def _ask_for_births(self, link: Link) -> None:
        for (group, name), node in self.nodes.items():
            if node.ask(now_us()):
                await link.publish(f"{NAMESPACE}/{group}/NCMD/{name}", rebirth_command(now_us() // MS_US), qos=0)

    def _hear(self, message: Message) -> None:
        if self.host is not None and message.topic == self.host.topic:
            self.host.hear(message)
            return
        parts = message.topic.split("/")
        node = self.nodes.get((parts[1], parts[3])) if len(parts) in (4, 5) else None
        if node is None or parts[2] not in KINDS:
            return
        t = self._arrivals.time(message)
        try:
            payload = decode(message.payload)
        except Malformed as error:
            node.unreadable(t, str(error))
            return
        self._give(node.hear(Told(parts[2], parts[4] if len(parts) == 5 else None, payload, t)))

    def _give(self, found: Iterable[Found]) -> None:
        for each in found:
            if isinstance(each, Reading):
                self._sink.reading(each)
            else:
                self._sink.happening(each)
