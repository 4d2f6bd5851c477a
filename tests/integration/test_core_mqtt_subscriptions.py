"""What a subscriber gets of a real broker: identifiers of subscriptions, and nothing that is too long."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from hubwatch_core.mqtt import Message, MqttLink, MqttSession
from support.fix_mqtt import Address
from support.kept_link import kept, reaching, unique
from support.proxy import Proxy

SOON_S = 60.0


async def _until(link: MqttLink, last: bytes) -> list[Message]:
    """Take messages up to the one whose payload is `last`."""
    taken: list[Message] = []
    while not any(each.payload == last for each in taken):
        taken += await link.receive(100, SOON_S)
    return taken


@pytest.mark.parametrize(("protocol", "identified"), [("5", True), ("3.1.1", False)])
async def test_message_tells_the_subscriptions_it_came_for(mosquitto: Address, protocol: str, identified: bool) -> None:
    root = unique()
    async with kept(MqttSession(reaching(mosquitto, protocol=protocol), client_id=unique())) as links:
        link = await links.next()
        assert link.identifies_subscriptions is identified
        await link.subscribe(f"{root}/a/#", identifier=7)
        await link.subscribe(f"{root}/+/b", f"{root}/last", identifier=200_000)
        await link.subscribe(f"{root}/plain")
        for topic, payload in (("a/b", b"both"), ("a/c", b"one"), ("plain", b"none"), ("last", b"last")):
            await link.publish(f"{root}/{topic}", payload)
        came: dict[bytes, set[int]] = {}
        for message in await _until(link, b"last"):
            came.setdefault(message.payload, set()).update(message.subscriptions)
    expected = {b"both": {7, 200_000}, b"one": {7}, b"none": set(), b"last": {200_000}}
    assert came == (expected if identified else {payload: set() for payload in expected})


@pytest.mark.parametrize(("protocol", "dropped"), [("5", 0), ("3.1.1", 1)])
async def test_retained_message_that_is_too_long_costs_no_connection_and_is_told_once(
    mosquitto: Address, protocol: str, dropped: int
) -> None:
    """Over MQTT 5 the broker leaves it out; over 3.1.1 it comes at each connect."""
    root = unique()
    async with Proxy(*mosquitto) as cable, kept(MqttSession(reaching(mosquitto), client_id=unique())) as others:
        other = await others.next()
        await other.publish(f"{root}/giant", bytes(300_000), retain=True)
        session = MqttSession(
            reaching(cable.address, protocol=protocol), client_id=unique(), max_message_bytes=100_000, manual_ack=True
        )
        with capture_logs() as logged:
            async with kept(session) as links:
                for connection in (1, 2):
                    link = await links.next()
                    await link.subscribe(f"{root}/#")
                    await other.publish(f"{root}/small", b"small")
                    assert [each.payload for each in await _until(link, b"small")] == [b"small"]
                    assert session.dropped == connection * dropped
                    assert links.made == connection
                    cable.cut()
                await links.next()
        await other.publish(f"{root}/giant", b"", retain=True)  # leave nothing behind
    told = [line["topic"] for line in logged if line["event"] == "message cannot be used, read past"]
    assert told == [f"{root}/giant"] * dropped
