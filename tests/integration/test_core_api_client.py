"""The client of the API against a server: answers that come in pieces, and those that are no answers of an API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from hubwatch_core.errors import Permanent, Transient
from hubwatch_core.http.api_client import MOST_ANSWER_BYTES, ApiClient
from support.ports import free_port

PIECE = 64 << 10


@asynccontextmanager
async def answering(pieces: int, kind: str = "application/json") -> AsyncIterator[ApiClient]:
    """Serve a text of JSON in so many pieces."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": kind})
        await response.prepare(request)
        try:
            await response.write(b'"')
            for _ in range(pieces):
                await response.write(b"x" * PIECE)
            await response.write(b'"')
        except ConnectionError:  # whoever asked has heard enough
            pass
        return response

    app = web.Application()
    app.router.add_get("/api/v1/long", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        yield ApiClient(f"http://127.0.0.1:{port}", "token")
    finally:
        await runner.cleanup()


async def test_answer_that_comes_in_pieces_is_whole() -> None:
    async with answering(10) as client:
        assert await client.ask("GET", "/long") == "x" * (10 * PIECE)


async def test_answer_that_does_not_end_is_refused() -> None:
    async with answering(MOST_ANSWER_BYTES // PIECE + 1) as client:
        with pytest.raises(Permanent, match="more than 16 MiB"):
            await client.ask("GET", "/long")


async def test_something_else_that_answers_is_told() -> None:
    async with answering(0, "text/html") as client:
        with pytest.raises(Permanent, match="no API of hubwatch: it answered 404"):
            await client.ask("GET", "/short")


async def test_nobody_there_may_be_tried_again() -> None:
    with pytest.raises(Transient, match="does not answer"):
        await ApiClient(f"http://127.0.0.1:{free_port()}").ask("GET", "/me")
