"""What `client.py` relies on in aiomqtt and paho, and that no socket, task or thread outlives a failed connect.

These fail when upstream changes: then read the decision record on aiomqtt before changing them.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import aiomqtt
import pytest

from hubwatch_core.health import Health
from hubwatch_core.mqtt import MqttLink, MqttRefused, MqttSession
from hubwatch_core.mqtt.client import MqttClient
from support.eventually import eventually
from support.fix_mqtt import Address, MakeMosquitto
from support.kept_link import kept, reaching, unique
from support.own_mosquitto import OwnMosquitto
from support.ports import free_port
from support.proxy import Proxy

SOON_S = 60.0


def _sockets() -> list[str]:
    """Return the sockets this process has open, by their identity."""
    found = []
    for number in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:
            continue  # the listing's own descriptor
        if target.startswith("socket:"):
            found.append(target)
    return sorted(found)


async def _settled(sockets: list[str], tasks: int) -> None:
    """Wait until no socket is open and no task runs but those there were; fails when that does not come."""
    await eventually(lambda: _sockets() == sockets and len(asyncio.all_tasks()) <= tasks)


@pytest.fixture
async def nothing_left(caplog: pytest.LogCaptureFixture) -> AsyncIterator[None]:
    """Fail when the test leaves a socket or a task behind, or an error nobody has looked at."""
    sockets, tasks = _sockets(), len(asyncio.all_tasks())
    yield
    await _settled(sockets, tasks)
    gc.collect()
    assert [record.message for record in caplog.records if record.name == "asyncio"] == []


@contextmanager
def _deaf() -> Iterator[Address]:
    """A port whose queue of connections is full: a connect neither succeeds nor fails. Ref: listen(2)."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        address: Address = server.getsockname()
        fillers = [socket.socket() for _ in range(3)]
        try:
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(address)
            yield address
        finally:
            for filler in fillers:
                filler.close()


def _nothing_dropped(topic: str, reason: str) -> None:
    raise AssertionError(f"dropped {topic}: {reason}")


def _client(address: Address) -> MqttClient:
    return MqttClient(*address, identifier=unique(), manual_ack=True, connect_timeout_s=SOON_S, drop=_nothing_dropped)


async def test_manual_acknowledgement_is_honoured_by_the_inner_client(mosquitto: Address, proxy: Proxy) -> None:
    """Without it paho acknowledges at once; the bytes that go up tell."""
    topic = unique()
    async with kept(MqttSession(reaching(mosquitto), client_id=unique())) as links:
        other = await links.next()
        for manual_ack, sent_at_once in ((True, False), (False, True)):
            session = MqttSession(reaching(proxy.address), client_id=unique(), manual_ack=manual_ack)
            async with kept(session) as subscriber:
                link = await subscriber.next()
                await link.subscribe(topic)
                before = proxy.flows["up"].passed_bytes
                await link.publish("some/topic", b"x")
                alone = proxy.flows["up"].passed_bytes - before
                await other.publish(topic, b"x")
                (message,) = await link.receive(1, SOON_S)
                await link.publish("some/topic", b"x")  # confirmed after all that went before it
                # PUBACK is 4 bytes when its reason is success (MQTT 5, 3.4.2.1)
                assert proxy.flows["up"].passed_bytes - before - 2 * alone == (4 if sent_at_once else 0)
                link.ack(message)
                await link.publish("some/topic", b"x")
                assert proxy.flows["up"].passed_bytes - before - 3 * alone == 4


def test_aiomqtt_still_calls_what_we_override() -> None:
    assert "self._client_connect" in inspect.getsource(aiomqtt.Client.__aenter__)
    assert list(inspect.signature(aiomqtt.Client._client_connect).parameters) == ["self"]
    assert [*inspect.signature(aiomqtt.Client._on_connect).parameters][1:] == [
        "client", "userdata", "flags", "reason_code", "properties",
    ]  # fmt: skip


async def test_orderly_end_leaves_nothing(nothing_left: None, mosquitto: Address) -> None:
    async with kept(MqttSession(reaching(mosquitto), client_id=unique())) as links:
        link = await links.next()
        await link.subscribe(unique())
        await link.publish(unique(), b"x")


async def test_lost_links_leave_nothing(mosquitto: Address, proxy: Proxy, caplog: pytest.LogCaptureFixture) -> None:
    sockets = len(_sockets())
    async with kept(MqttSession(reaching(proxy.address), client_id=unique())) as links:
        for reset in (True, False, True):
            link = await links.next()
            publishing = asyncio.create_task(link.publish(unique(), b"x"))
            proxy.cut(reset=reset)
            await asyncio.wait([publishing])
            publishing.exception()
        await links.next()
    del link, publishing, links
    await eventually(lambda: len(_sockets()) <= sockets)
    gc.collect()
    assert [record.message for record in caplog.records if record.name == "asyncio"] == []


async def test_loss_is_told_by_the_session_alone(mosquitto: Address, caplog: pytest.LogCaptureFixture) -> None:
    """And not by paho once more, with a line at level error on every reset."""
    async with Proxy(*mosquitto) as cable, kept(MqttSession(reaching(cable.address), client_id=unique())) as links:
        for _ in range(3):
            await links.next()
            cable.cut()
        await links.next()
        assert [record.message for record in caplog.records] == []


async def _lose_and_stop(cable: Proxy) -> None:
    async with kept(MqttSession(reaching(cable.address), client_id=unique())) as links:
        link = await links.next()
        link.lost.add_done_callback(lambda _: links.task.cancel())
        cable.cut()
        await asyncio.wait([links.task])


async def test_loss_at_the_moment_of_stopping_is_no_complaint(
    mosquitto: Address, caplog: pytest.LogCaptureFixture
) -> None:
    async with Proxy(*mosquitto) as cable:
        await _lose_and_stop(cable)
        await asyncio.sleep(0)
        gc.collect()  # asyncio complains when an exception is collected that nobody has looked at
        assert [record.message for record in caplog.records] == []


async def test_refused_connect_leaves_nothing(nothing_left: None) -> None:
    async with kept(MqttSession(reaching(("127.0.0.1", free_port())), client_id=unique())):
        await asyncio.sleep(0.5)


async def test_connects_nobody_answers_leave_nothing_open(nothing_left: None) -> None:
    """A program that takes connections and says nothing, such as amqtt given MQTT 5."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        health, address = Health(), silent.getsockname()
        session = MqttSession(reaching(address, connect_timeout_s=0.2), client_id=unique(), health=health)
        async with kept(session):
            before = len(_sockets())
            await eventually(lambda: "took the connection but did not answer within 0.2 s" in str(health.report()))
            await asyncio.sleep(1)  # some more tries
            assert len(_sockets()) <= before + 1  # the try under way


async def test_connects_that_hang_up_at_once_leave_nothing_open(nothing_left: None) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        address = server.sockets[0].getsockname()
        async with kept(MqttSession(reaching(address, connect_timeout_s=0.2), client_id=unique())):
            await asyncio.sleep(1.5)


@pytest.mark.parametrize("after_s", [0.0, 0.01, 0.3])
async def test_cancelled_while_the_broker_is_silent_leaves_nothing(nothing_left: None, after_s: float) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with kept(MqttSession(reaching(silent.getsockname()), client_id=unique())):
            await asyncio.sleep(after_s)


async def test_cancelled_in_the_moment_a_connect_fails_it_tries_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """`asyncio.wait_for` loses a cancellation that comes when its work has just failed (CPython issue 81839)."""
    ended = MqttClient._ended

    def ended_and_cancelled(client: MqttClient) -> None:
        ended(client)
        running.cancel()

    monkeypatch.setattr(MqttClient, "_ended", ended_and_cancelled)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        session = MqttSession(reaching(server.sockets[0].getsockname()), client_id=unique())
        running = asyncio.create_task(session.run(_never))
        done, _ = await asyncio.wait([running], timeout=60)
        monkeypatch.undo()
        running.cancel()  # where it was lost, this one is not
        with pytest.raises(asyncio.CancelledError):
            await running
    assert done, "it went on trying"


async def _never(_: MqttLink) -> None:
    raise AssertionError("nobody speaks MQTT there")


async def test_cancelled_while_the_connect_hangs_returns_at_once_and_leaves_nothing(nothing_left: None) -> None:
    with _deaf() as address:
        loop = asyncio.get_running_loop()
        sockets = _sockets()
        async with kept(MqttSession(reaching(address, connect_timeout_s=12), client_id=unique())):
            await asyncio.sleep(0.3)
            began = loop.time()
        assert loop.time() - began < 10
        await _settled(sockets, len(asyncio.all_tasks()))


async def test_connect_given_up_that_then_succeeds_is_closed(nothing_left: None) -> None:
    """The thread comes back with a socket when nobody wants it any more."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = _client(server.getsockname())
        entering = asyncio.create_task(client.__aenter__())
        await asyncio.sleep(0)
        entering.cancel()
        client.let_go()
        await asyncio.wait([entering])
        server.settimeout(SOON_S)
        link, _ = await asyncio.to_thread(server.accept)
        with link:
            link.settimeout(SOON_S)
            # the CONNECT that was on its way, and then the end
            while await asyncio.to_thread(link.recv, 1000):
                pass


async def test_cancelled_connects_leave_no_thread(mosquitto: Address) -> None:
    for _ in range(20):
        async with kept(MqttSession(reaching(mosquitto), client_id=unique())):
            await asyncio.sleep(0)
    # the loop's executor keeps its idle threads; there are never more than it may have
    assert len([thread for thread in threading.enumerate() if thread.name.startswith("asyncio")]) <= 8


async def test_broker_that_takes_few_at_once_is_never_sent_more(make_mosquitto: MakeMosquitto) -> None:
    own = make_mosquitto(["allow_anonymous true", "max_inflight_messages 7"])
    async with Proxy(own.host, own.port) as proxy, kept(MqttSession(reaching(proxy.address), client_id="a")) as links:
        link = await links.next()
        sent = bytearray()

        def note(data: bytes) -> bytes:
            sent.extend(data)
            return data

        proxy.corrupt("up", note)
        proxy.stall("down")  # no acknowledgement comes back
        asked: list[asyncio.Task[bool] | asyncio.Task[None]] = []
        asked += [asyncio.create_task(link.publish("t", b"x" * 1000)) for _ in range(50)]
        asked.append(asyncio.create_task(link.subscribe("asked-last")))
        await eventually(lambda: b"asked-last" in sent)  # what could be sent before it was sent
        assert sent.count(b"x") == 7_000
        await proxy.heal()
        async with asyncio.timeout(SOON_S):
            await asyncio.gather(*asked)


async def test_message_larger_than_the_broker_takes_is_refused_and_costs_no_link(
    make_mosquitto: MakeMosquitto,
) -> None:
    own = make_mosquitto(["allow_anonymous true", "max_packet_size 2000"])
    async with kept(MqttSession(reaching((own.host, own.port)), client_id="a")) as links:
        link = await links.next()
        with pytest.raises(MqttRefused, match="message of 2000 bytes on t: the broker takes packets up to 2000"):
            await link.publish("t", b"x" * 2000)
        await link.publish("t", b"x" * 1900)
        assert links.made == 1


async def test_error_in_a_callback_ends_the_link_instead_of_spinning(own_mosquitto: OwnMosquitto) -> None:
    """aiomqtt puts what a callback raises into its future and leaves the socket to us."""
    reached: list[MqttLink] = []

    async def use(link: MqttLink) -> None:
        reached.append(link)
        if len(reached) > 1:
            return
        link._client.paho.on_publish = _broken
        await link.subscribe("t")
        await link.publish("t", b"x")
        await asyncio.Event().wait()

    session = MqttSession(reaching((own_mosquitto.host, own_mosquitto.port)), client_id="a")
    async with asyncio.timeout(SOON_S):
        await session.run(use)
    assert len(reached) == 2


def _broken(*_: object) -> None:
    raise RuntimeError("a fault in a callback")
