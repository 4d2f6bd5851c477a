"""The sample for production is loaded by three real NATS servers and keeps what its comments promise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path

import pytest
import trustme

from hubwatch_core import topics
from hubwatch_core.config import MqttSection, NatsSection, TlsSection
from hubwatch_core.health import Health
from hubwatch_core.jetstream import JetStreamSession
from hubwatch_core.jetstream.link import JetStreamLink
from hubwatch_core.mqtt import MqttLink, MqttSession
from hubwatch_core.topics import Leaf
from support.kept_link import outage
from support.own_nats import OwnNats, nats_program

SAMPLE = Path(__file__).parents[2] / "ops" / "nats" / "node.conf"
FRAME = "hubwatch/1/harbour/gate-7/frame"


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """Make an authority and a certificate for 127.0.0.1, which servers also show one another."""
    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    server.private_key_pem.write_to_path(str(tmp_path / "server.key"))
    server.cert_chain_pems[0].write_to_path(str(tmp_path / "server.pem"))
    return tmp_path


@pytest.fixture
def sample(tmp_path: Path, certificates: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[OwnNats]]:
    """Start three servers with the sample; only addresses and paths are changed."""
    nats_program()
    monkeypatch.setenv("HUBWATCH_AGENT_PASSWORD", "one")
    monkeypatch.setenv("HUBWATCH_HUB_PASSWORD", "two")
    members = [OwnNats(f"nats-{number}", tmp_path / f"nats-{number}") for number in (1, 2, 3)]
    try:
        for member in members:
            member.folder.mkdir()
            (member.folder / "nats.conf").write_text(changed(member, members, certificates), encoding="utf-8")
            monkeypatch.setenv("HUBWATCH_NODE", member.name)
            member.start()
        for member in members:
            member.await_healthy()
        yield members
    finally:
        for member in members:
            member.stop()


def changed(member: OwnNats, members: list[OwnNats], certificates: Path) -> str:
    text = SAMPLE.read_text(encoding="utf-8")
    places = {
        "0.0.0.0:4222": f"127.0.0.1:{member.port}",
        "127.0.0.1:8222": f"127.0.0.1:{member.monitor_port}",
        "0.0.0.0:8883": f"127.0.0.1:{member.mqtt_port}",
        "0.0.0.0:6222": f"127.0.0.1:{member.route_port}",
        "/etc/nats": str(certificates),
        "/var/lib/nats": str(member.folder / "jetstream"),
        "100GB": "1GB",
    } | {f"nats://{other.name}:6222": f"nats://127.0.0.1:{other.route_port}" for other in members}
    for there, here in places.items():
        assert there in text
        text = text.replace(there, here)
    return text


def hub(sample: list[OwnNats], tls: TlsSection, **more: object) -> NatsSection:
    servers = tuple(member.url.replace("nats://", "tls://") for member in sample)
    return NatsSection.model_validate({"servers": servers, "tls": tls, "username": "hub", "password": "two"} | more)


def agent(sample: list[OwnNats], tls: TlsSection, health: Health | None = None, **more: object) -> MqttSession:
    values = {"host": "127.0.0.1", "port": sample[0].mqtt_port, "protocol": "3.1.1", "tls": tls}
    section = MqttSection.model_validate(values | {"username": "agent", "password": "one"} | more)
    return MqttSession(section, client_id="gate-7", health=health)


async def test_agents_publish_and_the_hub_takes_it_in_three_copies(sample: list[OwnNats], certificates: Path) -> None:
    tls = TlsSection(ca_file=certificates / "ca.pem")

    async def publish(link: MqttLink) -> None:
        await link.publish(FRAME, b"1")

    async def take(link: JetStreamLink) -> None:
        await link.subscribe(topics.every(Leaf.FRAME))
        await agent(sample, tls).run(publish)
        messages = await link.receive(10, 5)
        assert [(each.topic, each.payload) for each in messages] == [(FRAME, b"1")]
        link.ack(messages[0])

    async with asyncio.timeout(60):
        await JetStreamSession(hub(sample, tls), durable="hubwatch-collector").run(take)


async def test_nobody_gets_in_or_listens_who_should_not(sample: list[OwnNats], certificates: Path) -> None:
    tls = TlsSection(ca_file=certificates / "ca.pem")

    async def listen(link: MqttLink) -> None:
        await link.subscribe("hubwatch/1/#")

    async def nothing(_: object) -> None:
        raise AssertionError("let in")

    await shut_out(lambda health: agent(sample, tls, health=health).run(listen))
    await shut_out(lambda health: agent(sample, tls, health=health, password="wrong").run(nothing))
    wrong, as_agent = hub(sample, tls, password="wrong"), hub(sample, tls, username="agent", password="one")
    await shut_out(lambda health: JetStreamSession(wrong, durable="x", health=health).run(nothing))
    await shut_out(lambda health: JetStreamSession(as_agent, durable="x", health=health).run(nothing))


async def shut_out(begin: Callable[[Health], Coroutine[object, object, None]]) -> None:
    health = Health()
    await outage(begin(health), health, "refuse")
