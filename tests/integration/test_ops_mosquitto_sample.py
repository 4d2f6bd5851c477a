"""The sample for production is loaded by a real Mosquitto and keeps what its comments promise."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import aiomqtt
import pytest
import trustme

from support.fix_mqtt import MakeMosquitto
from support.own_mosquitto import OwnMosquitto, mosquitto_program

SAMPLE = Path(__file__).parents[2] / "ops" / "mosquitto"
USERS = {"rotterdam/gate-7": "one", "hub": "two"}
V5 = aiomqtt.ProtocolVersion.V5
Connect = Callable[..., aiomqtt.Client]


def _run(*command: str, cwd: Path) -> None:
    subprocess.run(command, cwd=cwd, check=True, capture_output=True)


@pytest.fixture
def certificates(tmp_path: Path) -> Path:
    """Make an authority and a certificate for 127.0.0.1."""
    folder = tmp_path / "certs"
    folder.mkdir()
    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    server.private_key_pem.write_to_path(str(folder / "server.key"))
    server.cert_chain_pems[0].write_to_path(str(folder / "server.pem"))
    return folder


@pytest.fixture
def sample(tmp_path: Path, certificates: Path, make_mosquitto: MakeMosquitto) -> OwnMosquitto:
    """Start Mosquitto with the sample; only paths and port are changed."""
    mosquitto_program()  # mosquitto_passwd comes with it
    passwords = tmp_path / "passwd"
    passwords.touch(mode=0o600)
    for user, password in USERS.items():
        _run("mosquitto_passwd", "-b", str(passwords), user, password, cwd=tmp_path)
    text = (SAMPLE / "mosquitto.conf").read_text(encoding="utf-8")
    for there, here in {
        "/etc/mosquitto/hubwatch.passwd": str(passwords),
        "/etc/mosquitto/hubwatch.acl": str(SAMPLE / "acl"),
        "/etc/mosquitto/certs": str(certificates),
        "log_dest syslog": "log_dest stdout",
        "listener 8883": "listener {port} 127.0.0.1",
        "/var/lib/mosquitto/": "{folder}/",
    }.items():
        assert there in text
        text = text.replace(there, here)
    return make_mosquitto(whole=text)


@pytest.fixture
def connect(sample: OwnMosquitto, certificates: Path) -> Connect:
    tls = ssl.create_default_context(cafile=str(certificates / "ca.pem"))

    def client(user: str | None, password: str | None = None) -> aiomqtt.Client:
        given = USERS.get(user or "") if password is None else password
        return aiomqtt.Client(
            sample.host, sample.port, username=user, password=given, tls_context=tls, protocol=V5, timeout=20
        )

    return client


async def test_frame_of_an_agent_reaches_a_collector_over_tls(connect: Connect) -> None:
    async with connect("hub") as collector, connect("rotterdam/gate-7") as agent:
        await collector.subscribe("$share/collector/hubwatch/1/+/+/frame", qos=1)
        await agent.publish("hubwatch/1/rotterdam/gate-7/frame", b"mine", qos=1)
        async with asyncio.timeout(20):
            message = await anext(collector.messages)
        assert message.payload == b"mine"


async def test_roll_call_of_an_agent_reaches_a_collector(connect: Connect) -> None:
    async with connect("hub") as collector, connect("rotterdam/gate-7") as agent:
        await collector.subscribe("$share/collector/hubwatch/rollcall/+/+", qos=1)
        await agent.publish("hubwatch/rollcall/rotterdam/gate-8", b"", qos=1)
        await agent.publish("hubwatch/rollcall/rotterdam/gate-7", b"", qos=1)
        async with asyncio.timeout(20):
            message = await anext(collector.messages)
        assert message.topic.value == "hubwatch/rollcall/rotterdam/gate-7"


async def test_agent_cannot_write_as_another(connect: Connect) -> None:
    async with connect("hub") as collector, connect("rotterdam/gate-7") as agent:
        await collector.subscribe("hubwatch/1/#", qos=1)
        for topic in ("hubwatch/1/rotterdam/gate-8/frame", "hubwatch/1/antwerp/gate-7/frame", "other"):
            await agent.publish(topic, b"forged", qos=1)
        await agent.publish("hubwatch/1/rotterdam/gate-7/state", b"last", qos=1)
        async with asyncio.timeout(20):
            message = await anext(collector.messages)
        assert message.payload == b"last"


async def test_agent_cannot_read_frames(connect: Connect) -> None:
    # Mosquitto takes the subscription and withholds the messages.
    async with connect("rotterdam/gate-7") as agent:
        await agent.subscribe("hubwatch/1/#", qos=1)
        await agent.publish("hubwatch/1/rotterdam/gate-7/frame", b"mine", qos=1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await anext(agent.messages)


async def test_hub_cannot_write_frames(connect: Connect) -> None:
    async with connect("hub") as hub, connect("hub") as watcher:
        await watcher.subscribe("hubwatch/1/#", qos=1)
        await hub.publish("hubwatch/1/rotterdam/gate-7/frame", b"forged", qos=1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await anext(watcher.messages)


@pytest.mark.parametrize(("user", "password"), [(None, None), ("hub", "wrong"), ("stranger", "one")])
async def test_stranger_is_refused(connect: Connect, user: str | None, password: str | None) -> None:
    with pytest.raises(aiomqtt.MqttError):
        async with connect(user, password):
            pass


async def test_connection_in_the_clear_is_refused(sample: OwnMosquitto) -> None:
    with pytest.raises(aiomqtt.MqttError):
        async with aiomqtt.Client(sample.host, sample.port, username="hub", password="two", timeout=2):
            pass
