"""A TCP proxy that breaks the link in the ways real links break.

async with Proxy(*target) as proxy:
    ... connect to proxy.address ...
    proxy.cut()            # what a pulled cable and a rebooting switch do
    await proxy.heal()     # everything as at first
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Self

from support.ports import free_port

Direction = Literal["up", "down"]
"""Up is from the client to the target, down is from the target to the client."""

CHUNK_BYTES = 65536
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER on with 0 s: closing sends RST and drops what is not yet sent. Ref: socket(7)."""


@dataclass(slots=True)
class Flow:
    """One direction over all connections: what passed, and what is done to it."""

    came_bytes: int = 0
    """What came to be forwarded, held back or not."""
    passed_bytes: int = 0
    delay_s: float = 0.0
    change: Callable[[bytes], bytes] | None = None
    open: asyncio.Event = field(default_factory=asyncio.Event)


class Proxy:
    """Forwards connections on a loopback port of its own to a target, until it is told to break them."""

    def __init__(self, host: str, port: int) -> None:
        self.accepted = 0
        """Connections taken since the start, also those whose target could not be reached."""
        self.flows: dict[Direction, Flow] = {"up": Flow(), "down": Flow()}
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        # Not one that Linux hands out: it has to be free still when the proxy listens again.
        self._address = ("127.0.0.1", free_port())
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[object]] = set()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port to connect to; stays the same when the proxy refuses and heals."""
        return self._address

    @property
    def connections(self) -> int:
        """Connections open now."""
        return len(self._links)

    async def __aenter__(self) -> Self:
        await self.heal()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.refuse()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def cut(self, *, reset: bool = True) -> None:
        """End every connection, with RST or (reset=False) with an ordinary close; new ones are taken."""
        for link in list(self._links):
            link.close(reset=reset)

    async def refuse(self) -> None:
        """End every connection and refuse new ones, as a host whose program has died."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut()
        await asyncio.sleep(0)

    def stall(self, *directions: Direction) -> None:
        """Go deaf, in both directions when none is named: connections stay and are taken, but nothing passes."""
        for direction in directions or ("up", "down"):
            self.flows[direction].open.clear()

    def half_open(self) -> None:
        """Swallow all that connections of now send, and tell neither side; new ones work.

        So does a balancer that has failed over behind its clients.
        """
        for link in self._links:
            link.silent = True

    def delay(self, seconds: float) -> None:
        """Hold every chunk (at most 64 KiB) that long, in both directions."""
        for flow in self.flows.values():
            flow.delay_s = seconds

    def half_close(self, towards: Direction) -> None:
        """Tell one side that no more comes (FIN), while the other direction still flows."""
        for link in self._links:
            link.half_close(towards)

    def corrupt(self, direction: Direction, change: Callable[[bytes], bytes]) -> None:
        """Change what passes in one direction, for instance with `flip_byte(7)`."""
        self.flows[direction].change = change

    async def heal(self) -> None:
        """Listen again and pass everything unchanged; connections that were cut stay cut."""
        for flow in self.flows.values():
            flow.delay_s, flow.change = 0.0, None
            flow.open.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, *self._address)
            self._address = self._server.sockets[0].getsockname()[:2]

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection in a task of our own: asyncio calls it an error when one of its is cancelled."""
        self.accepted += 1
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            _close(writer, reset=True)
            return
        except asyncio.CancelledError:
            _close(writer, reset=True)
            raise
        link = _Link(writer, far_writer)
        self._links.add(link)
        try:
            await asyncio.gather(self._pump(reader, link, "up"), self._pump(far_reader, link, "down"))
        finally:
            self._links.discard(link)
            link.close(reset=False)

    async def _pump(self, reader: asyncio.StreamReader, link: _Link, direction: Direction) -> None:
        """Forward until one side closes; a close is passed on as a half-close. Behind a half-close nothing passes."""
        writer, flow = link.towards(direction), self.flows[direction]
        try:
            while chunk := await reader.read(CHUNK_BYTES):
                flow.came_bytes += len(chunk)
                await asyncio.sleep(flow.delay_s)
                await flow.open.wait()
                if direction in link.ended or link.silent:
                    continue
                writer.write(flow.change(chunk) if flow.change else chunk)
                await writer.drain()
                flow.passed_bytes += len(chunk)
            await flow.open.wait()
            if not link.silent:
                writer.write_eof()
        except OSError:
            _close(writer, reset=True)


@dataclass(eq=False, slots=True)
class _Link:
    near: asyncio.StreamWriter
    far: asyncio.StreamWriter
    ended: set[Direction] = field(default_factory=set)
    silent: bool = False

    def towards(self, direction: Direction) -> asyncio.StreamWriter:
        return self.far if direction == "up" else self.near

    def close(self, *, reset: bool) -> None:
        _close(self.near, reset=reset)
        _close(self.far, reset=reset)

    def half_close(self, towards: Direction) -> None:
        self.ended.add(towards)
        if not self.towards(towards).is_closing():
            self.towards(towards).write_eof()


def _close(writer: asyncio.StreamWriter, *, reset: bool) -> None:
    if reset and not writer.is_closing():
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        writer.transport.abort()
    writer.close()


def flip_byte(every: int) -> Callable[[bytes], bytes]:
    """Return a change that inverts the first byte of every `every` bytes passed, counted over chunks."""
    passed = 0

    def change(chunk: bytes) -> bytes:
        nonlocal passed
        start = -passed % every
        passed += len(chunk)
        broken = bytearray(chunk)
        broken[start::every] = bytes(byte ^ 0xFF for byte in broken[start::every])
        return bytes(broken)

    return change
