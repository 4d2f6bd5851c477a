"""A responder's system that takes webhooks over a real socket and keeps what came."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass(frozen=True)
class Delivery:
    """One request as it came."""

    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """Where it listens, and what has come."""

    url: str = ""
    deliveries: list[Delivery] = field(default_factory=list)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """Listen on a free loopback port inside the context."""
    receiver = Receiver()

    async def take(request: web.Request) -> web.Response:
        receiver.deliveries.append(Delivery(dict(request.headers), await request.read()))
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/alarms", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/alarms"
        yield receiver
    finally:
        await runner.cleanup()
