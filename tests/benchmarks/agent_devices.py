"""Devices for the agent's benchmarks, in processes of their own so that they take no time from what is measured."""

from __future__ import annotations

import asyncio
import multiprocessing
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

MBAP = struct.Struct(">HHHBBHH")


class Device(asyncio.Protocol):
    """Answers reads of holding registers with their own addresses, at once or after the time a slow line takes."""

    def __init__(self, delay_s: float, dead: frozenset[int]) -> None:
        self._delay_s = delay_s
        self._dead = dead
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= MBAP.size:
            number, _, _, unit, function, wire, count = MBAP.unpack(self._buffer[: MBAP.size])
            self._buffer = self._buffer[MBAP.size :]
            if unit in self._dead:
                continue
            body = b"".join((wire + i & 0xFFFF).to_bytes(2, "big") for i in range(count))
            head = struct.pack(">HHHBBB", number, 0, len(body) + 3, unit, function, len(body))
            self._answer(head + body)

    def _answer(self, reply: bytes) -> None:
        assert self._transport is not None
        if self._delay_s:
            asyncio.get_running_loop().call_later(self._delay_s, self._transport.write, reply)
        else:
            self._transport.write(reply)


def _serve(pipe: Connection, count: int, delay_s: float, dead: frozenset[int]) -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        servers = [await loop.create_server(lambda: Device(delay_s, dead), "127.0.0.1", 0) for _ in range(count)]
        pipe.send([server.sockets[0].getsockname()[1] for server in servers])
        await loop.run_in_executor(None, pipe.recv)

    asyncio.run(run())


@contextmanager
def serve_devices(count: int, delay_s: float = 0.0, dead: frozenset[int] = frozenset()) -> Iterator[list[int]]:
    """Serve so many devices, each on a port of its own; gives the ports."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, count, delay_s, dead), daemon=True)
    process.start()
    try:
        ports: list[int] = ours.recv()
        yield ports
    finally:
        ours.send(None)
        process.join(5)
        if process.is_alive():
            process.terminate()
            process.join(5)
