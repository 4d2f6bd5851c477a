"""One device costs no other a reading, and a message counts once, through real brokers and the real driver."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hubwatch_agents.config.load import check
from hubwatch_agents.drivers import contract, registry
from hubwatch_agents.drivers.drops import Cause, DropCounters
from hubwatch_agents.drivers.mqtt import requests
from hubwatch_agents.profiles.mqtt_schema import MqttProfile, MqttRequest
from hubwatch_agents.values import pseudonyms
from hubwatch_core.concurrency import drain
from hubwatch_core.errors import Transient
from hubwatch_core.mqtt import MqttSession
from hubwatch_core.words import Quality
from support.agents_rig import Heard, settings_of
from support.agents_transports import Voice
from support.eventually import eventually
from support.fix_mqtt import Address, MakeMosquitto
from support.kept_link import kept, reaching, unique
from support.refusing_broker import RefusingBroker

SAID = 5


@asynccontextmanager
async def driving(
    address: Address,
    filters: dict[str, str],
    *,
    protocol: str = "auto",
    pseudonym: Callable[[str, str], str] = pseudonyms.raw,
) -> AsyncIterator[tuple[Heard, Voice]]:
    """Run the driver with a door for each of `filters`, and a voice that is heard once all are subscribed to."""
    connection = {"name": "b", "transport": "mqtt", "host": address[0], "port": address[1], "protocol": protocol}
    devices = [{"sensor": name, "profile": "door", "parameters": {"topic": each}} for name, each in filters.items()]
    settings = settings_of(connection, devices)
    heard, stop, mark = Heard(), asyncio.Event(), f"{time.time_ns():x}"
    context = contract.DriverContext(heard, pseudonym, f"driver-{mark}", heard.drops)
    driver = asyncio.create_task(
        registry.make(settings.connections[0], check(settings, "test").devices, context).run(stop)
    )
    voice = Voice(address, f"voice-{mark}")
    speaking = asyncio.create_task(voice.run())
    try:
        await listening(heard, voice, filters)
        yield heard, voice
        assert not driver.done(), "the driver ended by itself"
    finally:
        stop.set()
        await asyncio.wait([driver], timeout=60)
        await drain([speaking, driver])


async def listening(heard: Heard, voice: Voice, filters: dict[str, str]) -> None:
    """Speak to each door until it hears, then forget what it has said."""
    topics = {name: each.replace("+", name).replace("#", name) for name, each in filters.items()}
    until = time.monotonic() + 60
    while any(not heard.of(name, "x") for name in topics):
        assert time.monotonic() < until
        for topic in topics.values():
            await voice.say(topic, json.dumps({"x": -1}).encode())
        await asyncio.sleep(0.05)
    # All comes in the order in which it was said: behind this nothing of the above is on its way.
    name, topic = list(topics.items())[-1]
    await voice.say(topic, json.dumps({"x": -2}).encode())
    await eventually(lambda: (last := heard.last(name, "x")) is not None and last.x == -2)
    heard.readings.clear()
    heard.events.clear()


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_message_that_several_filters_match_counts_once_for_each_device(
    make_mosquitto: MakeMosquitto, protocol: str
) -> None:
    broker = make_mosquitto(("allow_anonymous true", "allow_duplicate_messages true"))
    filters = {"one": "r/door/1", "any": "r/door/+", "first": "r/+/1", "all": "r/door/#", "last": "r/end"}
    async with driving((broker.host, broker.port), filters, protocol=protocol) as (heard, voice):
        for i in range(SAID):
            await voice.say("r/door/1", json.dumps({"x": i}).encode())
        await voice.say("r/end", b'{"x": 0}')
        await heard.until(lambda it: it.of("last", "x"))
        for name in ("one", "any", "first", "all"):
            assert [each.x for each in heard.of(name, "x")] == list(range(SAID))
            assert len([each for each in heard.events if each.sensor == name]) == SAID


async def test_error_in_one_device_is_its_own(mosquitto: Address) -> None:
    def failing(prefix: str, identity: str) -> str:
        if identity == "trap":
            raise RuntimeError("made for the test")
        return prefix + identity

    root = f"walls/{time.time_ns():x}"
    filters = {"bad": f"{root}/bad", "well": f"{root}/well"}
    async with driving(mosquitto, filters, pseudonym=failing) as (heard, voice):
        for i in range(SAID):
            await voice.say(f"{root}/bad", json.dumps({"x": i, "card": "trap"}).encode())
            await voice.say(f"{root}/well", json.dumps({"x": i, "card": "7"}).encode())
        await heard.until(lambda it: len(it.of("well", "x")) == SAID)
        assert {each.quality for each in heard.of("well", "x")} == {Quality.GOOD}
        last = heard.last("bad", "x")
        assert last is not None
        assert last.quality is Quality.BAD
        assert "internal error in the rule" in str(last.reason)
        assert heard.drops.count("bad", Cause.FAILED) == SAID
        await voice.say(f"{root}/bad", b'{"x": 9}')
        await heard.until(lambda it: it.of("bad", "x")[-1].quality is Quality.GOOD)


async def test_broker_that_acknowledges_nothing_holds_no_queue_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "ACKNOWLEDGED_S", 0.2)
    asked = MqttRequest(topic="ask", payload={"mark": "<token>"}, echo="mark")
    broker = RefusingBroker("said", b"x", acknowledges=False)
    async with broker.running():
        session = MqttSession(reaching(("127.0.0.1", broker.port)), client_id=unique())
        async with kept(session) as links:
            with pytest.raises(Transient, match="has not acknowledged a request"):
                await requests.RequestClient("a", DropCounters()).ask(await links.next(), asked, "reply")


async def test_filter_that_no_broker_takes_costs_its_own_device_only(mosquitto: Address) -> None:
    root = f"walls/{time.time_ns():x}"
    connection = {"name": "b", "transport": "mqtt", "host": mosquitto[0], "port": mosquitto[1]}
    devices: list[dict[str, Any]] = [
        {"sensor": name, "profile": "door", "parameters": {"topic": f"{root}/{name}"}} for name in ("wild", "well")
    ]
    settings = settings_of(connection, devices)
    wild, well = check(settings, "test").devices
    assert isinstance(wild.profile, MqttProfile)
    # A configuration that says so is refused at once; this is what is left when a check has missed one.
    object.__setattr__(wild.profile.messages[0], "topic", f"{root}/door_+")
    heard, stop = Heard(), asyncio.Event()
    context = contract.DriverContext(heard, pseudonyms.raw, f"driver-{root}", heard.drops)
    driver = asyncio.create_task(registry.make(settings.connections[0], [wild, well], context).run(stop))
    voice = Voice(mosquitto, f"voice-{root}")
    speaking = asyncio.create_task(voice.run())
    try:
        until = time.monotonic() + 60
        while not heard.of("well", "x"):
            assert time.monotonic() < until
            await voice.say(f"{root}/well", b'{"x": 1}')
            await asyncio.sleep(0.05)
        last = heard.last("wild", "x")
        assert last is not None
        assert last.quality is Quality.BAD
        assert "+ must stand alone in its level" in str(last.reason)
    finally:
        stop.set()
        await asyncio.wait([driver], timeout=60)
        await drain([speaking, driver])
