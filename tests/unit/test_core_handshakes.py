"""Handshakes of TLS count: a peer that begins them without end, or ends none, costs nobody but itself."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from hubwatch_core.config import ServerTlsSection
from hubwatch_core.http import connections
from hubwatch_core.http.connections import Connections, peer_named
from hubwatch_core.http.serving import serve_connections
from hubwatch_core.http.serving_certificate import ServingCertificate
from support.certificates import Certificates
from support.eventually import eventually

CROWD, OTHER = "127.0.0.1", "127.0.0.2"


class Echo(asyncio.Protocol):
    """Says back what it hears, and counts."""

    made = lost = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        Echo.made += 1

    def connection_lost(self, error: Exception | None) -> None:
        Echo.lost += 1

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class Served:
    """A server over TLS, and what it refused."""

    def __init__(self, certificates: Certificates) -> None:
        self.refused: list[str] = []
        self.limits = Connections(Echo, life_s=None, most=50, per_peer=3, refused=self.refused.append)
        self.port = 0
        self.context = ssl.create_default_context(cafile=str(certificates.ca))

    async def silent(self, source: str = CROWD) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect, and say nothing."""
        return await asyncio.open_connection("127.0.0.1", self.port, local_addr=(source, 0))

    async def shaken(self, source: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect with a handshake. Raises OSError where the server does not want it."""
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=self.context, local_addr=(source, 0))

    async def echoed(self, source: str) -> bool:
        """Return whether the server speaks with somebody; what they say comes together with the handshake's end."""
        try:
            reader, writer = await self.shaken(source)
        except OSError:
            return False
        try:
            writer.write(b"hello")
            return await reader.readexactly(5) == b"hello"
        finally:
            writer.transport.abort()


@pytest.fixture
async def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    monkeypatch.setattr(connections, "monotonic", lambda: 1000.0)  # no second passes
    monkeypatch.setattr(Echo, "made", 0)
    monkeypatch.setattr(Echo, "lost", 0)
    certificates = Certificates(tmp_path)
    cert, key = certificates.issue("127.0.0.1")
    made = Served(certificates)
    certificate = ServingCertificate(ServerTlsSection(cert_file=cert, key_file=key))
    async with listening(made, certificate):
        yield made


async def until_closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Wait until the server has ended a connection, by whatever it says."""
    with suppress(ConnectionError):
        await reader.read()
    writer.transport.abort()


@asynccontextmanager
async def listening(made: Served, certificate: ServingCertificate) -> AsyncIterator[None]:
    server = await serve_connections(made.limits, certificate, host="127.0.0.1", port=0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield
    finally:
        server.close()
        await server.wait_closed()


async def test_handshakes_that_do_not_end_are_refused_beyond_a_few_and_leave_room_for_others(served: Served) -> None:
    crowd = [await served.silent() for _ in range(3)]
    try:
        reader, writer = await served.silent()
        await until_closed(reader, writer)  # at once, without a handshake
        assert served.refused == [CROWD]
        assert await served.echoed(OTHER)
        assert Echo.made == 1
    finally:
        for _, writer in crowd:
            writer.transport.abort()


async def test_many_who_end_no_handshake_keep_nobody_out(served: Served) -> None:
    crowd = [await served.silent(f"127.0.1.{1 + i % 17}") for i in range(50)]
    speaking = []
    try:
        for i in range(1, 6):
            speaking.append(await served.shaken(f"127.0.2.{i}"))
        await eventually(lambda: Echo.made == 5)
        assert served.refused == [f"127.0.1.{i}" for i in range(1, 6)]
        for reader, writer in crowd[:5]:
            await until_closed(reader, writer)  # the oldest of those who have most
        assert Echo.lost == 0
    finally:
        for _, writer in [*crowd, *speaking]:
            writer.transport.abort()


def is_open(client: socket.socket) -> bool:
    try:
        return client.recv(1) != b""
    except BlockingIOError:
        return True
    except ConnectionError:
        return False


async def test_handshakes_that_end_before_they_begin_leave_no_connection_open(served: Served) -> None:
    # All are there before the server looks: those that end have not had their first step.
    crowd = [
        socket.create_connection(("127.0.0.1", served.port), source_address=(f"127.0.1.{i}", 0)) for i in range(1, 91)
    ]
    try:
        for client in crowd:
            client.setblocking(False)
        await eventually(lambda: len(served.refused) == 40)
        await eventually(lambda: sum(map(is_open, crowd)) == 50)
        assert not any(map(is_open, crowd[:40]))
    finally:
        for client in crowd:
            client.close()


async def test_nobody_makes_room_for_more_handshakes_than_others_have(served: Served) -> None:
    crowd = [await served.silent(f"127.0.1.{i}") for i in range(1, 51)]
    try:
        kept = await served.silent(OTHER)
        reader, writer = await served.silent(OTHER)
        await until_closed(reader, writer)
        assert served.refused == ["127.0.1.1", OTHER]
        kept[1].transport.abort()
    finally:
        for _, writer in crowd:
            writer.transport.abort()


async def test_connections_that_speak_are_not_ended_for_others(served: Served) -> None:
    speaking = []
    try:
        for i in range(50):
            speaking.append(await served.shaken(f"127.0.1.{1 + i % 17}"))
        await eventually(lambda: Echo.made == 50)
        assert not await served.echoed(OTHER)
        assert (served.refused, Echo.lost) == ([OTHER], 0)
    finally:
        for _, writer in speaking:
            writer.transport.abort()


def test_of_ipv6_a_network_is_counted_and_not_each_of_its_addresses() -> None:
    same = {"2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:2:1:2:3:4"}
    assert {peer_named(each) for each in same} == {"2001:db8:1:2::/64"}
    assert peer_named("2001:db8:1:3::1") == "2001:db8:1:3::/64"
    kept = ("10.0.0.1", "fe80::1%eth0", "::1", "a name", "")
    assert tuple(peer_named(each) for each in kept) == kept
    assert peer_named("::ffff:10.0.0.2") == "10.0.0.2"


async def test_handshakes_one_after_the_other_are_refused_beyond_a_rate(served: Served) -> None:
    for _ in range(6):
        assert await served.echoed(CROWD)
        await eventually(lambda: Echo.lost == Echo.made)
    assert [await served.echoed(CROWD) for _ in range(4)] == [False] * 4
    assert served.refused == [CROWD] * 4
    assert Echo.made == 6
    assert await served.echoed(OTHER)


async def test_handshakes_that_fail_count_and_are_counted_out_again(served: Served) -> None:
    for _ in range(6):
        reader, writer = await served.silent()
        writer.write(b"GET / HTTP/1.1\r\n\r\n" + b"x" * 100)  # which is no TLS
        await until_closed(reader, writer)
    assert served.refused == []
    assert not await served.echoed(CROWD)
    assert served.refused == [CROWD]
    assert (await served.echoed(OTHER), Echo.made) == (True, 1)


async def test_handshake_that_takes_too_long_ends(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HANDSHAKE_S", 0.05)
    await until_closed(*await served.silent())
    monkeypatch.setattr(connections, "HANDSHAKE_S", 60.0)
    assert await served.echoed(CROWD)
