"""`/healthz` and `/metrics` over real HTTP on loopback; every refusal is problem details without insides."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from pydantic import SecretStr

from hubwatch_core.config import TelemetrySection
from hubwatch_core.errors import Permanent
from hubwatch_core.health import Health
from hubwatch_core.http import telemetry
from hubwatch_core.http.connections import MOST_CONNECTIONS, MOST_PER_PEER
from hubwatch_core.http.problem_details import Handler, as_problems, problem

TOKEN = "ü3cret-of-Twenty-four-letters"
ONE, OTHER = "Zm9yIHRoZSBmaXJzdCBzY3JhcGVy", "c2Vjb25kIHRva2VuIGZvciBpdA=="


@dataclass
class Served:
    """A listening telemetry server with what it tells, and a client."""

    registry: CollectorRegistry
    health: Health
    port: int
    client: aiohttp.ClientSession

    async def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, aiohttp.ClientResponse, bytes]:
        """Return status, response and body."""
        async with self.client.request(method, f"http://127.0.0.1:{self.port}{path}", headers=headers) as response:
            return response.status, response, await response.read()


async def _serve(section: TelemetrySection) -> AsyncIterator[Served]:
    registry, health = CollectorRegistry(), Health()
    async with telemetry.listening(section, registry, health) as port, aiohttp.ClientSession() as client:
        assert port is not None
        yield Served(registry, health, port, client)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async for each in _serve(TelemetrySection(port=0)):
        yield each


@pytest.fixture
async def guarded() -> AsyncIterator[Served]:
    async for each in _serve(TelemetrySection(port=0, token=SecretStr(TOKEN))):
        yield each


def _told(status: int, response: aiohttp.ClientResponse, body: bytes) -> dict[str, object]:
    """Check that an answer is problem details with no insides, and give it."""
    assert response.content_type == "application/problem+json"
    assert b"Traceback" not in body
    assert b".py" not in body
    told: dict[str, object] = json.loads(body)
    assert told["status"] == status == response.status
    assert set(told) == {"type", "title", "status", "detail"}
    return told


async def test_healthz_is_200_with_the_checks_while_all_is_well(served: Served) -> None:
    served.health.set("mqtt", True, "connected")
    status, response, body = await served.ask("/healthz")
    assert (status, response.content_type) == (200, "application/json")
    assert json.loads(body)["checks"]["mqtt"]["detail"] == "connected"


async def test_healthz_is_503_while_a_check_fails_and_200_again_after(served: Served) -> None:
    served.health.set("mqtt", False, "gone")
    status, _, body = await served.ask("/healthz")
    assert status == 503
    assert json.loads(body)["ok"] is False
    served.health.set("mqtt", True)
    assert (await served.ask("/healthz"))[0] == 200


async def test_metrics_are_read_by_prometheus_own_parser(served: Served) -> None:
    counter = Counter("hubwatch_test_frames_total", "Frames.", ["hub"], registry=served.registry)
    counter.labels('rotter"dam\n').inc(3)
    status, response, body = await served.ask("/metrics")
    families = {family.name: family for family in text_string_to_metric_families(body.decode())}
    sample = families["hubwatch_test_frames"].samples[0]
    assert (status, response.content_type) == (200, "text/plain")
    assert (sample.labels, sample.value) == ({"hub": 'rotter"dam\n'}, 3.0)


async def test_unknown_path_is_404(served: Served) -> None:
    assert _told(*await served.ask("/etc/passwd"))["title"] == "Not Found"


async def test_wrong_method_is_405_and_says_which_are_allowed(served: Served) -> None:
    status, response, body = await served.ask("/metrics", "POST")
    assert _told(status, response, body)["status"] == 405
    assert response.headers["Allow"] == "GET,HEAD"


async def test_flood_is_429_with_a_time_to_come_back_and_passes_after_it(served: Served) -> None:
    # Ten side by side: one after the other a slow machine might ask no faster than it may.
    answers = [each for _ in range(12) for each in await asyncio.gather(*(served.ask("/healthz") for _ in range(10)))]
    refused = [answer for answer in answers if answer[0] != 200]
    assert len(refused) > 20
    for status, response, body in refused:
        assert _told(status, response, body)["status"] == 429
        assert response.headers["Retry-After"] == "1"
    await asyncio.sleep(1)
    assert (await served.ask("/healthz"))[0] == 200


class _Broken(Collector):
    def collect(self) -> Iterable[Metric]:
        raise RuntimeError("password=hunter2 in this line")


async def test_fault_inside_is_500_that_tells_nothing_and_a_log_line_that_tells_all(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    served.registry._collector_to_names[_Broken()] = []  # registering would collect it at once
    status, response, body = await served.ask("/metrics")
    assert _told(status, response, body)["detail"] == "the fault has been logged"
    assert b"hunter2" not in body
    said = capsys.readouterr()
    assert "request failed" in said.out + said.err
    assert "hunter2" in said.out + said.err


@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/nothing"])
@pytest.mark.parametrize("given", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"bearer{TOKEN}"])
async def test_without_the_token_every_path_is_401(guarded: Served, path: str, given: str) -> None:
    headers = {"Authorization": given} if given else {}
    status, response, body = await guarded.ask(path, **headers)
    assert _told(status, response, body)["status"] == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"


async def test_with_the_token_everything_is_served(guarded: Served) -> None:
    for path in ("/healthz", "/metrics"):
        assert (await guarded.ask(path, Authorization=f"Bearer {TOKEN}"))[0] == 200


async def test_token_that_is_no_text_is_401_and_no_fault(guarded: Served, capsys: pytest.CaptureFixture[str]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", guarded.port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xfe\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 401")
    assert "request failed" not in "".join(capsys.readouterr())


async def test_token_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{ONE}\n", encoding="utf-8")
    async for served in _serve(TelemetrySection(port=0, token_file=file)):
        assert (await served.ask("/healthz", Authorization=f"Bearer {ONE}"))[0] == 200
        assert (await served.ask("/healthz"))[0] == 401


async def test_crowd_of_silent_connections_is_refused_and_leaves_room_for_others(served: Served) -> None:
    crowd = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(MOST_PER_PEER)]
    try:
        for _ in range(20):
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            with contextlib.suppress(ConnectionError):
                async with asyncio.timeout(60):
                    assert await reader.read() == b""
            writer.close()
        with pytest.raises(aiohttp.ClientError):
            await served.ask("/healthz")
        assert b" 200 " in await _raw(served.port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "127.0.0.2")
    finally:
        for _, writer in crowd:
            writer.close()
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                if (await served.ask("/healthz"))[0] == 200:
                    return
            await asyncio.sleep(0.05)


async def _raw(port: int, said: bytes, source: str = "127.0.0.1") -> bytes:
    """Say something over a connection of its own, from an address of its own; gives all that came until its end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    try:
        writer.write(said)
        async with asyncio.timeout(60):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_crowd_from_many_addresses_is_bounded_too(served: Served) -> None:
    crowd = [
        await asyncio.open_connection("127.0.0.1", served.port, local_addr=(f"127.0.1.{n // 10 + 1}", 0))
        for n in range(MOST_CONNECTIONS)
    ]
    try:
        assert await _raw(served.port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "127.0.2.1") == b""
    finally:
        for _, writer in crowd:
            writer.close()


@pytest.mark.parametrize(
    "said", [b"", b"GET /healthz HTTP/1.1\r\nX-Slow: ", b"GET /heal"], ids=["silent", "header", "line"]
)
async def test_request_that_does_not_end_is_cut(said: bytes) -> None:
    async with telemetry.listening(TelemetrySection(port=0), CollectorRegistry(), Health(), life_s=0.2) as port:
        assert port is not None
        assert await _raw(port, said) == b""


async def test_connection_carries_one_request_and_ends(served: Served) -> None:
    request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = await _raw(served.port, request + request)
    assert answer.count(b"HTTP/1.1 200") == 1
    assert b"Server: hubwatch\r\n" in answer


@pytest.mark.parametrize(
    "said",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET \xff HTTP/9.9\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X-A: " + b"b" * 50_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(5000)) + b"\r\n",
        b"POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nZZ",
    ],
    ids=["tls", "version", "line", "header", "headers", "smuggled"],
)
async def test_what_is_no_request_leaves_neither_a_traceback_nor_a_line(
    served: Served, said: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = await _raw(served.port, said)
    assert b" 200 " not in answer
    assert b"Traceback" not in answer
    assert len(answer) < 1000
    assert "Traceback" not in "".join(capsys.readouterr())
    assert (await served.ask("/healthz"))[0] == 200


async def test_request_with_a_body_is_413_unread(served: Served) -> None:
    head = b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n"
    assert (await _raw(served.port, head + b"x" * 1000)).startswith(b"HTTP/1.1 413")


async def test_without_a_port_nothing_listens() -> None:
    async with telemetry.listening(TelemetrySection(), CollectorRegistry(), Health()) as port:
        assert port is None


async def test_port_that_is_taken_is_permanent_and_names_the_key_to_change() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        section = TelemetrySection(port=taken.getsockname()[1])
        with pytest.raises(Permanent, match=r"telemetry cannot listen on 127.0.0.1:\d+: .*; change telemetry.port"):
            async with telemetry.listening(section, CollectorRegistry(), Health()):
                pass


async def test_port_is_free_again_after_the_context() -> None:
    async for served in _serve(TelemetrySection(port=0)):
        port = served.port
    with socket.create_server(("127.0.0.1", port)):
        pass


async def _asked(handler: Handler) -> tuple[int, aiohttp.ClientResponse, bytes]:
    app = web.Application(middlewares=[as_problems])
    app.router.add_get("/", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        async with (
            aiohttp.ClientSession() as client,
            client.get(f"http://127.0.0.1:{port}/", allow_redirects=False) as response,
        ):
            return response.status, response, await response.read()
    finally:
        await runner.cleanup()


async def test_redirect_passes_the_problem_border() -> None:
    async def handler(_: web.Request) -> web.Response:
        raise web.HTTPFound("/elsewhere")

    status, response, _ = await _asked(handler)
    assert (status, response.headers["Location"]) == (302, "/elsewhere")


async def test_raised_http_error_becomes_problem_details_without_its_text() -> None:
    async def handler(_: web.Request) -> web.Response:
        raise web.HTTPConflict(text="<html>insides</html>")

    assert _told(*await _asked(handler)) == {"type": "about:blank", "title": "Conflict", "status": 409, "detail": ""}


async def test_returned_problem_says_what_to_do() -> None:
    async def handler(_: web.Request) -> web.Response:
        return problem(422, "the id is unknown")

    assert _told(*await _asked(handler))["detail"] == "the id is unknown"


async def test_token_that_changes_holds_from_the_next_request_on(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{ONE}\n", encoding="utf-8")
    async for served in _serve(TelemetrySection(port=0, token_file=file)):
        assert (await served.ask("/healthz", Authorization=f"Bearer {ONE}"))[0] == 200
        file.write_text(f"{OTHER}\n", encoding="utf-8")
        assert (await served.ask("/healthz", Authorization=f"Bearer {ONE}"))[0] == 401
        assert (await served.ask("/healthz", Authorization=f"Bearer {OTHER}"))[0] == 200
        file.unlink()
        assert _told(*await served.ask("/healthz", Authorization=f"Bearer {OTHER}"))["status"] == 503
