"""The order of an edge node's messages: `seq` counts 0 to 255 over the node and all its devices. Pure."""

from __future__ import annotations

from typing import Generic, TypeVar

M = TypeVar("M")
MODULUS = 256
MAX_HELD = 50_000
"""Metrics in messages that wait for one before them; with more the gap is given up at once."""


def follows(seq: int, before: int | None) -> bool:
    """Return whether `seq` is the number after `before`."""
    return before is not None and seq == (before + 1) % MODULUS


class Sequence(Generic[M]):
    """Puts messages into order, and tells when one is missing for too long."""

    def __init__(self, reorder_us: int) -> None:
        self._reorder_us = reorder_us
        self._expected: int | None = None
        self._early: dict[int, list[M]] = {}
        self._held = 0
        self._gap_since: int | None = None

    def begin(self, seq: int) -> None:
        """Begin anew with a birth."""
        self._expected = (seq + 1) % MODULUS
        self._early.clear()
        self._held = 0
        self._gap_since = None

    def expects(self, seq: int) -> bool:
        """Return whether a message with this number may be used at once."""
        return self._expected is None or seq == self._expected

    def take(self, seq: int, message: M, t: int, size: int = 1) -> list[M]:
        """Take a message of `size` metrics that came at `t` (µs); gives what may be used now, in order."""
        if self._expected is None:
            return [message]
        if seq != self._expected:
            self._early.setdefault(seq, []).append(message)
            self._held += size
            self._gap_since = self._gap_since if self._gap_since is not None else t
            return []
        ready = [message]
        self._expected = (seq + 1) % MODULUS
        while self._expected in self._early:
            ready += self._early.pop(self._expected)
            self._expected = (self._expected + 1) % MODULUS
        if not self._early:
            self._gap_since, self._held = None, 0
        return ready

    def overdue(self, t: int) -> list[M] | None:
        """Give up a gap older than the reorder time: gives what came after it, None when there is no such gap."""
        full = self._held > MAX_HELD
        if self._gap_since is None or self._expected is None or (t - self._gap_since < self._reorder_us and not full):
            return None
        return self.give_up()

    def give_up(self) -> list[M]:
        """Return all that waits, in order, and go on after it."""
        if self._expected is None or not self._early:
            return []
        expected = self._expected
        order = sorted(self._early, key=lambda seq: (seq - expected) % MODULUS)
        ready = [each for seq in order for each in self._early[seq]]
        self.begin(order[-1])
        return ready
