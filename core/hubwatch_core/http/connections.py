"""Connections to what a process serves: few of them, from each peer fewer, and none that stays.

Where a connection carries one request and ends, a single limit of time bounds a header that comes byte by byte, an
answer that is not fetched and a connection that says nothing. Where TLS is spoken a connection counts from the moment
it is accepted: a handshake costs us more than the peer, so a peer begins few of them at a time and a second.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable
from time import monotonic

from hubwatch_core.http.rate_limit import RateLimit

MOST_CONNECTIONS = 50
"""At a time; far more than scrapers need, far fewer than a process may open (1024 by default)."""
MOST_PER_PEER = 20
"""At a time from one address, behind which there may be several scrapers."""
LIFE_S = 15.0
"""Of a connection as a whole. Collecting figures takes well under a second, and scrapers give up after ten."""
HANDSHAKE_S = 5.0
SHUTDOWN_S = 1.0
MOST_ADDRESSES = 10_000
"""Addresses whose handshakes are counted by the second; beyond them the one heard longest ago begins anew."""


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
        # As many a second as may be there at a time, and twice that at once: each that is good is one of those.
        self._handshakes = RateLimit(per_peer, 2 * per_peer, MOST_ADDRESSES)
        self._arriving: set[asyncio.Task[None]] = set()

    def __call__(self) -> asyncio.Protocol:
        """Return the protocol of a new connection."""
        return _Bounded(self._make(), self)

    def over_tls(self, context: ssl.SSLContext) -> asyncio.Protocol:
        """Return the protocol of a new connection that begins with a handshake, counted before it does."""
        return _Arriving(_Bounded(self._make(), self), self, context)

    def admit_handshake(self, peer: str) -> bool:
        """Count a connection of `peer` in that begins with a handshake, if there is room for it and for one more."""
        if not self.admit(peer):
            return False
        if self._handshakes.allow(peer, monotonic()):
            return True
        self.leave(peer)
        return False

    def begin(self, handshake: asyncio.Task[None]) -> None:
        """Keep hold of a handshake until it is over."""
        self._arriving.add(handshake)
        handshake.add_done_callback(self._arriving.discard)

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


class _Arriving(asyncio.Protocol):
    """A connection that was accepted, until its handshake is over."""

    def __init__(self, bounded: _Bounded, limits: Connections, context: ssl.SSLContext) -> None:
        self._bounded, self._limits, self._context = bounded, limits, context

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()  # what comes is the handshake's
        peer = _peer_of(transport)
        if not self._limits.admit_handshake(peer):
            transport.abort()
            self._limits.refused(peer)
            return
        self._limits.begin(asyncio.get_running_loop().create_task(self._shake(transport, peer)))

    async def _shake(self, transport: asyncio.Transport, peer: str) -> None:
        made = None
        try:
            made = await asyncio.get_running_loop().start_tls(
                transport, self._bounded, self._context, server_side=True, ssl_handshake_timeout=HANDSHAKE_S,
                ssl_shutdown_timeout=SHUTDOWN_S,
            )  # fmt: skip
        except OSError:  # also what is no TLS, and a handshake that is not finished in time
            transport.abort()
        finally:
            if made is None:
                self._limits.leave(peer)
        if made is not None:
            self._bounded.arrived(made, peer)


class _Bounded(asyncio.Protocol):
    """Hands everything on to another protocol, for as long as a connection may live."""

    def __init__(self, inner: asyncio.Protocol, limits: Connections) -> None:
        self._inner, self._limits = inner, limits
        self._peer: str | None = None
        self._end: asyncio.TimerHandle | None = None
        self._early: bytes = b""
        """What came with the end of a handshake, before we are told of that."""
        self._is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        peer = _peer_of(transport)
        if not self._limits.admit(peer):
            transport.abort()
            self._limits.refused(peer)
            return
        self._begin(transport, peer)

    def arrived(self, transport: asyncio.Transport, peer: str) -> None:
        """Begin after a handshake, with a connection that is counted already."""
        if self._is_lost:
            self._limits.leave(peer)
            return
        self._begin(transport, peer)
        early, self._early = self._early, b""
        if early:
            self._inner.data_received(early)

    def _begin(self, transport: asyncio.Transport, peer: str) -> None:
        self._peer = peer
        if self._limits.life_s is not None:
            self._end = asyncio.get_running_loop().call_later(self._limits.life_s, self._cut, transport)
        self._inner.connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._is_lost = True
        if self._end is not None:
            self._end.cancel()
        if self._peer is not None:
            self._limits.leave(self._peer)
            self._inner.connection_lost(error)

    def data_received(self, data: bytes) -> None:
        if self._peer is not None:
            self._inner.data_received(data)
        else:
            self._early += data

    def eof_received(self) -> bool | None:
        return self._inner.eof_received() if self._peer is not None else None

    def pause_writing(self) -> None:
        if self._peer is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._peer is not None:
            self._inner.resume_writing()

    @staticmethod
    def _cut(transport: asyncio.Transport) -> None:
        transport.abort()


def _peer_of(transport: asyncio.Transport) -> str:
    name = transport.get_extra_info("peername")
    return str(name[0]) if name else ""
