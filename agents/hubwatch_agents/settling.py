"""Frames a broker has taken but may lose yet: they stay on disk a while, and go out again when the link breaks.

A broker confirms a message when it has it in memory. Mosquitto writes its memory to the disk now and then
(autosave_interval, 5 s in ops/mosquitto): killed in between, it has lost frames it had confirmed. Sending them again
is harmless, for the ledger knows each frame.
"""

from __future__ import annotations

import asyncio
from collections import deque
from time import monotonic

from hubwatch_agents.spool.spool import Entry, Spool

LOOK_EVERY_S = 0.5


class Settling:
    """Holds frames from their confirmation until `seconds` later; the spool keeps them as long."""

    def __init__(self, spool: Spool, seconds: float) -> None:
        self._spool = spool
        self._seconds = seconds
        self._taken: deque[tuple[float, Entry]] = deque()

    def __len__(self) -> int:
        """Give how many frames are confirmed and not settled."""
        return len(self._taken)

    def taken(self, entry: Entry) -> None:
        """Note that the broker has confirmed a frame."""
        self._spool.lease(entry)
        self._taken.append((monotonic(), entry))
        self.settle()

    def settle(self) -> None:
        """Let the spool forget what was confirmed long enough ago."""
        oldest = monotonic() - self._seconds
        while self._taken and self._taken[0][0] <= oldest:
            self._spool.ack(self._taken.popleft()[1])

    def settle_all(self) -> None:
        """Let the spool forget everything: the link is being left in order, with the broker alive."""
        while self._taken:
            self._spool.ack(self._taken.popleft()[1])

    def doubt(self) -> None:
        """Give everything back to the spool's backlog: nobody knows what became of the broker."""
        while self._taken:
            self._spool.release(self._taken.popleft()[1])

    async def settle_for_ever(self) -> None:
        """Settle while frames are few, too."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self.settle()
