"""What waits in a session's memory is bounded in bytes, however large messages are."""

from __future__ import annotations

import asyncio
from pathlib import Path

import psutil
import pytest
import trustme

from hubwatch_core.config import MqttSection
from hubwatch_core.mqtt import MqttLink, MqttSession
from hubwatch_core.mqtt.client import MAX_WAITING_BYTES
from support.eventually import eventually
from support.fix_mqtt import MakeMosquitto
from support.kept_link import kept, reaching, unique

LARGE = 250 * 1024
"""Nearly the largest frame of the wire."""
COUNT = 2 * MAX_WAITING_BYTES // LARGE
MIB = 1 << 20
KEEPALIVE_S = 5
DEAF_S = 2.4 * KEEPALIVE_S
"""Longer than a client waits for the answer to a ping."""


async def _taken_slowly(link: MqttLink, count: int, first_after_s: float) -> tuple[set[bytes], int]:
    """Let a backlog build up in memory, then take it; gives what came and the most bytes that waited."""
    budget, most, came = link._client.budget, 0, set[bytes]()
    for _ in range(int(first_after_s / 0.01)):
        await asyncio.sleep(0.01)
        most = max(most, budget.held_bytes)
    while len(came) < count:
        messages = await link.receive(10, 5.0)
        assert messages, f"{len(came)} of {count} came"
        most = max(most, budget.held_bytes)
        came |= {each.payload[:8] for each in messages}
        for each in messages:
            link.ack(each)
    return came, most


@pytest.fixture(params=["plain", "tls"])
def section(request: pytest.FixtureRequest, make_mosquitto: MakeMosquitto, tmp_path: Path) -> MqttSection:
    """Reaches a broker of our own, in the clear and with TLS."""
    if request.param == "plain":
        own = make_mosquitto()
        return reaching((own.host, own.port), keepalive_s=KEEPALIVE_S)
    authority, files = trustme.CA(), [tmp_path / name for name in ("ca.pem", "server.pem", "server.key")]
    made = authority.issue_cert("127.0.0.1")
    for file, blob in zip(files, (authority.cert_pem, made.cert_chain_pems[0], made.private_key_pem), strict=True):
        blob.write_to_path(str(file))
    own = make_mosquitto(["allow_anonymous true", f"certfile {files[1]}", f"keyfile {files[2]}"])
    return reaching((own.host, own.port), keepalive_s=KEEPALIVE_S, tls={"ca_file": str(files[0])})


async def test_large_messages_nobody_takes_stay_with_the_broker(section: MqttSection) -> None:
    topic = unique()
    session = MqttSession(section, client_id=unique(), persistent=True, manual_ack=True)
    links_seen: list[MqttLink] = []
    result: asyncio.Future[tuple[set[bytes], int]] = asyncio.get_running_loop().create_future()

    async def use(link: MqttLink) -> None:
        links_seen.append(link)
        await link.subscribe(topic)
        result.set_result(await _taken_slowly(link, COUNT, DEAF_S))

    async with kept(MqttSession(section, client_id=unique())) as links:
        publisher = await links.next()
        task = asyncio.create_task(session.run(use))
        try:
            await eventually(lambda: links_seen)
            before = psutil.Process().memory_info().rss
            for i in range(COUNT):
                await publisher.publish(topic, b"%08d" % i + bytes(LARGE - 8))
            async with asyncio.timeout(60):
                came, most = await result
            grown = psutil.Process().memory_info().rss - before
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    assert len(came) == COUNT, "nothing is lost by it"
    assert len(links_seen) == 1, "the link lives on meanwhile"
    assert most <= MAX_WAITING_BYTES + LARGE
    assert grown < 2 * MAX_WAITING_BYTES + 32 * MIB, f"{grown / MIB:.0f} MiB"
