"""The Sparkplug B driver: listens to edge nodes, asks for rebirths, and commands nothing else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence

from hubwatch_agents.commands.protocol import CommandOutcome, CommandResult
from hubwatch_agents.connections import ConnectionSection, SparkplugConnection
from hubwatch_agents.devices import Device
from hubwatch_agents.drivers.arrivals import Arrivals
from hubwatch_agents.drivers.contract import DriverContext
from hubwatch_agents.drivers.sparkplug.host import Host
from hubwatch_agents.drivers.sparkplug.node import Node, NodeUpdate
from hubwatch_agents.drivers.sparkplug.payload import MalformedPayload, decode, rebirth_command
from hubwatch_agents.drivers.sparkplug.sensor import MetricSensor
from hubwatch_agents.profiles.command import BaseCommand
from hubwatch_agents.profiles.sparkplug_schema import SparkplugProfile
from hubwatch_agents.readings import Observation
from hubwatch_core.clock import now_us
from hubwatch_core.concurrency import backoff_s, run_until
from hubwatch_core.logs import get_logger
from hubwatch_core.mqtt import Message, MqttLink, MqttRefused, MqttSession
from hubwatch_core.plain_text import one_line

NAMESPACE = "spBv1.0"
KINDS = frozenset({"NBIRTH", "NDEATH", "NDATA", "DBIRTH", "DDEATH", "DDATA"})
BATCH = 200
TICK_S = 0.5
RETRY_FIRST_S, RETRY_MAX_S = 1.0, 30.0
"""Pauses before what a broker has refused is asked for again."""
MS_US = 1000


class SparkplugDriver:
    """Listens to the edge nodes behind one broker."""

    def __init__(self, connection: ConnectionSection, devices: Sequence[Device], context: DriverContext) -> None:
        assert isinstance(connection, SparkplugConnection)
        self._sink = context.sink
        self._drops = context.drops
        self._arrivals = Arrivals()
        self.host = Host(connection.host_id) if connection.host_id is not None else None
        name = f"sparkplug-{connection.name}"
        will = self.host.will if self.host is not None else None
        client_id = connection.client_id or f"{context.client_id}-{name}"
        self._session = MqttSession(connection, client_id=client_id, name=name, will=will, on_away=self._on_away)
        self._away: str | None = None
        """Why there is no connection, as it was said last; None while there is one."""
        behind: dict[tuple[str, str], list[MetricSensor]] = {}
        for device in devices:
            profile = device.profile
            assert isinstance(profile, SparkplugProfile)
            behind.setdefault((profile.group, profile.node), []).append(MetricSensor(device, profile))
        reorder_us = connection.reorder_ms * MS_US
        self.nodes = {key: Node(sensors, reorder_us, context.drops, "/".join(key)) for key, sensors in behind.items()}
        self._log = get_logger(name)
        self._refused: set[tuple[str, str]] = set()
        """Nodes that the broker does not let us hear."""
        self._refusals, self._retry_at = 0, 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until `stop` is set."""
        await run_until(stop, self._session.run(self._use))

    def delays_s(self) -> Mapping[str, float]:
        """Nobody waits for anybody here."""
        return {}

    def figures(self) -> Mapping[str, float]:
        """Return what was read past before it was a message; what is not used of messages is counted as dropped."""
        return {"messages_unusable": self._session.dropped}

    async def command(self, device: Device, command: BaseCommand) -> CommandOutcome:
        """Send nothing: profiles of Sparkplug devices name no commands."""
        return CommandOutcome(
            CommandResult.FAILED, f"not sent: {device.sensor} takes no command such as {command.name}"
        )

    async def _use(self, link: MqttLink) -> None:
        self._away = None
        for node in self.nodes.values():
            node.begin()
        try:
            await self._subscribe(link, list(self.nodes))
            if self.host is not None:
                await self.host.begin(link)
            while True:
                await self._ask_for_births(link)
                for message in await link.receive(BATCH, TICK_S):
                    self._on_message(message)
                await self._tick(link)
                if self._refused and time.monotonic() >= self._retry_at:
                    await self._subscribe(link, sorted(self._refused))
        finally:
            if self.host is not None:
                await self.host.end(link)

    def _on_away(self, reason: str) -> None:
        """Say of all devices, once for each reason, why they cannot be heard: also of those never heard before."""
        if reason != self._away:
            self._away = reason
            for node in self.nodes.values():
                self._emit(node.failed(now_us(), one_line(reason)))

    async def _subscribe(self, link: MqttLink, nodes: list[tuple[str, str]]) -> None:
        """Subscribe to nodes. One that the broker refuses is bad, tried again later, and costs no other."""
        try:
            await link.subscribe(*(f"{NAMESPACE}/{group}/+/{name}/#" for group, name in nodes))
        except MqttRefused as error:
            if len(nodes) > 1:
                for key in nodes:
                    await self._subscribe(link, [key])
                return
            (key,) = nodes
            if key not in self._refused:
                self._log.error("subscription refused", node="/".join(key), reason=str(error))
            self._refused.add(key)
            self._refusals += 1
            self._retry_at = time.monotonic() + backoff_s(self._refusals, RETRY_FIRST_S, RETRY_MAX_S)
            self._emit(self.nodes[key].failed(now_us(), str(error)))
            return
        self._refused.difference_update(nodes)
        self._refusals = self._refusals if self._refused else 0

    async def _tick(self, link: MqttLink) -> None:
        t = now_us()
        for node in self.nodes.values():
            self._emit(node.tick(t))
        self._drops.settle(t)
        if self.host is not None:
            await self.host.tick(link, t)

    async def _ask_for_births(self, link: MqttLink) -> None:
        for (group, name), node in self.nodes.items():
            if (group, name) not in self._refused and node.ask(now_us()):
                await link.publish(f"{NAMESPACE}/{group}/NCMD/{name}", rebirth_command(now_us() // MS_US), qos=0)

    def _on_message(self, message: Message) -> None:
        if self.host is not None and message.topic == self.host.topic:
            self.host.on_message(message)
            return
        parts = message.topic.split("/")
        node = self.nodes.get((parts[1], parts[3])) if len(parts) in (4, 5) else None
        if node is None or parts[2] not in KINDS:
            return
        t = self._arrivals.time(message.received)
        device = parts[4] if len(parts) == 5 else None
        if (device is None) != (parts[2][0] == "N"):
            return
        if not message.payload and not parts[2].endswith("DEATH"):
            node.unreadable(t, f"{parts[2]} without a payload: the topic has been cleared")
            return
        try:
            payload = decode(message.payload)
        except MalformedPayload as error:
            node.unreadable(t, str(error))
            return
        try:
            self._emit(node.on_message(NodeUpdate(parts[2], device, payload, t, message.retain)))
        except Exception as error:  # noqa: BLE001 - the wall around a node: it costs no other a reading
            reason = self._drops.fail(node.sensors[0].sensor, f"edge node {parts[3]}", error, t)
            self._emit(node.failed(t, reason))
            node.wants_rebirth = True

    def _emit(self, found: Iterable[Observation]) -> None:
        for each in found:
            self._sink.emit(each)
