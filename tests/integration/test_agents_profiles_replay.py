"""Every fixture of a profile, served by a real Modbus server or broker and read by the agent's own drivers."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable

import pytest

from hubwatch_agents.config.library import PROFILES
from hubwatch_agents.connections import MqttConnection, SparkplugConnection, TcpConnection
from hubwatch_agents.devices import Device
from hubwatch_agents.drivers.modbus.client import ModbusClient
from hubwatch_agents.drivers.modbus.cycle import Cycle
from hubwatch_agents.drivers.modbus.jobs import Job, jobs_of
from hubwatch_agents.profiles.modbus_schema import ModbusProfile
from hubwatch_agents.profiles.mqtt_schema import MqttProfile
from hubwatch_agents.profiles.profile import Profile
from hubwatch_agents.profiles.sparkplug_schema import SparkplugProfile
from hubwatch_agents.readings import Reading, SensorEvent
from hubwatch_agents.settings import DeviceSection
from hubwatch_agents.values.pseudonyms import raw
from hubwatch_core.config import MqttSection
from hubwatch_core.mqtt import MqttLink, MqttSession
from support import profile_cases
from support.eventually import eventually
from support.fix_mqtt import MakeMosquitto
from support.profile_answers import answering
from support.profile_cases import Case, Expected, ExpectedEvent, Step
from support.profile_replay import LIBRARY, Collected, filled, modbus_device, running, served

NOON_US = 1_795_262_400_000_000
"""2026-11-21 12:00 UTC: when the first step of every Modbus fixture is read."""
PATIENCE_S = 60.0
MARKER = MqttProfile.model_validate(
    {
        "id": "marker", "title": "the end of a step", "kind": "process", "source": ["this test"],
        "confidence": "generic", "protocol": "mqtt",
        "messages": [{"topic": "marker", "format": "text", "channels": [{"name": "step", "unit": "1"}]}],
    }
)  # fmt: skip

CASES = profile_cases.cases()
# By what the map says of itself: every worker lists the tests, and filling the maps took longer than all other tests.
KINDS = {profile: PROFILES[LIBRARY.map(profile).tree["protocol"]] for profile in profile_cases.profiles()}


def of_protocol(kind: type[Profile]) -> list[Case]:
    return [case for case in CASES if KINDS[case.profile] is kind]


def as_expected(reading: Reading, wanted: Expected) -> Expected:
    """Return a reading in the form of the fixture; a float may differ from the decimal one in its last digits."""
    near = wanted.x is not None and reading.x is not None and math.isclose(reading.x, wanted.x, rel_tol=1e-6)
    x = wanted.x if near else reading.x
    return Expected(x, reading.quality, reading.reason, reading.device if wanted.device is not None else None)


def check_readings(found: Iterable[Reading], wanted: dict[str, Expected]) -> None:
    nothing = Expected(None)
    assert {each.channel: as_expected(each, wanted.get(each.channel, nothing)) for each in found} == wanted


def check_events(found: list[SensorEvent], wanted: list[ExpectedEvent]) -> None:
    assert len(found) == len(wanted), found
    for event, expected in zip(found, wanted, strict=True):
        device = event.device if expected.device is not None else None
        assert ExpectedEvent(event.type, event.subject, event.attrs, device, event.late) == expected


async def read_once(cycle: Cycle, jobs: list[Job], at_s: float) -> tuple[list[Reading], list[SensorEvent]]:
    readings: list[Reading] = []
    events: list[SensorEvent] = []
    for job in jobs:
        seen = await cycle.read(job)
        for decoder in job.decoders:
            some, more = decoder.decode(seen.image, NOON_US + round(at_s * 1_000_000))
            readings += some
            events += more
    return readings, events


@pytest.mark.parametrize("case", of_protocol(ModbusProfile), ids=str)
async def test_registers_become_the_readings_and_events_of_the_fixture(case: Case) -> None:
    async with served(case) as (server, profile):
        device = modbus_device(case, profile, server.port)
        assert isinstance(device.connection, TcpConnection)
        client = ModbusClient(device.connection)
        await client.connect()
        now = [0.0]
        cycle = Cycle(client, lambda: now[0])
        jobs = jobs_of(device.connection, [device], raw)
        wanted: dict[str, Expected] = {}
        for step in case.steps:
            now[0] = step.at_s
            server.change(step.values)
            readings, events = await read_once(cycle, jobs, step.at_s)
            wanted |= step.readings
            check_readings(readings, wanted)
            check_events(events, step.events)
        client.close()
        assert bool(server.refused) == case.refuses, f"the device refused to be read at {server.refused}"


@pytest.mark.parametrize("case", [c for c in of_protocol(ModbusProfile) if c.name == "readings"], ids=str)
async def test_the_running_driver_delivers_the_same_readings(case: Case) -> None:
    async with served(case) as (server, profile):
        device = modbus_device(case, profile, server.port, period_ms=50)
        soon = {channel.name for channel in profile.channels if channel.period_ms is None}
        sink = Collected()
        async with running(device.connection, [device], sink):
            await eventually(lambda: soon <= {reading.channel for reading in sink.readings}, PATIENCE_S)
        first = {reading.channel: reading for reading in reversed(sink.readings) if reading.channel in soon}
        check_readings(first.values(), {n: e for n, e in case.steps[0].readings.items() if n in soon})


async def publish(broker: MqttSection, step: Step, number: int, *, retain: bool) -> None:
    """Publish a step's messages and, where the agent already listens, the marker behind them."""

    async def speak(link: MqttLink) -> None:
        for message in step.messages:
            await link.publish(message.topic, message.payload, qos=1, retain=retain)
        if not retain:
            await link.publish("marker", str(number).encode(), qos=1)

    await MqttSession(broker, client_id="the-device", name="device").run(speak)


async def listening(broker: MqttSection, sink: Collected) -> None:
    """Wait until the driver hears what is published."""
    quiet = Step(0.0, {}, (), (), before_connecting=False, readings={}, events=[])

    async def heard() -> bool:
        await publish(broker, quiet, -1, retain=False)
        return bool(sink.of("marker"))

    await eventually(heard, PATIENCE_S)


def marked(sink: Collected, number: int) -> bool:
    return any(reading.x == number for reading in sink.of("marker"))


def mqtt_devices(case: Case, way: MqttConnection) -> list[Device]:
    profiles = {"it": filled(case), "marker": MARKER}
    return [Device(_section(sensor, profile, case), profile, way) for sensor, profile in profiles.items()]


def _section(sensor: str, profile: Profile, case: Case) -> DeviceSection:
    return DeviceSection(sensor=sensor, zone="here", profile=profile.id, connection="devices", period_ms=case.period_ms)


@pytest.mark.parametrize("case", of_protocol(MqttProfile), ids=str)
async def test_messages_become_the_readings_and_events_of_the_fixture(
    case: Case, make_mosquitto: MakeMosquitto
) -> None:
    mosquitto = make_mosquitto()
    broker = MqttSection(host="127.0.0.1", port=mosquitto.port)
    if case.steps[0].before_connecting:
        await publish(broker, case.steps[0], 0, retain=True)
    way = MqttConnection(transport="mqtt", name="devices", host="127.0.0.1", port=mosquitto.port)
    sink = Collected()
    async with answering(broker, case) as device, running(way, mqtt_devices(case, way), sink):
        await listening(broker, sink)
        for number, step in enumerate(case.steps, 1):
            if not step.before_connecting:
                sink.clear()
                device.answers = step.answers
                await publish(broker, step, number, retain=False)
                await eventually(functools.partial(marked, sink, number), PATIENCE_S)
            if step.answers:
                await eventually(functools.partial(answered, sink, step), PATIENCE_S)
            check_readings(sink.of("it"), step.readings)
            check_events(sink.events, step.events)


def answered(sink: Collected, step: Step) -> bool:
    """Return whether what a device was asked for has come; it is asked again and again, the last counts."""
    last = {each.channel: each for each in sink.of("it")}
    wanted = {name: as_expected(each, step.readings.get(name, Expected(None))) for name, each in last.items()}
    return wanted == step.readings and len(sink.events) >= len(step.events)


@pytest.mark.parametrize("case", of_protocol(SparkplugProfile), ids=str)
async def test_sparkplug_payloads_become_the_readings_and_events_of_the_fixture(
    case: Case, make_mosquitto: MakeMosquitto
) -> None:
    mosquitto = make_mosquitto()
    broker = MqttSection(host="127.0.0.1", port=mosquitto.port)
    way = SparkplugConnection(transport="sparkplug", name="nodes", host="127.0.0.1", port=mosquitto.port)
    section = DeviceSection(sensor="it", zone="here", profile=case.profile, connection=way.name)
    sink = Collected()

    async def edge_node(link: MqttLink) -> None:
        """Return the births when asked for them, as an edge node does, and then the rest."""
        await link.subscribe("spBv1.0/+/NCMD/#")
        async with running(way, [Device(section, filled(case), way)], sink):
            assert await link.receive(1, PATIENCE_S), "nobody asked for the births"
            for step in case.steps:
                sink.clear()
                for message in step.messages:
                    await link.publish(message.topic, message.payload, qos=0)
                await eventually(functools.partial(heard_all, sink, step), PATIENCE_S)
                check_readings(sink.of("it"), step.readings)
                check_events(sink.events, step.events)

    await MqttSession(broker, client_id="edge-1", name="edge-1").run(edge_node)


def heard_all(sink: Collected, step: Step) -> bool:
    return len(sink.readings) >= len(step.readings) and len(sink.events) >= len(step.events)
