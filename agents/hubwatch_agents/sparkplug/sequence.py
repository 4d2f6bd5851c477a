"""The order of an edge node's messages: `seq` counts 0 to 255 over the node and all its devices. Pure."""

from __future__ import annotations

from typing import Generic, TypeVar

M = TypeVar("M")
MODULUS = 256


class Sequence(Generic[M]):
    """Puts messages into order, and tells when one is missing for too long."""

    def __init__(self, reorder_us: int) -> None:
        self._reorder_us = reorder_us
        self._expected: int | None = None
        self._early: dict[int, M] = {}
        self._gap_since: int | None = None

    def begin(self, seq: int) -> None:
        """Begin anew with a birth."""
        self._expected = (seq + 1) % MODULUS
        self._early.clear()
        self._gap_since = None

    def take(self, seq: int, message: M, t: int) -> list[M]:
        """Take a message that came at `t` (µs); gives what may be used now, in order."""
        if self._expected is None:
            return [message]
        if seq != self._expected:
            self._early[seq] = message
            self._gap_since = self._gap_since if self._gap_since is not None else t
            return []
        ready = [message]
        self._expected = (seq + 1) % MODULUS
        while self._expected in self._early:
            ready.append(self._early.pop(self._expected))
            self._expected = (self._expected + 1) % MODULUS
        if not self._early:
            self._gap_since = None
        return ready

    def overdue(self, t: int) -> list[M] | None:
        """Give up a gap older than the reorder time: gives what came after it, None when there is no such gap."""
        if self._gap_since is None or t - self._gap_since < self._reorder_us or self._expected is None:
            return None
        expected = self._expected
        order = sorted(self._early, key=lambda seq: (seq - expected) % MODULUS)
        ready = [self._early[seq] for seq in order]
        self.begin(order[-1])
        return ready
