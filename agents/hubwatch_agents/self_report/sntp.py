"""Asks a time server how far our clock is off (SNTP, RFC 4330), and believes only an answer to this question."""

from __future__ import annotations

import asyncio
import os
import struct
import time
from typing import NamedTuple, cast

from hubwatch_core.errors import Transient
from hubwatch_core.plain_text import one_line

EPOCH_OFFSET_S = 2_208_988_800
"""Seconds from 1900, where NTP begins, to 1970 (RFC 5905, section 6)."""
TIMEOUT_S = 1.0
_QUESTION = struct.Struct(">B39x8s")
"""Version 4, mode 3 (client), and the transmit timestamp, which the server gives back as originate timestamp."""
_ANSWER = struct.Struct(">BB10x4s8x8sQQ")
"""Flags, stratum, reference identifier, originate, receive and transmit timestamps (RFC 4330, section 4)."""
CLIENT, SERVER = 3, 4
ALARM = 3
"""Leap indicator of a server whose own clock is not synchronised."""


class NoTime(Transient):
    """The server has given no answer that may be believed; the message says why."""


class _Answer(NamedTuple):
    flags: int
    stratum: int
    reference: bytes
    originate: bytes
    received: int
    sent: int


async def offset_ms(server: str, port: int) -> float:
    """Return by how many ms our clock is ahead of the server's. Raises NoTime."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(TIMEOUT_S):
            transport, query = await loop.create_datagram_endpoint(_Query, remote_addr=(server, port))
            try:
                return await query.offset_ms
            finally:
                transport.close()
    except TimeoutError:
        raise NoTime(f"no answer within {TIMEOUT_S:g} s") from None
    except OSError as error:
        raise NoTime(one_line(error.strerror or str(error))) from None


class _Query(asyncio.DatagramProtocol):
    """One question and its answer. The socket is connected: datagrams of other addresses never come here."""

    def __init__(self) -> None:
        self.offset_ms: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._mark = os.urandom(8)
        """Random instead of our time: who cannot read the question cannot answer it (RFC 4330, section 5)."""
        self._asked = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._asked = time.time()
        cast("asyncio.DatagramTransport", transport).sendto(_QUESTION.pack(4 << 3 | CLIENT, self._mark))

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        answered = time.time()
        answer = _Answer(*_ANSWER.unpack_from(data)) if len(data) >= _ANSWER.size else None
        if self.offset_ms.done() or answer is None or answer.originate != self._mark:
            return  # no answer to this question: a forged or late one must not hide the right one
        why_not = _why_not(answer)
        if why_not is None:
            received, sent = _seconds(answer.received), _seconds(answer.sent)
            self.offset_ms.set_result(((self._asked - received) + (answered - sent)) / 2 * 1000)
        else:
            self.offset_ms.set_exception(NoTime(why_not))

    def error_received(self, exc: Exception) -> None:
        if not self.offset_ms.done():
            self.offset_ms.set_exception(NoTime(one_line(str(exc))))


def _why_not(answer: _Answer) -> str | None:
    """Return why an answer is not to be believed (RFC 4330, section 5), None when it is."""
    if answer.flags & 7 != SERVER:
        return f"the answer has mode {answer.flags & 7}, not {SERVER} (server)"
    if answer.stratum == 0:
        return f"the server refuses to give the time ({one_line(answer.reference.decode('ascii', 'replace'))})"
    if answer.stratum > 15 or answer.flags >> 6 == ALARM:
        return "the server's own clock is not synchronised"
    if answer.sent == 0 or answer.received == 0:
        return "the answer holds no time"
    return None


def _seconds(stamp: int) -> float:
    return stamp / 2**32 - EPOCH_OFFSET_S
