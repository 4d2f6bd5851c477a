"""An MQTT session over losses on real Mosquitto: it waits, comes back, tells once, leaves its last will."""

from __future__ import annotations

import asyncio
import itertools
import time

import pytest
from structlog.testing import capture_logs

from hubwatch_core.errors import Permanent, Transient
from hubwatch_core.health import Health
from hubwatch_core.mqtt import MqttLink, MqttSession, Will
from support.eventually import eventually
from support.fix_mqtt import Address
from support.kept_link import kept, reaching, unique
from support.own_mosquitto import OwnMosquitto
from support.ports import free_port
from support.proxy import Proxy

SOON_S = 60.0


async def test_broker_away_at_the_start_is_waited_for(own_mosquitto: OwnMosquitto) -> None:
    own_mosquitto.stop()
    health = Health()
    section = reaching((own_mosquitto.host, own_mosquitto.port))
    with capture_logs() as logged:
        session = MqttSession(section, client_id="a", health=health)
        async with kept(session) as links:
            await eventually(lambda: session._failures >= 3)
            assert links.made == 0
            assert not health.ok
            assert "Connection refused" in str(health.report())
            own_mosquitto.start()
            await links.next()
            assert health.ok
    assert [line["event"] for line in logged] == ["connection lost, trying again", "connection back"]


async def test_broker_killed_and_started_again_gives_a_new_link_and_two_log_lines(
    own_mosquitto: OwnMosquitto,
) -> None:
    health = Health()
    section = reaching((own_mosquitto.host, own_mosquitto.port))
    with capture_logs() as logged:
        session = MqttSession(section, client_id="a", name="uplink", persistent=True, health=health)
        async with kept(session) as links:
            first = await links.next()
            own_mosquitto.kill()
            await asyncio.wait([first.lost], timeout=SOON_S)
            await eventually(lambda: session._failures >= 3)
            assert not health.ok
            own_mosquitto.start()
            second = await links.next()
            await second.publish("a", b"x")
            assert health.ok
        assert second is not first
    assert [(line["event"], line["log_level"]) for line in logged] == [
        ("connected", "info"),
        ("connection lost, trying again", "warning"),
        ("connection back", "info"),
    ]
    assert {line["part"] for line in logged} == {"uplink"}
    assert "as a (p2" not in own_mosquitto.log.read_text(encoding="utf-8")  # back with MQTT 5, not with less


async def test_use_is_cancelled_when_the_link_is_lost(proxy: Proxy) -> None:
    ended: list[str] = []

    async def use(link: MqttLink) -> None:
        if ended:
            return
        try:
            proxy.cut()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async with asyncio.timeout(SOON_S):
        await MqttSession(reaching(proxy.address), client_id=unique()).run(use)
    assert ended == ["cancelled"]


async def test_peer_that_falls_silent_is_noticed_by_keepalive(proxy: Proxy) -> None:
    before = time.monotonic()  # silence counts from the last byte heard, which came before the stall
    async with kept(MqttSession(reaching(proxy.address, keepalive_s=5), client_id=unique())) as links:
        link = await links.next()
        proxy.stall()
        stalled = time.monotonic()
        await asyncio.wait([link.lost], timeout=60)
        lost = time.monotonic()
        assert lost - before >= 5
        assert lost - stalled < 15
        await proxy.heal()
        await links.next()


async def test_last_will_is_published_on_abrupt_loss_only(proxy: Proxy, other: MqttLink) -> None:
    topic = unique()
    await other.subscribe(topic)
    will = Will(topic, b"offline")
    async with kept(MqttSession(reaching(proxy.address), client_id=unique(), will=will)) as links:
        await links.next()
    assert await other.receive(1, 0.5) == []  # an orderly farewell is no loss
    async with kept(MqttSession(reaching(proxy.address), client_id=unique(), will=will)) as links:
        await links.next()
        proxy.cut()
        (message,) = await other.receive(1, SOON_S)
    assert (message.topic, message.payload, message.qos) == (topic, b"offline", 1)


async def test_last_will_is_retained_for_who_comes_later(proxy: Proxy, other: MqttLink) -> None:
    topic = unique()
    async with kept(MqttSession(reaching(proxy.address), client_id=unique(), will=Will(topic, b"offline"))) as links:
        await links.next()
        proxy.cut()
        await links.next()
        await other.subscribe(topic)
        (message,) = await other.receive(1, SOON_S)
        assert (message.payload, message.retain) == (b"offline", True)
    await other.publish(topic, b"", retain=True)  # leave nothing behind


async def test_link_lost_right_after_every_connect_is_tried_ever_more_seldom(mosquitto: Address) -> None:
    connects: list[float] = []

    async def use(_: MqttLink) -> None:
        connects.append(time.monotonic())
        if len(connects) == 5:
            return
        raise Transient("the broker refuses what we send")

    async with asyncio.timeout(60):
        await MqttSession(reaching(mosquitto, max_reconnect_s=30), client_id=unique()).run(use)
    pauses = [after - before for before, after in itertools.pairwise(connects)]
    assert pauses[3] > 2
    assert pauses[3] > min(pauses[:2])


async def test_permanent_error_of_the_use_ends_the_session(mosquitto: Address) -> None:
    async def use(_: MqttLink) -> None:
        raise Permanent("there is nothing to send")

    with pytest.raises(Permanent, match="nothing to send"):
        async with asyncio.timeout(SOON_S):
            await MqttSession(reaching(mosquitto), client_id=unique()).run(use)


async def test_two_clients_of_one_name_do_not_fight_at_full_speed(mosquitto: Address) -> None:
    name = unique()
    section = reaching(mosquitto, max_reconnect_s=30)
    async with kept(MqttSession(section, client_id=name)) as one, kept(MqttSession(section, client_id=name)) as two:
        await asyncio.sleep(5)
        await eventually(lambda: one.made + two.made >= 2)
        assert 2 <= one.made + two.made <= 12


async def test_port_where_nobody_listens_costs_no_more_than_the_pauses() -> None:
    health = Health()
    section = reaching(("127.0.0.1", free_port()), max_reconnect_s=0.3)
    async with kept(MqttSession(section, client_id="a", health=health)):
        await eventually(lambda: "cannot connect to broker 127.0.0.1:" in str(health.report()))
