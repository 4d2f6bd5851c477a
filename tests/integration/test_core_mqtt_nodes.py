"""A broker of several nodes: the session goes on to the next one when one does not answer."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from hubwatch_core.config import MqttSection
from hubwatch_core.health import Health
from hubwatch_core.mqtt import MqttSession
from support.fix_mqtt import MakeMosquitto
from support.kept_link import kept
from support.own_mosquitto import OwnMosquitto
from support.ports import free_port

SOON_S = 60.0


def section(*nodes: tuple[str, int]) -> MqttSection:
    (host, port), *others = nodes
    named = tuple(f"{name}:{number}" for name, number in others)
    return MqttSection(host=host, port=port, other_brokers=named, max_reconnect_s=0.3)


def at(own: OwnMosquitto) -> tuple[str, int]:
    return own.host, own.port


async def test_node_killed_is_left_for_the_next_and_back_again(make_mosquitto: MakeMosquitto) -> None:
    one, two = make_mosquitto(), make_mosquitto()
    with capture_logs() as logged:
        async with kept(MqttSession(section(at(one), at(two)), client_id="a")) as links:
            first = await links.next()
            one.kill()
            await asyncio.wait([first.lost], timeout=SOON_S)
            second = await links.next()
            one.start()
            two.kill()
            await asyncio.wait([second.lost], timeout=SOON_S)
            await (await links.next()).publish("a", b"x")
    places = [(line["event"], line["broker"]) for line in logged if "broker" in line]
    assert places == [
        ("connected", f"127.0.0.1:{one.port}"),
        ("connection lost, trying again", f"127.0.0.1:{one.port}"),
        ("connection back", f"127.0.0.1:{two.port}"),
        ("connection lost, trying again", f"127.0.0.1:{two.port}"),
        ("connection back", f"127.0.0.1:{one.port}"),
    ]


async def test_first_node_away_at_the_start_is_passed_over(own_mosquitto: OwnMosquitto) -> None:
    health = Health()
    gone = ("127.0.0.1", free_port())
    async with kept(MqttSession(section(gone, at(own_mosquitto)), client_id="a", health=health)) as links:
        await (await links.next()).publish("a", b"x")
        assert health.ok
