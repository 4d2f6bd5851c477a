"""What waits for a patient detector: chunks that are given to it as one.

Only what goes on in time is joined. Whatever lies before what waits, or is of another inventory, begins anew, so that
the detector meets it in the order in which it came.
"""

from __future__ import annotations

from hubwatch_detectors.chunk import Chunk, joined

MOST_CHUNKS = 256
"""More are not gathered, however short they are: what waits is memory."""


class Waiting:
    """Chunks of one sensor."""

    __slots__ = ("_chunks", "first", "last")

    def __init__(self, chunk: Chunk) -> None:
        self._chunks = [chunk]
        self.first, self.last = chunk.first, chunk.last
        """The earliest and the latest of what waits (µs)."""

    def goes_on_with(self, chunk: Chunk) -> bool:
        """Return whether a chunk may be joined to what waits."""
        return (
            chunk.first > self.last
            and chunk.sensor is self._chunks[0].sensor
            and chunk.agent == self._chunks[0].agent
            and len(self._chunks) < MOST_CHUNKS
        )

    def add(self, chunk: Chunk) -> None:
        """Put a chunk to what waits."""
        self._chunks.append(chunk)
        self.last = chunk.last

    def all(self) -> Chunk:
        """Return what waits as one chunk."""
        return joined(self._chunks)
