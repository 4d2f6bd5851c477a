"""Frames a broker has taken but may lose yet: they stay on disk a while, and go out again when the link breaks.

A broker confirms a message when it has it in memory. Mosquitto writes its memory to the disk now and then
(autosave_interval, 5 s in ops/mosquitto): killed in between, it has lost frames it had confirmed. So a frame is settled
once the same link has shown, `seconds` after its confirmation, that the broker still lives. Sending frames again is
harmless, for the ledger knows each.
"""

from __future__ import annotations

from collections import deque
from time import monotonic

from hubwatch_agents.spool.spool import Entry, Spool


class Settling:
    """Holds frames from their confirmation until they are settled; the spool keeps them as long."""

    def __init__(self, spool: Spool, seconds: float) -> None:
        self._spool = spool
        self._seconds = seconds
        self._taken: deque[tuple[float, Entry]] = deque()

    def __len__(self) -> int:
        """Give how many frames are confirmed and not settled."""
        return len(self._taken)

    @property
    def newest(self) -> float:
        """When the last frame that is not settled was confirmed (monotonic seconds); 0 when there is none."""
        return self._taken[-1][0] if self._taken else 0.0

    def taken(self, entry: Entry) -> None:
        """Note that the broker has confirmed a frame. What is in it stays on disk only."""
        self._spool.lease(entry)
        self._taken.append((monotonic(), entry._replace(payload=b"")))

    def settle(self, alive: float) -> None:
        """Let the spool forget what had been confirmed long enough when the broker was there (monotonic seconds)."""
        while self._taken and self._taken[0][0] <= alive - self._seconds:
            self._spool.ack(self._taken.popleft()[1])

    def settle_all(self) -> None:
        """Let the spool forget everything: the link is being left in order, with the broker alive."""
        while self._taken:
            self._spool.ack(self._taken.popleft()[1])

    def doubt(self) -> None:
        """Give everything back to the spool's backlog: nobody knows what became of it."""
        while self._taken:
            self._spool.release(self._taken.popleft()[1])
