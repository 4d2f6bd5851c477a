"""A broker of a few lines that refuses what a test tells it to: real ones do so only in some of the ways there are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

CONNECT, PUBLISH, SUBSCRIBE, PINGREQ = 1, 3, 8, 12


@dataclass
class RefusingBroker:
    """Sends `topic` and `payload` to every subscriber while nothing is refused. Ref: MQTT 5 and 3.1.1, chapter 3."""

    topic: str
    payload: bytes
    login: int = 0
    """Code of the CONNACK: MQTT 5 0x86 (user or password), 0x87 (not authorised) …, 3.1.1 4 and 5."""
    subscription: int = 0
    """Code of the SUBACK, 0 to grant what is asked for."""
    publication: int = 0
    """Code of the PUBACK; MQTT 3.1.1 has none."""
    acknowledges: bool = True
    """Without it no PUBACK is sent at all."""
    refused: int = 0
    unacknowledged: int = 0
    port: int = 0
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[RefusingBroker]:
        """Listen inside the context."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.cut()

    def cut(self) -> None:
        """Close every connection, as a restart does."""
        for writer in self._writers:
            writer.close()

    def _answer(self, code: int) -> int:
        self.refused += code != 0
        return code

    def _acknowledgement(self, body: bytes, five: bool) -> bytes:
        """Return the PUBACK of a PUBLISH, if there is to be one."""
        if not self.acknowledges:
            self.unacknowledged += 1
            return b""
        at = 2 + int.from_bytes(body[:2], "big")
        code = self._answer(self.publication) if five else 0
        tail = bytes([code]) if code else b""
        return bytes([0x40, 2 + len(tail)]) + body[at : at + 2] + tail

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        five, sending = False, None
        try:
            while True:
                kind, flags, body = await _packet(reader)
                if kind == CONNECT:
                    five = body[6] == 5
                    code = self._answer(self.login)
                    writer.write(bytes([0x20, 3, 0, code, 0] if five else [0x20, 2, 0, code]))
                    if code:
                        await writer.drain()
                        return
                elif kind == SUBSCRIBE:
                    code = self._answer(self.subscription)
                    filters = _filters(body, five)
                    codes = bytes([code or 1]) * filters
                    writer.write(bytes([0x90, 2 + five + filters]) + body[:2] + b"\0" * five + codes)
                    if not code and sending is None:
                        sending = asyncio.create_task(self._send(writer, five))
                elif kind == PUBLISH and flags & 6:
                    writer.write(self._acknowledgement(body, five))
                elif kind == PINGREQ:
                    writer.write(b"\xd0\0")
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self._writers.discard(writer)
            writer.close()
            if sending is not None:
                sending.cancel()

    async def _send(self, writer: asyncio.StreamWriter, five: bool) -> None:
        topic = self.topic.encode()
        packet = len(topic).to_bytes(2, "big") + topic + b"\0" * five + self.payload
        while not writer.is_closing():
            writer.write(bytes([0x30, len(packet)]) + packet)
            await asyncio.sleep(0.1)


async def _packet(reader: asyncio.StreamReader) -> tuple[int, int, bytes]:
    first = (await reader.readexactly(1))[0]
    length = shift = 0
    while True:
        byte = (await reader.readexactly(1))[0]
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return first >> 4, first & 0xF, await reader.readexactly(length)


def _filters(body: bytes, five: bool) -> int:
    """Count the filters of a SUBSCRIBE."""
    at, found = 2, 0
    if five:
        at += 1 + body[at]
    while at < len(body):
        at += 3 + int.from_bytes(body[at : at + 2], "big")
        found += 1
    return found
