"""Connections to what a process serves: few of them, from each peer fewer, and none that stays.

Where a connection carries one request and ends, a single limit of time bounds a header that comes byte by byte, an
answer that is not fetched and a connection that says nothing.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

MOST_CONNECTIONS = 50
"""At a time; far more than scrapers need, far fewer than a process may open (1024 by default)."""
MOST_PER_PEER = 20
"""At a time from one address, behind which there may be several scrapers."""
LIFE_S = 15.0
"""Of a connection as a whole. Collecting figures takes well under a second, and scrapers give up after ten."""


MakeProtocol = Callable[[], asyncio.Protocol]


class Connections:
    """Makes the protocol of each connection, or one that ends it at once."""

    def __init__(
        self,
        make: MakeProtocol,
        *,
        life_s: float | None = LIFE_S,
        most: int = MOST_CONNECTIONS,
        per_peer: int = MOST_PER_PEER,
        refused: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Let `most` connections be there at a time, of one address `per_peer`, each for `life_s` (None: as its
        protocol wants). `refused` is told the address of each that is too much.
        """
        self._make, self.life_s, self.refused = make, life_s, refused
        self._most, self._per_peer = most, per_peer
        self._by_peer: Counter[str] = Counter()

    def __call__(self) -> asyncio.Protocol:
        """Return the protocol of a new connection."""
        return _Bounded(self._make(), self)

    def admit(self, peer: str) -> bool:
        """Count a connection of `peer` in, if there is room for it."""
        if self._by_peer.total() >= self._most or self._by_peer.get(peer, 0) >= self._per_peer:
            return False
        self._by_peer[peer] += 1
        return True

    def leave(self, peer: str) -> None:
        """Count a connection of `peer` out."""
        self._by_peer[peer] -= 1
        if not self._by_peer[peer]:
            del self._by_peer[peer]


class _Bounded(asyncio.Protocol):
    """Hands everything on to another protocol, for as long as a connection may live."""

    def __init__(self, inner: asyncio.Protocol, limits: Connections) -> None:
        self._inner, self._limits = inner, limits
        self._peer: str | None = None
        self._end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        name = transport.get_extra_info("peername")
        peer = str(name[0]) if name else ""
        if not self._limits.admit(peer):
            transport.abort()
            self._limits.refused(peer)
            return
        self._peer = peer
        if self._limits.life_s is not None:
            self._end = asyncio.get_running_loop().call_later(self._limits.life_s, self._cut, transport)
        self._inner.connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self._end is not None:
            self._end.cancel()
        if self._peer is not None:
            self._limits.leave(self._peer)
            self._inner.connection_lost(error)

    def data_received(self, data: bytes) -> None:
        if self._peer is not None:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received() if self._peer is not None else None

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    @staticmethod
    def _cut(transport: asyncio.Transport) -> None:
        transport.abort()
