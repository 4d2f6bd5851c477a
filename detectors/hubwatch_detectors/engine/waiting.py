"""What waits for detectors: chunks of a sensor that are given to them as one.

One call for many readings costs a fraction of many calls. Detectors that are patient alike share what waits. For those
that are not, chunks wait only while more has come than was judged, and go on to the more patient ones from there. Only
what goes on in time is joined. Whatever lies before what waits, or is of another inventory, begins anew, so that a
detector meets it in the order in which it came.
"""

from __future__ import annotations

from typing import Any, Protocol

from hubwatch_core.wire import Sensor
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

    __slots__ = ("_after", "_before", "_chunks", "_instances", "_last", "_patience_us", "_watching", "due", "has_given")

    def __init__(self, patience_us: int, before: Waiting | None = None) -> None:
        """Begin with nothing; what waits `before` it comes here then."""
        self._patience_us = patience_us
        self._before, self._after = before, list[Waiting]()
        if before is not None:
            before._after.append(self)
        self._chunks: list[Chunk] = []
        self._instances: dict[str, Patient] = {}
        """By detector."""
        self._watching: tuple[Sensor, list[Patient]] | None = None
        """Those of them that watch the sensor, by its entry that was met last."""
        self._last = 0
        """The latest of what waits (µs)."""
        self.due = NEVER
        """When what waits is to be given at the latest (µs, event time)."""
        self.has_given = False

    def join(self, instance: Patient) -> None:
        """Let an instance be given what waits; it takes the place of the one of the same detector."""
        self._instances[instance.spec.name], self._watching = instance, None
        instance.waiting = self

    @classmethod
    def of_one(cls, instance: Patient) -> Waiting:
        """Return what waits of one sensor for an instance of the whole hub, which has others too."""
        waiting = cls(0)
        waiting._instances[instance.spec.name] = instance
        return waiting

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
        chunk, self._chunks, self.due, self.has_given = joined(self._chunks), [], NEVER, True
        if self._watching is None or self._watching[0] is not chunk.sensor:
            # Agents may share a sensor, each with channels of its own.
            watching = [each for each in self._instances.values() if each.spec.watches(chunk.sensor)]
            self._watching = chunk.sensor, watching
        found: list[Finding] = []
        for instance in self._watching[1]:
            if news := instance.update(chunk):
                found += news
        for each in self._after:
            if news := each.give(chunk):
                found += news
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
