"""The MQTT driver: one session to one broker, every device behind it a mapper."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence

from hubwatch_agents.commands.protocol import CommandOutcome, CommandResult
from hubwatch_agents.connections import ConnectionSection, MqttConnection
from hubwatch_agents.devices import Device
from hubwatch_agents.drivers.arrivals import Arrivals
from hubwatch_agents.drivers.contract import DriverContext
from hubwatch_agents.drivers.mqtt.backfill import Recoverer, recoverers
from hubwatch_agents.drivers.mqtt.commands import CommandPublisher
from hubwatch_agents.drivers.mqtt.mapping import Mapper
from hubwatch_agents.drivers.mqtt.message import InboundMessage
from hubwatch_agents.drivers.mqtt.requests import RequestClient, schedulers
from hubwatch_agents.drivers.mqtt.subscriptions import Subscriptions
from hubwatch_agents.profiles.command import BaseCommand
from hubwatch_agents.profiles.mqtt_schema import MqttCommand, MqttProfile
from hubwatch_agents.readings import Observation
from hubwatch_core.clock import now_us
from hubwatch_core.concurrency import backoff_s, run_until
from hubwatch_core.mqtt import Message, MqttLink, MqttSession
from hubwatch_core.plain_text import one_line

BATCH = 200
TICK_S = 0.5
RETRY_FIRST_S, RETRY_MAX_S = 1.0, 30.0
"""Pauses before what a broker has refused is asked for again."""

Handler = Callable[[InboundMessage], None]


class MqttDriver:
    """Listens to one broker, and asks where a device wants to be asked."""

    def __init__(self, connection: ConnectionSection, devices: Sequence[Device], context: DriverContext) -> None:
        assert isinstance(connection, MqttConnection)
        self._context = context
        self._drops = context.drops
        self._devices = tuple(devices)
        self.mappers = [Mapper(device, _profile(device), context.pseudonym, context.drops) for device in devices]
        self._requests = RequestClient(f"{context.client_id}-{connection.name}", context.drops)
        self._schedulers = schedulers(self.mappers, self._requests, self._emit, context.drops)
        self._recoverers = recoverers(self.mappers, self._requests, context.marks, context.drops, self._emit)
        self._subscriptions: Subscriptions[Handler] = Subscriptions(f"mqtt-{connection.name}")
        self._route()
        self._arrivals = Arrivals()
        self._publisher = CommandPublisher()
        name = f"mqtt-{connection.name}"
        # A client of its own, which keeps nothing at the broker.
        self._session = MqttSession(
            connection,
            client_id=connection.client_id or f"{context.client_id}-{name}",
            name=name,
            on_away=self._on_away,
        )
        self._away: str | None = None
        """Why there is no connection, as it was said last; None while there is one."""

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until `stop` is set."""
        for recoverer in self._recoverers:
            recoverer.restore()
        try:
            await run_until(stop, self._tick_for_ever(), self._session.run(self._use))
        finally:
            self._context.marks.close()

    def delays_s(self) -> Mapping[str, float]:
        """Nobody waits for anybody here."""
        return {}

    def figures(self) -> Mapping[str, float]:
        """Return what was read past before it was a message; what is not used of messages is counted as dropped."""
        return {"messages_unusable": self._session.dropped}

    async def command(self, device: Device, command: BaseCommand) -> CommandOutcome:
        """Publish a command once."""
        if device not in self._devices or not isinstance(command, MqttCommand):
            return CommandOutcome(CommandResult.FAILED, "not sent: the connection is being set up anew")
        return await self._publisher.command(command)

    def _route(self) -> None:
        """Let every message come to whoever listens to its topic: devices first, then who looks for gaps, replies."""
        for mapper in self.mappers:
            for topic in sorted(mapper.filters):
                self._subscriptions.add(topic, mapper.sensor, self._to_mapper(mapper))
        for recoverer in self._recoverers:
            sensor = recoverer.mappers[0].sensor
            self._subscriptions.add(recoverer.rule.topic, sensor, self._to_recoverer(recoverer))
        for topic, sensor in sorted(self._requests.filters.items()):
            self._subscriptions.add(topic, sensor, self._requests.on_message)

    def _to_mapper(self, mapper: Mapper) -> Handler:
        def handle(message: InboundMessage) -> None:
            try:
                self._emit(mapper.on_message(message))
            except Exception as error:  # noqa: BLE001 - the wall around a device: it costs no other a reading
                reason = self._drops.fail(mapper.sensor, "device", error, message.t)
                self._emit(mapper.failed(message.t, reason))

        return handle

    def _to_recoverer(self, recoverer: Recoverer) -> Handler:
        def handle(message: InboundMessage) -> None:
            try:
                recoverer.on_message(message)
            except Exception as error:  # noqa: BLE001 - what looks for gaps must not cost a reading
                self._drops.fail(recoverer.mappers[0].sensor, "search for missed events", error, message.t)

        return handle

    @property
    def listens(self) -> bool:
        """Return whether the driver is connected and has subscribed."""
        return self._publisher.link is not None

    async def _use(self, link: MqttLink) -> None:
        self._away = None
        self._on_refused(await self._subscriptions.open(link))
        asking = [*(each.run(link) for each in self._schedulers), *(each.run(link) for each in self._recoverers)]
        self._publisher.link = link
        try:
            await run_until(asyncio.Event(), self._listen(link), self._retry_refused(link), *asking)
        finally:
            self._publisher.link = None

    def _on_away(self, reason: str) -> None:
        """Say of all devices, once for each reason, why they cannot be heard: also of those never heard before."""
        if reason != self._away:
            self._away = reason
            t = now_us()
            for mapper in self.mappers:
                self._emit(mapper.failed(t, one_line(reason)))

    async def _retry_refused(self, link: MqttLink) -> None:
        """Subscribe again to what the broker has refused: its access list may have been mended."""
        failures = 1
        while True:
            await asyncio.sleep(backoff_s(failures, RETRY_FIRST_S, RETRY_MAX_S))
            refused = await self._subscriptions.retry(link)
            self._on_refused(refused)
            failures = failures + 1 if refused else 1

    def _on_refused(self, refused: Mapping[str, str]) -> None:
        t = now_us()
        for mapper in self.mappers:
            if mapper.sensor in refused:
                self._emit(mapper.failed(t, refused[mapper.sensor]))

    async def _listen(self, link: MqttLink) -> None:
        while True:
            for message in await link.receive(BATCH, TICK_S):
                self._on_message(message)

    def _on_message(self, message: Message) -> None:
        t = self._arrivals.time(message.received)
        inbound = InboundMessage(message.topic, message.payload, message.retain, t)
        for handle in self._subscriptions.handlers(message, t):
            handle(inbound)

    async def _tick_for_ever(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            t = now_us()
            for mapper in self.mappers:
                self._emit(mapper.tick(t, self._away))
            self._drops.settle(t)
            self._context.marks.save()

    def _emit(self, found: Iterable[Observation]) -> None:
        for each in found:
            self._context.sink.emit(each)


def _profile(device: Device) -> MqttProfile:
    assert isinstance(device.profile, MqttProfile)
    return device.profile
