"""The API's server against clients that say little, nothing, or too much: slow sockets, on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import pytest
from fastapi import FastAPI, Request
from prometheus_client import CollectorRegistry
from starlette.responses import Response

from hubwatch_console.server import ApiServer, bound
from hubwatch_console.settings import ApiSection, ConsoleSettings
from hubwatch_console.time_limits import ANSWER, BODY, END, HEADERS
from support.eventually import eventually

NEVER_S = 3600.0
"""A limit that does not end a connection while a test runs."""
SOON_S = 0.3
LARGE = 24 << 20
"""More than the buffers of two sockets hold."""
GET = b"GET /small HTTP/1.1\r\nHost: x\r\n\r\n"


@dataclass
class Served:
    """A server, and what it counts."""

    port: int
    registry: CollectorRegistry
    server: ApiServer

    def cut(self, waiting_for: str) -> float:
        return (
            self.registry.get_sample_value("hubwatch_console_connections_cut_total", {"waiting_for": waiting_for})
            or 0.0
        )

    @property
    def refused(self) -> float:
        return self.registry.get_sample_value("hubwatch_console_connections_refused_total") or 0.0

    async def connect(self, source: str = "127.0.0.1") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, local_addr=(source, 0))

    async def said_until_closed(self, said: bytes, source: str = "127.0.0.1") -> bytes:
        """Say something; gives all that came until the server ended the connection."""
        reader, writer = await self.connect(source)
        with closing(writer):
            return await until_closed(reader, writer, said)


@contextmanager
def closing(writer: asyncio.StreamWriter) -> Iterator[None]:
    try:
        yield
    finally:
        writer.transport.abort()


async def until_closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, said: bytes = b"") -> bytes:
    try:
        writer.write(said)
        async with asyncio.timeout(60):
            return await reader.read()
    except ConnectionError:
        return b""


def application() -> FastAPI:
    app = FastAPI()

    @app.get("/small")
    async def small() -> Response:
        return Response(b"ok")

    @app.get("/large")
    async def large() -> Response:
        return Response(b"x" * LARGE)

    @app.post("/taken")
    async def taken(request: Request) -> Response:
        return Response(str(len(await request.body())))

    return app


@asynccontextmanager
async def serving(within_s: dict[str, float] | None = None, **api: object) -> AsyncIterator[Served]:
    settings = ConsoleSettings(api=ApiSection.model_validate({"port": 0, **api}))
    limits = dict.fromkeys((HEADERS, BODY, ANSWER, END), NEVER_S) | (within_s or {})
    registry = CollectorRegistry()
    server = ApiServer(application(), settings.api, registry, limits)
    with bound(settings) as listener:
        port = listener.getsockname()[1]
        task = asyncio.create_task(server.serve(sockets=[listener]))
        await eventually(lambda: server.started)
        try:
            yield Served(port, registry, server)
        finally:
            server.should_exit = True
            await task


@pytest.mark.parametrize("said", [b"", b"GE", b"GET /small HTTP/1.1\r\nX-Slow: "], ids=["silent", "line", "header"])
async def test_headers_that_do_not_come_end_the_connection(said: bytes) -> None:
    async with serving({HEADERS: SOON_S}) as served:
        assert await served.said_until_closed(said) == b""
        assert served.cut(HEADERS) == 1


async def test_header_that_comes_byte_by_byte_ends_the_connection() -> None:
    async with serving({HEADERS: SOON_S}) as served:
        reader, writer = await served.connect()
        with closing(writer):
            writer.write(b"GET /small HTTP/1.1\r\nX-Slow: ")

            async def drip() -> None:
                while True:
                    writer.write(b"x")
                    await asyncio.sleep(0.02)

            dripping = asyncio.create_task(drip())
            assert await until_closed(reader, writer) == b""
            dripping.cancel()
        assert served.cut(HEADERS) == 1


async def test_body_that_does_not_end_ends_the_connection() -> None:
    async with serving({BODY: SOON_S}) as served:
        said = b"POST /taken HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345"
        assert await served.said_until_closed(said) == b""
        assert served.cut(BODY) == 1


async def test_answer_that_nobody_takes_ends_the_connection() -> None:
    async with serving({ANSWER: SOON_S}) as served:
        _, writer = await served.connect()
        with closing(writer):
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
            await eventually(lambda: served.cut(ANSWER) == 1)
            await eventually(lambda: not served.server.server_state.connections)


async def test_end_of_an_answer_that_nobody_takes_ends_the_connection_too() -> None:
    async with serving({END: SOON_S}) as served:
        _, writer = await served.connect()
        with closing(writer):
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            await eventually(lambda: served.cut(END) == 1)
            await eventually(lambda: not served.server.server_state.connections)


async def test_large_answer_and_several_requests_come_through_and_are_cut_by_nothing() -> None:
    async with serving() as served:
        reader, writer = await served.connect()
        with closing(writer):
            async with asyncio.timeout(60):
                for _ in range(3):
                    writer.write(GET)
                    assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
                    assert await reader.readexactly(2) == b"ok"
                writer.write(b"POST /taken HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12345")
                assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
                assert await reader.readexactly(1) == b"5"
                writer.write(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                assert len((await reader.read()).partition(b"\r\n\r\n")[2]) == LARGE
        assert [served.cut(what) for what in (HEADERS, BODY, ANSWER, END)] == [0, 0, 0, 0]


async def test_crowd_of_one_address_is_refused_and_leaves_room_for_others() -> None:
    async with serving(max_connections_per_address=3) as served:
        crowd = [await served.connect() for _ in range(3)]
        try:
            await eventually(lambda: len(served.server.server_state.connections) == 3)
            assert await served.said_until_closed(GET) == b""
            assert served.refused == 1
            closes = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
            assert b" 200 " in await served.said_until_closed(closes, "127.0.0.2")
        finally:
            for _, writer in crowd:
                writer.transport.abort()
        await eventually(lambda: not served.server.server_state.connections)
        assert b" 200 " in await served.said_until_closed(closes)


async def test_crowd_from_many_addresses_is_refused_too() -> None:
    async with serving(max_connections=10, max_connections_per_address=5) as served:
        crowd = [await served.connect(f"127.0.1.{n // 5 + 1}") for n in range(10)]
        try:
            await eventually(lambda: len(served.server.server_state.connections) == 10)
            assert await served.said_until_closed(GET, "127.0.2.1") == b""
            assert served.refused == 1
        finally:
            for _, writer in crowd:
                writer.transport.abort()


async def test_what_is_no_http_leaves_no_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as served:
        for said in (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"X-A: " + b"b" * 50_000):
            assert b" 200 " not in await served.said_until_closed(said)
        assert [record for record in caplog.records if "HTTP" in record.getMessage()] == []


async def test_crowds_are_told_once_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    async with serving(max_connections_per_address=1) as served:
        _, writer = await served.connect()
        with closing(writer):
            await eventually(lambda: len(served.server.server_state.connections) == 1)
            for _ in range(5):
                assert await served.said_until_closed(GET) == b""
        assert served.refused == 5
        assert "".join(capsys.readouterr()).count("too many connections") == 1
