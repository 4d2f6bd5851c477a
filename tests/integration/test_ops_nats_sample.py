"""The sample for production is loaded by three real NATS servers and keeps what its comments promise: a machine with a
good certificate of its own gets nowhere with what belongs to others.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from pathlib import Path

import aiomqtt
import pytest

from hubwatch_core import topics
from hubwatch_core.config import MqttSection, NatsSection, TlsSection, client_context
from hubwatch_core.health import Health
from hubwatch_core.jetstream import JetStreamSession
from hubwatch_core.jetstream.link import JetStreamLink
from hubwatch_core.message import Message
from hubwatch_core.mqtt import MqttLink, MqttSession
from hubwatch_core.topics import Leaf
from hubwatch_ops.pki.nats_users import nats_users
from support.kept_link import outage
from support.own_nats import OwnNats, nats_program
from support.pki_folder import PkiFolder

SAMPLE = Path(__file__).parents[2] / "ops" / "nats"
GATE_7, GATE_8 = "harbour/gate-7", "harbour/gate-8"
FRAME = f"hubwatch/1/{GATE_7}/frame"


@pytest.fixture
def pki(tmp_path: Path) -> PkiFolder:
    return PkiFolder(tmp_path)


@pytest.fixture
def sample(tmp_path: Path, pki: PkiFolder, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[OwnNats]]:
    """Start three servers with the sample; only addresses and paths are changed."""
    nats_program()
    pki.service("nats")
    members = [OwnNats(f"nats-{number}", tmp_path / f"nats-{number}") for number in (1, 2, 3)]
    try:
        for member in members:
            member.folder.mkdir()
            (member.folder / "nats.conf").write_text(changed(member, members, pki), encoding="utf-8")
            allow(member, GATE_7, GATE_8)
            monkeypatch.setenv("HUBWATCH_NODE", member.name)
            member.start()
        for member in members:
            member.await_healthy()
        yield members
    finally:
        for member in members:
            member.stop()


def allow(member: OwnNats, *agents: str) -> None:
    (member.folder / "users.conf").write_text(nats_users(agents=agents), encoding="utf-8")


def changed(member: OwnNats, members: list[OwnNats], pki: PkiFolder) -> str:
    text = (SAMPLE / "node.conf").read_text(encoding="utf-8")
    places = {
        "0.0.0.0:4222": f"127.0.0.1:{member.port}",
        "127.0.0.1:8222": f"127.0.0.1:{member.monitor_port}",
        "0.0.0.0:8883": f"127.0.0.1:{member.mqtt_port}",
        "0.0.0.0:6222": f"127.0.0.1:{member.route_port}",
        "/etc/nats": str(pki.certs),
        "/var/lib/nats": str(member.folder / "jetstream"),
        "100GB": "1GB",
    } | {f"nats://{other.name}:6222": f"nats://localhost:{other.route_port}" for other in members}
    for there, here in places.items():
        assert there in text
        text = text.replace(there, here)
    return text


def hub(sample: list[OwnNats], tls: TlsSection, **more: object) -> NatsSection:
    servers = tuple(member.url.replace("nats://", "tls://") for member in sample)
    return NatsSection.model_validate({"servers": servers, "tls": tls} | more)


def agent(
    sample: list[OwnNats], tls: TlsSection, health: Health | None = None, client_id: str = "gate-7", **more: object
) -> MqttSession:
    values = {"host": "127.0.0.1", "port": sample[0].mqtt_port, "protocol": "3.1.1", "tls": tls}
    return MqttSession(MqttSection.model_validate(values | more), client_id=client_id, health=health)


def client(sample: list[OwnNats], tls: TlsSection | ssl.SSLContext, **more: object) -> aiomqtt.Client:
    """Return a client that does what our own would not."""
    context = client_context(tls) if isinstance(tls, TlsSection) else tls
    given: dict[str, object] = {"protocol": aiomqtt.ProtocolVersion.V311, "timeout": 20, "tls_context": context}
    return aiomqtt.Client("127.0.0.1", sample[0].mqtt_port, **{**given, **more})  # type: ignore[arg-type]


async def publish(link: MqttLink) -> None:
    await link.publish(FRAME, b"1")


async def nothing(_: object) -> None:
    raise AssertionError("let in")


def test_committed_users_are_what_the_table_of_roles_says() -> None:
    text = (SAMPLE / "users.conf").read_text(encoding="utf-8")
    assert text == nats_users(agents=["rotterdam/gate-7"]), "run `hubwatch pki acl nats --agent rotterdam/gate-7`"


async def test_agents_publish_and_the_hub_takes_it_in_three_copies(sample: list[OwnNats], pki: PkiFolder) -> None:
    mine, _ = pki.agent(GATE_7)
    taken: list[str] = []

    async def take(link: JetStreamLink) -> None:
        await link.subscribe(topics.every(Leaf.FRAME))
        if not taken:
            await agent(sample, mine).run(publish)
        messages = await link.receive(10, 5)
        assert [(each.topic, each.payload) for each in messages] == [(FRAME, b"1")]
        link.ack(messages[0])
        taken.append(messages[0].topic)

    async with asyncio.timeout(100):
        await JetStreamSession(hub(sample, pki.service("collector")), durable="hubwatch-collector").run(take)
        detectors = hub(sample, pki.service("detectors"))
        await JetStreamSession(detectors, durable="hubwatch-detectors", alone=True).run(take)
    assert taken == [FRAME, FRAME]


async def test_nobody_gets_in_or_listens_who_should_not(sample: list[OwnNats], pki: PkiFolder) -> None:
    mine, _ = pki.agent(GATE_7)
    unknown, _ = pki.agent("harbour/gate-9")
    bare = mine.model_copy(update={"cert_file": None, "key_file": None})

    async def listen(link: MqttLink) -> None:
        await link.subscribe("hubwatch/1/#")

    async def overhear(link: MqttLink) -> None:
        await link.subscribe(f"hubwatch/rollcall/{GATE_8}/answer")

    await shut_out(lambda health: agent(sample, mine, health=health).run(listen))
    await shut_out(lambda health: agent(sample, mine, health=health).run(overhear))
    await shut_out(lambda health: agent(sample, unknown, health=health).run(nothing))
    await shut_out(lambda health: agent(sample, bare, health=health).run(nothing), "certificate")
    await shut_out(lambda health: JetStreamSession(hub(sample, mine), durable="x", health=health).run(nothing))


async def shut_out(begin: Callable[[Health], Coroutine[object, object, None]], said: str = "refuse") -> None:
    health = Health()
    await outage(begin(health), health, said)


async def test_detectors_touch_nothing_of_collectors(sample: list[OwnNats], pki: PkiFolder) -> None:
    from nats.aio.client import Client
    from nats.errors import TimeoutError as NatsTimeout

    async def ready(link: JetStreamLink) -> None:
        await link.subscribe(topics.every(Leaf.FRAME))

    async with asyncio.timeout(60):
        await JetStreamSession(hub(sample, pki.service("collector")), durable="hubwatch-collector").run(ready)
    connection = Client()
    await connection.connect(
        sample[0].url.replace("nats://", "tls://"), tls=client_context(pki.service("detectors")), error_cb=_quiet
    )
    try:
        stream = "$MQTT_msgs"
        for request in (
            f"STREAM.PURGE.{stream}",
            f"STREAM.DELETE.{stream}",
            f"STREAM.MSG.DELETE.{stream}",
            f"CONSUMER.DELETE.{stream}.hubwatch-collector",
            f"CONSUMER.MSG.NEXT.{stream}.hubwatch-collector",
            "STREAM.CREATE.other",
        ):
            with pytest.raises(NatsTimeout):
                await connection.request(f"$JS.API.{request}", b"{}", timeout=0.5)
        answer = await connection.request(f"$JS.API.STREAM.INFO.{stream}", b"", timeout=20)
        assert b'"consumer_count":1' in answer.data
    finally:
        await connection.close()


async def _quiet(_: Exception) -> None:
    """Refused requests are told in this way, too."""


async def test_client_id_of_another_is_of_no_use(sample: list[OwnNats], pki: PkiFolder) -> None:
    """A server ties no client id to a user (decision 0116): what its user may not, a session of that name may not."""
    mine, thiefs = pki.agent(GATE_7)[0], pki.agent(GATE_8)[0]
    answers = [f"hubwatch/rollcall/{each}/answer" for each in (GATE_7, GATE_8)]

    async def answer(link: JetStreamLink) -> None:
        while True:  # what is published before a server knows who has subscribed is lost
            for topic in answers:
                await link.publish(topic, b"answer")
            await asyncio.sleep(0.05)

    async def heard(one: aiomqtt.Client, count: int) -> set[str]:
        return {str((await anext(one.messages)).topic) for _ in range(count)}

    async def take_over(name: str) -> None:
        async with client(sample, thiefs, identifier=name, clean_session=False) as thief:
            await thief.subscribe(answers[1], qos=1)
            assert await heard(thief, 3) == {answers[1]}, "what comes for the other stays away"
            with suppress(aiomqtt.MqttError):
                await thief.publish(FRAME, b"forged", qos=1, timeout=1)

    async def take(link: JetStreamLink) -> None:
        await link.subscribe(topics.every(Leaf.FRAME))
        answering = asyncio.create_task(answer(link))
        try:
            with suppress(aiomqtt.MqttError):
                async with client(sample, mine, identifier="victim") as one:
                    await one.subscribe(answers[0], qos=1)
                    assert await heard(one, 1) == {answers[0]}
                    await take_over("victim")
            await take_over("hubwatch-collector")
            async with client(sample, mine, identifier="victim") as one:  # anew, as our agents come back
                await one.subscribe(answers[0], qos=1)
                assert await heard(one, 1) == {answers[0]}
                await one.publish(FRAME, b"1", qos=1)
            seen: list[Message] = []
            while not seen:
                seen += await link.receive(10, 5)
            assert [(each.topic, each.payload) for each in seen] == [(FRAME, b"1")], "the collector has what is true"
        finally:
            answering.cancel()
        taken.append(True)

    taken: list[bool] = []
    async with asyncio.timeout(200):
        await JetStreamSession(hub(sample, pki.service("collector")), durable="hubwatch-collector").run(take)
    assert taken


async def test_agent_that_is_no_user_any_more_is_disconnected(sample: list[OwnNats], pki: PkiFolder) -> None:
    mine, _ = pki.agent(GATE_7)
    async with asyncio.timeout(60):
        with suppress(aiomqtt.MqttError):
            async with client(sample, mine, identifier="gone") as one:
                allow(sample[0], GATE_8)
                sample[0].reload()
                with pytest.raises(aiomqtt.MqttError):
                    await anext(one.messages)
        with pytest.raises(aiomqtt.MqttError):
            async with client(sample, mine, identifier="gone", timeout=5):
                pass


async def test_machine_that_is_no_server_joins_no_cluster(sample: list[OwnNats], pki: PkiFolder) -> None:
    # As a member a gateway would read and write everything.
    mine, _ = pki.agent(GATE_7)

    def call(tls: TlsSection) -> bytes:
        """Say what a server says that wants to be a route; gives what the server answers."""
        heard = b""
        with (
            socket.create_connection(("localhost", sample[0].route_port), timeout=20) as plain,
            client_context(tls).wrap_socket(plain, server_hostname="localhost") as secured,
            suppress(OSError),
        ):
            secured.sendall(b'CONNECT {"verbose":false,"name":"x","cluster":"hubwatch"}\r\nPING\r\n')
            while b"PONG" not in heard and (more := secured.recv(4096)):
                heard += more
        return heard

    refused = await asyncio.to_thread(call, mine)
    assert b"Authorization Violation" in refused
    assert b"PONG" not in refused
    certs = pki.certs  # that of a server is let in by the same words
    server = mine.model_copy(update={"cert_file": certs / "nats.pem", "key_file": certs / "nats.key"})
    assert b"Authorization Violation" not in await asyncio.to_thread(call, server)
