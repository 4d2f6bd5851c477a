"""A Modbus TCP device that can be told things: keeps every write, and can leave writes unanswered or answer wrongly."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

READS, WRITES = (3, 4), (5, 6, 15, 16)
COIL_ON = 0xFF00


@dataclass
class Talker:
    """One unit with 30 registers; coils stand in a space of their own."""

    registers: dict[int, int] = field(default_factory=lambda: {**dict.fromkeys(range(30), 0), 9: 77})
    coils: dict[int, int] = field(default_factory=dict)
    writes: list[tuple[int, int, tuple[int, ...]]] = field(default_factory=list)
    """Function, address and values of every write that came."""
    on_write: str = "answers"
    """Or: silent; an exception code; echoes_other; closes; late, which is after a second."""
    silent: bool = False
    reads: int = 0
    port: int = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Talker]:
        """Listen on a free port of loopback."""
        writers: set[asyncio.StreamWriter] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writers.add(writer)
            try:
                await self._serve(reader, writer)
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            finally:
                writer.transport.abort()

        server = await asyncio.start_server(serve, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for writer in writers:
                writer.transport.abort()
            await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            number, _, length, unit = struct.unpack(">HHHB", await reader.readexactly(7))
            pdu = await reader.readexactly(length - 1)
            reply = self._write(pdu) if pdu[0] in WRITES else self._read(pdu)
            if reply == b"closes":
                return
            if pdu[0] in WRITES and self.on_write == "late":
                await asyncio.sleep(1.0)
            if reply and not self.silent:
                writer.write(struct.pack(">HHHB", number, 0, len(reply) + 1, unit) + reply)
                await writer.drain()

    def _read(self, pdu: bytes) -> bytes:
        self.reads += 1
        function, wire, count = struct.unpack(">BHH", pdu)
        if function not in READS or any(each not in self.registers for each in range(wire, wire + count)):
            return bytes([function | 0x80, 2])
        values = [self.registers[each] for each in range(wire, wire + count)]
        return struct.pack(f">BB{count}H", function, 2 * count, *values)

    def _write(self, pdu: bytes) -> bytes:
        function, wire, word = struct.unpack(">BHH", pdu[:5])
        many = struct.unpack(f">{word}H", pdu[6:]) if function == 16 else (word,)
        self.writes.append((function, wire, many))
        if self.on_write.isdigit():
            return bytes([function | 0x80, int(self.on_write)])
        if function == 5:
            self.coils[wire] = int(word == COIL_ON)
        elif any(each not in self.registers for each in range(wire, wire + len(many))):
            return bytes([function | 0x80, 2])
        else:
            self.registers.update(zip(range(wire, wire + len(many)), many, strict=True))
        other = struct.pack(">BHH", function, wire + 1, word)
        return {"silent": b"", "closes": b"closes", "echoes_other": other}.get(self.on_write, pdu[:5])
