"""A connection to NATS that is given up before it is one is closed: the server sees its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from hubwatch_core.config import NatsSection
from hubwatch_core.jetstream import JetStreamSession
from hubwatch_core.jetstream.link import JetStreamLink

INFO = (
    b'INFO {"server_id":"A","version":"2.10.0","proto":1,"host":"127.0.0.1","port":4222,'
    b'"headers":true,"max_payload":1048576,"jetstream":true}\r\n'
)
STEPS = {"nothing": b"", "half a greeting": INFO[:40], "the greeting": INFO, "a greeting too much": INFO + INFO}
"""What the server says before it is silent."""


class SilentServer:
    """Says `words` to whoever comes, and nothing more."""

    def __init__(self, words: bytes) -> None:
        self._words = words
        self.came, self.left = asyncio.Event(), asyncio.Event()
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak to one client, and notice when it goes."""
        writer.write(self._words)
        self.came.set()
        with suppress(ConnectionError):
            while await reader.read(4096):
                pass
        self.left.set()
        writer.close()


@asynccontextmanager
async def silent(words: bytes) -> AsyncIterator[SilentServer]:
    """A server that greets with `words`."""
    server = SilentServer(words)
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listening:
        server.port = listening.sockets[0].getsockname()[1]
        yield server


async def never(link: JetStreamLink) -> None:
    """Use a link that never comes."""
    raise AssertionError("a server that does not answer was taken for a connection")


@pytest.mark.parametrize("words", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize("how", ["cancelled", "timed out"])
async def test_connection_that_is_given_up_on_the_way_is_closed(words: bytes, how: str) -> None:
    async with silent(words) as server, asyncio.timeout(60):
        settings = NatsSection.model_validate(
            {
                "servers": (f"nats://127.0.0.1:{server.port}",),
                "connect_timeout_s": 20 if how == "cancelled" else 1,
                "max_reconnect_s": 20,
            }
        )
        running = asyncio.create_task(JetStreamSession(settings, durable="test").run(never))
        await server.came.wait()
        if how == "cancelled":
            running.cancel()
        await server.left.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
