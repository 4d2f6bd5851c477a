"""What waits for detectors: chunks of a sensor that are given to them as one.

One call for many readings costs a fraction of many calls. Detectors that are patient alike share what waits. For those
that are not, chunks wait only while more has come than was judged, and go on to the more patient ones from there. Only
what goes on in time is joined. Whatever lies before what waits, or is of another inventory, begins anew, so that a
detector meets it in the order in which it came.
"""

from __future__ import annotations

from typing import Any, Protocol

from hubwatch_detectors.chunk import Chunk, joined
from hubwatch_detectors.contract import NEVER, Finding, Spec

MOST_CHUNKS = 256
"""More are not gathered, however short they are: what waits is memory."""


class Patient(Protocol):
    """An instance that chunks wait for."""

    spec: Spec[Any]
    waiting: Waiting | None

    def update(self, chunk: Chunk) -> list[Finding]:
        """Let the detector take what a sensor said, now."""


class Waiting:
    """Chunks of one sensor, and the instances that they wait for."""

    __slots__ = ("_after", "_before", "_chunks", "_instances", "_last", "_patience_us", "due")

    def __init__(self, patience_us: int, before: Waiting | None = None) -> None:
        """Begin with nothing; what waits `before` it comes here then."""
        self._patience_us = patience_us
        self._before, self._after = before, list[Waiting]()
        if before is not None:
            before._after.append(self)
        self._chunks: list[Chunk] = []
        self._instances: dict[str, Patient] = {}
        """By detector."""
        self._last = 0
        """The latest of what waits (µs)."""
        self.due = NEVER
        """When what waits is to be given at the latest (µs, event time)."""

    def join(self, instance: Patient) -> None:
        """Let an instance be given what waits; it takes the place of the one of the same detector."""
        self._instances[instance.spec.name] = instance
        instance.waiting = self

    def feed(self, instance: Patient) -> None:
        """Give what waits to an instance of a whole hub, too, which hears of other sensors beside."""
        self._instances[instance.spec.name] = instance

    def give(self, chunk: Chunk, more_us: int = 0) -> list[Finding]:
        """Take what a sensor said, and give all of it to the detectors when it is time, or `more_us` after that."""
        found = self._judge() if self._chunks and not self._goes_on_with(chunk) else []
        if not self._chunks:
            self.due = chunk.first + self._patience_us + more_us
        self._chunks.append(chunk)
        self._last = chunk.last
        return found + self._judge() if chunk.last >= self.due else found

    def flush(self) -> list[Finding]:
        """Give the detectors what waits, here and before it."""
        found = self._before.flush() if self._before is not None else []
        return found + self._judge() if self._chunks else found

    def _judge(self) -> list[Finding]:
        chunk, self._chunks, self.due = joined(self._chunks), [], NEVER
        found: list[Finding] = []
        for instance in self._instances.values():
            # Agents may share a sensor, each with channels of its own.
            if instance.spec.watches(chunk.sensor):
                found += instance.update(chunk)
        for each in self._after:
            found += each.give(chunk)
        return found

    def _goes_on_with(self, chunk: Chunk) -> bool:
        """Return whether a chunk may be joined to what waits."""
        newest = self._chunks[-1]
        return (
            chunk.first > self._last
            and chunk.sensor is newest.sensor
            and chunk.agent == newest.agent
            and len(self._chunks) < MOST_CHUNKS
        )
