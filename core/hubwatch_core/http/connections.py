"""Connections to what a process serves: few of them, from each peer fewer, and none that stays.

Where a connection carries one request and ends, a single limit of time bounds a header that comes byte by byte, an
answer that is not fetched and a connection that says nothing. Where TLS is spoken a connection counts from the moment
it is accepted: a handshake costs us more than the peer, so a peer begins few of them at a time and a second. Handshakes
that do not end keep nobody out: where there is no room for a newcomer, the oldest of whoever has most of them ends.
A crowd of as many networks as there are places is not held off by that: while it lasts nobody has more than it, and an
honest handshake may be ended before it is through.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable
from ipaddress import IPv6Address, IPv6Network, ip_address
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
        self._arriving: dict[_Arriving, str] = {}
        """Connections whose handshake is not over, the oldest first, with their peers."""
        self._handshaking: Counter[str] = Counter()

    def __call__(self) -> asyncio.Protocol:
        """Return the protocol of a new connection."""
        return _Bounded(self._make(), self)

    def over_tls(self, context: ssl.SSLContext) -> asyncio.Protocol:
        """Return the protocol of a new connection that begins with a handshake, counted before it does."""
        return _Arriving(_Bounded(self._make(), self), self, context)

    def admit_handshake(self, peer: str) -> bool:
        """Count a connection of `peer` in that begins with a handshake, if there is room for it or can be made."""
        if self._by_peer.get(peer, 0) >= self._per_peer or not self._handshakes.allow(peer, monotonic()):
            return False
        if self._is_full() and not self._make_room(peer):
            return False
        return self.admit(peer)

    def begin(self, arriving: _Arriving, peer: str) -> None:
        """Keep hold of a handshake until it is over."""
        self._arriving[arriving] = peer
        self._handshaking[peer] += 1

    def end(self, arriving: _Arriving) -> bool:
        """Let go of a handshake; False where that was done already, to make room for another."""
        peer = self._arriving.pop(arriving, None)
        if peer is not None:
            self._handshaking[peer] -= 1
            if not self._handshaking[peer]:
                del self._handshaking[peer]
        return peer is not None

    def admit(self, peer: str) -> bool:
        """Count a connection of `peer` in, if there is room for it."""
        if self._is_full() or self._by_peer.get(peer, 0) >= self._per_peer:
            return False
        self._by_peer[peer] += 1
        return True

    def _is_full(self) -> bool:
        return self._by_peer.total() >= self._most

    def _make_room(self, newcomer: str) -> bool:
        """End the oldest handshake of the peer that has most of them, where that is more than the newcomer has.

        Who is honest is through within milliseconds, and is the oldest of those who have most only where so many others
        have come meanwhile.
        """
        most = max(self._handshaking.values(), default=0)
        if most <= self._handshaking.get(newcomer, 0):
            return False
        oldest, peer = next(each for each in self._arriving.items() if self._handshaking[each[1]] == most)
        self.end(oldest)
        self.leave(peer)
        self.refused(peer)
        oldest.give_up()
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
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.pause_reading()  # what comes is the handshake's
        peer = _peer_of(transport)
        if not self._limits.admit_handshake(peer):
            transport.abort()
            self._limits.refused(peer)
            return
        self._limits.begin(self, peer)
        self._task = asyncio.get_running_loop().create_task(self._shake(transport, peer))

    def give_up(self) -> None:
        """End the handshake: its room is another's."""
        assert self._task is not None, "a handshake that is counted has begun"
        assert self._transport is not None, "and has a connection"
        # A task that is cancelled before its first step runs nothing of it, its `finally` neither.
        self._transport.abort()
        self._task.cancel()

    async def _shake(self, transport: asyncio.Transport, peer: str) -> None:
        made = None
        try:
            made = await asyncio.get_running_loop().start_tls(
                transport, self._bounded, self._context, server_side=True, ssl_handshake_timeout=HANDSHAKE_S,
                ssl_shutdown_timeout=SHUTDOWN_S,
            )  # fmt: skip
        except OSError:  # also what is no TLS, and a handshake that is not finished in time
            pass
        finally:
            is_counted = self._limits.end(self)
            if made is None:
                transport.abort()
                if is_counted:
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
    return peer_named(str(name[0])) if name else ""


def peer_named(address: str) -> str:
    """Return who is counted under an address: of IPv6 the network of 64 bits, in which one machine may have any."""
    try:
        known = ip_address(address)
    except ValueError:
        return address
    if not isinstance(known, IPv6Address):
        return address
    if known.ipv4_mapped is not None:
        return str(known.ipv4_mapped)
    if known.is_link_local or known.is_loopback:
        return address
    return str(IPv6Network((int(known), 64), strict=False))
