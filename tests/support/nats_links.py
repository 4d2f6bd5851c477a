"""A NATS cluster of three whose servers reach one another through proxies only, so that a test can cut them apart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from support.own_nats import OwnNats
from support.ports import free_port
from support.proxy import Proxy

Pair = frozenset[str]


@dataclass(frozen=True)
class LinkedCluster:
    """Three servers, and the link between each two of them."""

    members: list[OwnNats]
    links: dict[Pair, Proxy]

    def link(self, one: str, other: str) -> Proxy:
        """Return the link between two servers, by their names."""
        return self.links[frozenset((one, other))]

    def named(self, name: str) -> OwnNats:
        """Return a server by its name."""
        return next(each for each in self.members if each.name == name)


@asynccontextmanager
async def linked_cluster(folder: Path) -> AsyncIterator[LinkedCluster]:
    """Start three servers. Each dials those before it, and none tells anybody an address that can be reached."""
    members = [OwnNats(f"nats-{number}", folder / f"nats-{number}") for number in range(3)]
    links: dict[Pair, Proxy] = {}
    async with AsyncExitStack() as stack:
        for place, member in enumerate(members):
            ports = []
            for earlier in members[:place]:
                proxy = await stack.enter_async_context(Proxy("127.0.0.1", earlier.route_port))
                links[frozenset((member.name, earlier.name))] = proxy
                ports.append(proxy.address[1])
            member.configure(members, ports or [free_port()], advertise=free_port())  # a member must dial somebody
        try:
            for member in members:
                member.start()
            for member in members:
                await asyncio.to_thread(member.await_healthy)
            yield LinkedCluster(members, links)
        finally:
            for member in members:
                member.kill()
