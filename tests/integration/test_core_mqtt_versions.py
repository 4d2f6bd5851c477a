"""MQTT 5 first, 3.1.1 where it must be: against real brokers that speak only the older one."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from hubwatch_core.health import Health
from hubwatch_core.mqtt import MqttLink, MqttSession
from support.eventually import eventually
from support.fix_mqtt import Address
from support.kept_link import kept, outage, reaching, unique
from support.own_mosquitto import OwnMosquitto
from support.proxy import Proxy
from support.services import Nats

SOON_S = 60.0
SHORT_S = 1.0


async def _there_and_back(link: MqttLink) -> None:
    topic = unique()
    await link.subscribe(topic)
    await link.publish(topic, b"x")
    (message,) = await link.receive(1, SOON_S)
    assert message.payload == b"x"


async def test_broker_that_is_silent_to_mqtt_5_is_spoken_to_in_the_older(amqtt_address: Address) -> None:
    health = Health()
    section = reaching(amqtt_address, connect_timeout_s=2)
    with capture_logs() as logged:
        async with kept(MqttSession(section, client_id=unique(), health=health)) as links:
            await _there_and_back(await links.next())
    events = [line["event"] for line in logged]
    assert events == [
        "connection lost, trying again",
        "broker speaks only MQTT 3.1.1, which cannot tell us of messages it refuses",
        "connection back",
    ]
    assert "connected (MQTT 3.1.1)" in str(health.report())


async def test_broker_that_says_it_knows_no_mqtt_5_is_spoken_to_in_the_older(nats: Nats) -> None:
    section = reaching((nats.mqtt_host, nats.mqtt_port), connect_timeout_s=5)
    async with kept(MqttSession(section, client_id=unique())) as links:
        await _there_and_back(await links.next())


async def test_older_version_that_worked_is_taken_at_once_after_a_loss(amqtt_address: Address) -> None:
    async with Proxy(*amqtt_address) as proxy:
        section = reaching(proxy.address, connect_timeout_s=2)
        async with kept(MqttSession(section, client_id=unique())) as links:
            await links.next()
            tried = proxy.accepted
            proxy.cut()
            await _there_and_back(await links.next())
            assert proxy.accepted == tried + 1


async def test_mqtt_5_alone_is_never_given_up_when_it_is_asked_for(amqtt_address: Address) -> None:
    async with Proxy(*amqtt_address) as proxy:
        section = reaching(proxy.address, protocol="5", connect_timeout_s=SHORT_S)
        async with kept(MqttSession(section, client_id=unique())) as links:
            await eventually(lambda: proxy.accepted >= 3)
            assert links.made == 0


async def test_mqtt_5_asked_for_where_the_broker_says_no_is_an_outage(nats: Nats) -> None:
    async def use(_: MqttLink) -> None:
        raise AssertionError("NATS has learnt MQTT 5: test the fallback elsewhere")

    section, health = reaching((nats.mqtt_host, nats.mqtt_port), protocol="5"), Health()
    await outage(MqttSession(section, client_id=unique(), health=health).run(use), health, "refuses us")


async def test_broker_that_was_away_is_met_with_mqtt_5(own_mosquitto: OwnMosquitto) -> None:
    own_mosquitto.stop()
    async with kept(MqttSession(reaching((own_mosquitto.host, own_mosquitto.port)), client_id="a")) as links:
        await asyncio.sleep(1)  # some tries in vain, an odd or an even number
        own_mosquitto.start()
        await links.next()
    assert "as a (p5" in own_mosquitto.log.read_text(encoding="utf-8")


async def test_broker_that_has_spoken_mqtt_5_is_met_with_it_also_after_being_silent(
    own_mosquitto: OwnMosquitto,
) -> None:
    async with Proxy(own_mosquitto.host, own_mosquitto.port) as proxy:
        section = reaching(proxy.address, connect_timeout_s=SHORT_S)
        async with kept(MqttSession(section, client_id="a")) as links:
            await links.next()
            tried = proxy.accepted
            proxy.stall()
            proxy.cut()
            # one try that nobody answered, and the next is under way
            await eventually(lambda: proxy.accepted == tried + 2)
            await proxy.heal()
            await _there_and_back(await links.next())
    assert "(p2" not in own_mosquitto.log.read_text(encoding="utf-8")
