"""The proxy that other tests rely on breaks links exactly as it says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from support.eventually import eventually
from support.proxy import Proxy, flip_byte

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send back what comes; after the client's end of file say goodbye, then close."""
    try:
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
        writer.write(b"bye")
        await writer.drain()
    except ConnectionError:
        pass  # the proxy cut us off, which is what the test wants
    finally:
        writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    async with Proxy(*server.sockets[0].getsockname()[:2]) as proxy:
        yield proxy
    server.close()
    await server.wait_closed()


@pytest.fixture
async def stream(proxy: Proxy) -> AsyncIterator[Stream]:
    reader, writer = await asyncio.open_connection(*proxy.address)
    yield reader, writer
    writer.close()


async def _ask(stream: Stream, data: bytes) -> bytes:
    reader, writer = stream
    writer.write(data)
    async with asyncio.timeout(20):
        return await reader.readexactly(len(data))


async def test_healthy_proxy_passes_bytes_and_counts_both_directions(proxy: Proxy, stream: Stream) -> None:
    assert await _ask(stream, b"hello") == b"hello"
    stream[1].write_eof()
    assert await stream[0].read() == b"bye"
    assert proxy.flows["up"].passed_bytes == 5
    assert proxy.flows["down"].passed_bytes == 8
    assert proxy.accepted == 1


async def test_large_transfer_arrives_whole_and_unchanged(proxy: Proxy, stream: Stream) -> None:
    data = bytes(range(256)) * 8000
    assert await _ask(stream, data) == data
    assert proxy.flows["down"].passed_bytes == len(data)


async def test_closed_connections_are_forgotten(proxy: Proxy, stream: Stream) -> None:
    await _ask(stream, b"x")
    assert proxy.connections == 1
    stream[1].close()
    await eventually(lambda: not proxy.connections)


async def test_cut_resets_the_connection_and_takes_new_ones(proxy: Proxy, stream: Stream) -> None:
    await _ask(stream, b"x")
    proxy.cut()
    with pytest.raises(ConnectionResetError):
        async with asyncio.timeout(20):
            await stream[0].read()
    again = await asyncio.open_connection(*proxy.address)
    assert await _ask(again, b"back") == b"back"
    again[1].close()


async def test_cut_without_reset_ends_the_stream_in_order(proxy: Proxy, stream: Stream) -> None:
    await _ask(stream, b"x")
    proxy.cut(reset=False)
    async with asyncio.timeout(20):
        assert await stream[0].read() == b""


async def test_refusing_proxy_refuses_until_healed_on_the_same_port(proxy: Proxy, stream: Stream) -> None:
    await _ask(stream, b"x")
    address = proxy.address
    await proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*address)
    await proxy.heal()
    assert proxy.address == address
    again = await asyncio.open_connection(*address)
    assert await _ask(again, b"back") == b"back"
    again[1].close()


async def test_unreachable_target_resets_the_client() -> None:
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    gone = server.sockets[0].getsockname()[:2]
    server.close()
    await server.wait_closed()
    async with Proxy(*gone) as proxy:
        reader, writer = await asyncio.open_connection(*proxy.address)
        with pytest.raises(ConnectionResetError):
            async with asyncio.timeout(20):
                await reader.read()
        writer.close()
        assert proxy.accepted == 1


async def test_proxy_that_is_closed_with_connections_open_complains_of_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    async with Proxy(*server.sockets[0].getsockname()[:2]) as proxy:
        stream = await asyncio.open_connection(*proxy.address)
        await _ask(stream, b"x")
        proxy.stall()
        stream[1].write(b"on its way")
        await eventually(lambda: proxy.flows["up"].came_bytes == 11)
    stream[1].close()
    server.close()
    assert caplog.text == ""
    assert proxy.connections == 0


async def test_delay_holds_each_direction_once(proxy: Proxy, stream: Stream) -> None:
    await _ask(stream, b"warm")
    proxy.delay(0.1)
    began = time.monotonic()
    await _ask(stream, b"slow")
    assert 0.2 <= time.monotonic() - began < 10


async def test_stalled_proxy_accepts_but_stays_deaf_until_healed(proxy: Proxy, stream: Stream) -> None:
    await _ask(stream, b"x")
    proxy.stall()
    late = await asyncio.open_connection(*proxy.address)
    for _, writer in (stream, late):
        writer.write(b"anyone?")
    await eventually(lambda: proxy.flows["up"].came_bytes == 1 + 2 * 7)
    assert proxy.flows["up"].passed_bytes == 1
    await proxy.heal()
    for reader, writer in (stream, late):
        async with asyncio.timeout(20):
            assert await reader.readexactly(7) == b"anyone?"
        writer.close()


async def test_stall_of_one_direction_lets_the_other_pass(proxy: Proxy, stream: Stream) -> None:
    await _ask(stream, b"x")
    proxy.stall("down")
    stream[1].write(b"heard")
    await eventually(lambda: proxy.flows["down"].came_bytes == 6)
    assert proxy.flows["up"].passed_bytes == 6
    assert proxy.flows["down"].passed_bytes == 1


async def test_half_close_towards_the_target_still_brings_its_answer(proxy: Proxy, stream: Stream) -> None:
    await _ask(stream, b"x")
    proxy.half_close("up")
    async with asyncio.timeout(20):
        assert await stream[0].read() == b"bye"


async def test_half_close_towards_the_client_ends_its_reading_only(proxy: Proxy, stream: Stream) -> None:
    await _ask(stream, b"x")
    proxy.half_close("down")
    async with asyncio.timeout(20):
        assert await stream[0].read() == b""
    stream[1].write(b"more")
    await eventually(lambda: proxy.flows["up"].passed_bytes == 5)


async def test_half_close_swallows_what_comes_behind_it(
    proxy: Proxy, stream: Stream, caplog: pytest.LogCaptureFixture
) -> None:
    await _ask(stream, b"x")
    proxy.half_close("down")
    stream[1].write(b"more")
    await eventually(lambda: proxy.flows["down"].came_bytes == 5)
    assert proxy.connections == 1
    assert proxy.flows["down"].passed_bytes == 1
    assert caplog.text == ""


async def test_corruption_changes_one_direction_and_heals(proxy: Proxy, stream: Stream) -> None:
    proxy.corrupt("down", flip_byte(4))
    assert await _ask(stream, bytes(8)) == b"\xff\0\0\0\xff\0\0\0"
    await proxy.heal()
    assert await _ask(stream, bytes(8)) == bytes(8)


def test_flip_byte_counts_over_chunks() -> None:
    change = flip_byte(3)
    assert change(bytes(4)) + change(bytes(1)) + change(bytes(3)) == b"\xff\0\0\xff\0\0\xff\0"
