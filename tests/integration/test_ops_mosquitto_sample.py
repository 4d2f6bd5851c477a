"""The sample for production is loaded by a real Mosquitto and keeps what its comments promise: a machine with a good
certificate of its own gets nowhere with what belongs to others.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import aiomqtt
import pytest

from hubwatch_core.config import TlsSection, client_context
from hubwatch_ops.pki.issuer import RevokedCertificate
from hubwatch_ops.pki.mosquitto_acl import mosquitto_acl
from support.certificates import Certificates
from support.fix_mqtt import MakeMosquitto
from support.own_mosquitto import OwnMosquitto
from support.pki_folder import PkiFolder
from support.sample_mosquitto import SAMPLE, start_sample

V5 = aiomqtt.ProtocolVersion.V5
GATE_7, GATE_8 = "rotterdam/gate-7", "rotterdam/gate-8"
Connect = Callable[..., aiomqtt.Client]


@pytest.fixture
def pki(tmp_path: Path) -> PkiFolder:
    return PkiFolder(tmp_path)


@pytest.fixture
def sample(pki: PkiFolder, make_mosquitto: MakeMosquitto) -> OwnMosquitto:
    return start_sample(pki, make_mosquitto)


@pytest.fixture
def connect(sample: OwnMosquitto, pki: PkiFolder) -> Connect:
    made: dict[str, TlsSection] = {}

    def client(name: str, **more: object) -> aiomqtt.Client:
        if name not in made:
            made[name] = pki.agent(name)[0] if "/" in name else pki.service(name)
        given: dict[str, object] = {"protocol": V5, "timeout": 20, "tls_context": client_context(made[name])}
        return aiomqtt.Client(sample.host, sample.port, **{**given, **more})  # type: ignore[arg-type]

    return client


@asynccontextmanager
async def watching(connect: Connect, *filters: str) -> AsyncIterator[aiomqtt.Client]:
    """Connect as the collector, who may read everything."""
    async with connect("collector") as collector:
        for each in filters or ("hubwatch/1/+/+/frame", "hubwatch/1/+/+/birth", "hubwatch/1/+/+/state"):
            await collector.subscribe(each, qos=1)
        yield collector


async def next_of(client: aiomqtt.Client) -> aiomqtt.Message:
    async with asyncio.timeout(60):
        return await anext(client.messages)


def test_committed_acl_is_what_the_table_of_roles_says() -> None:
    assert (SAMPLE / "acl").read_text(encoding="utf-8") == mosquitto_acl(), "run `hubwatch pki acl mosquitto`"


async def test_frame_of_an_agent_reaches_a_collector(connect: Connect) -> None:
    async with watching(connect, "$share/collector/hubwatch/1/+/+/frame") as collector, connect(GATE_7) as agent:
        await agent.publish(f"hubwatch/1/{GATE_7}/frame", b"mine", qos=1)
        assert (await next_of(collector)).payload == b"mine"


async def test_agent_and_collector_ask_and_answer(connect: Connect) -> None:
    async with connect("collector") as collector, connect(GATE_7) as agent:
        await collector.subscribe("$share/collector/hubwatch/rollcall/+/+", qos=1)
        await agent.subscribe(f"hubwatch/rollcall/{GATE_7}/answer", qos=1)
        await agent.publish(f"hubwatch/rollcall/{GATE_8}", b"", qos=1)
        await agent.publish(f"hubwatch/rollcall/{GATE_7}", b"", qos=1)
        assert (await next_of(collector)).topic.value == f"hubwatch/rollcall/{GATE_7}"
        await collector.publish(f"hubwatch/rollcall/{GATE_7}/answer", b"stored", qos=1)
        assert (await next_of(agent)).payload == b"stored"


OTHERS = (
    *(f"hubwatch/1/{GATE_8}/{leaf}" for leaf in ("frame", "birth", "state")),
    "hubwatch/1/antwerp/gate-7/frame",
    f"hubwatch/1/{GATE_7}/command",
    f"hubwatch/rollcall/{GATE_7}/answer",
    "hubwatch/2/rotterdam/gate-7/frame",
    "$SYS/broker/uptime",
    "other",
)


async def test_agent_cannot_write_as_another(connect: Connect) -> None:
    async with watching(connect, "#") as collector, connect(GATE_7) as agent:
        for topic in OTHERS:
            await agent.publish(topic, b"forged", qos=1, retain=True)
        await agent.publish(f"hubwatch/1/{GATE_7}/state", b"last", qos=1)
        assert (await next_of(collector)).payload == b"last"


async def test_will_of_an_agent_cannot_speak_for_another(connect: Connect) -> None:
    # A will is sent when the same machine connects again while its former connection stands.
    async with watching(connect) as collector:
        for topic, payload in ((f"hubwatch/1/{GATE_8}/state", b"forged"), (f"hubwatch/1/{GATE_7}/state", b"own")):
            with suppress(aiomqtt.MqttError):
                async with connect(GATE_7, will=aiomqtt.Will(topic, payload, 1, True)), connect(GATE_7):
                    pass
        assert (await next_of(collector)).payload == b"own"


@pytest.mark.parametrize("victim", [GATE_8, "collector"])
async def test_agent_cannot_take_the_client_id_of_another(connect: Connect, victim: str) -> None:
    # The session of the other stays; what it has queued stays its own.
    async with connect(victim) as other, connect(GATE_7, identifier=victim, clean_start=True) as agent:
        await other.subscribe(f"hubwatch/rollcall/{GATE_8}/answer", qos=1)
        await agent.publish(f"hubwatch/1/{GATE_8}/frame", b"forged", qos=1)
        await agent.publish(f"hubwatch/1/{GATE_7}/frame", b"mine", qos=1)
        await other.publish("hubwatch/1/" + (victim if "/" in victim else "x/y") + "/state", b"alive", qos=1)


async def test_name_and_password_say_nothing(connect: Connect) -> None:
    async with watching(connect) as collector, connect(GATE_7, username="collector", password="guess") as agent:
        await agent.publish(f"hubwatch/rollcall/{GATE_8}/answer", b"forged", qos=1)
        await agent.publish(f"hubwatch/1/{GATE_7}/frame", b"mine", qos=1)
        assert (await next_of(collector)).topic.value == f"hubwatch/1/{GATE_7}/frame"


async def test_agent_cannot_read_what_is_of_others(connect: Connect) -> None:
    # Mosquitto takes the subscription and withholds the messages; the last one shows that the others were withheld.
    async with connect("collector") as collector, connect(GATE_7) as agent, connect(GATE_8) as other:
        for each in ("hubwatch/#", "$share/collector/hubwatch/1/+/+/frame", "$SYS/#"):
            await agent.subscribe(each, qos=1)
        await other.publish(f"hubwatch/1/{GATE_8}/frame", b"private", qos=1)
        await collector.publish(f"hubwatch/rollcall/{GATE_8}/answer", b"private", qos=1)
        await collector.publish(f"hubwatch/rollcall/{GATE_7}/answer", b"stored", qos=1)
        assert (await next_of(agent)).payload == b"stored"


@pytest.mark.parametrize("service", ["collector", "detectors"])
async def test_services_cannot_write_frames(connect: Connect, service: str) -> None:
    async with connect(service) as hub, connect("collector" if service == "detectors" else "detectors") as watcher:
        for leaf in ("frame", "birth", "state"):
            await watcher.subscribe(f"hubwatch/1/+/+/{leaf}", qos=1)
            await hub.publish(f"hubwatch/1/{GATE_7}/{leaf}", b"forged", qos=1)
        async with connect(GATE_7) as agent:
            await agent.publish(f"hubwatch/1/{GATE_7}/state", b"last", qos=1)
        assert (await next_of(watcher)).payload == b"last"


async def test_nobody_gets_in_without_a_certificate_of_ours(
    sample: OwnMosquitto, connect: Connect, pki: PkiFolder, tmp_path: Path
) -> None:
    foreign = Certificates(tmp_path)
    bare = ssl.create_default_context(cafile=str(pki.authority.ca_file))
    strange = ssl.create_default_context(cafile=str(pki.authority.ca_file))
    strange.load_cert_chain(*foreign.issue("gate-7"))
    for context in (bare, strange, None):
        with pytest.raises(aiomqtt.MqttError):
            async with connect(GATE_7, tls_context=context, username=GATE_7, timeout=5):
                pass


async def test_certificate_of_a_server_is_none_of_a_client(connect: Connect) -> None:
    with pytest.raises(aiomqtt.MqttError):
        async with connect("broker", timeout=5):
            pass


async def test_revoked_agent_is_kept_out_once_the_list_is_read(
    connect: Connect, sample: OwnMosquitto, pki: PkiFolder
) -> None:
    section, serial = pki.agent(GATE_8)
    mine = {"tls_context": client_context(section)}
    async with connect(GATE_8, **mine):
        pass
    pki.revoke(RevokedCertificate(serial, datetime.now(UTC)))
    sample.reload()
    with pytest.raises(aiomqtt.MqttError):
        async with connect(GATE_8, **mine, timeout=5):
            pass
    async with connect(GATE_7):
        pass


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_revoked_agent_does_not_resume_a_session_of_tls(
    sample: OwnMosquitto, pki: PkiFolder, version: ssl.TLSVersion
) -> None:
    # A session that is resumed shows no certificate again, so no list of revoked ones would be looked at.
    section, serial = pki.agent(GATE_8)
    context = client_context(section)
    context.maximum_version = version

    def answer(session: ssl.SSLSession | None) -> tuple[bytes, ssl.SSLSession | None]:
        try:
            with (
                socket.create_connection((sample.host, sample.port), timeout=20) as plain,
                context.wrap_socket(plain, server_hostname=sample.host, session=session) as secured,
            ):
                secured.sendall(bytes.fromhex("100c00044d5154540402003c0000"))  # CONNECT of MQTT 3.1.1
                return secured.recv(4), secured.session
        except OSError:
            return b"", None

    welcome, kept = answer(None)
    assert welcome == bytes.fromhex("20020000")
    pki.revoke(RevokedCertificate(serial, datetime.now(UTC)))
    sample.reload()
    assert answer(kept)[0] != welcome
