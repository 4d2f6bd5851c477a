"""Batches of a chosen size, and what is in a spool that keeps them."""

from __future__ import annotations

import re

from hubwatch_agents.uplink.frame_writer import FrameWriter, declared_in
from hubwatch_agents.uplink.frames import Batch
from hubwatch_agents.uplink.spool.disk import Disk
from hubwatch_agents.uplink.spool.loss import Loss
from hubwatch_agents.uplink.spool.record import Lane
from hubwatch_agents.uplink.spool.spool import Spool, SpoolEntry
from hubwatch_core import wire

T = 1_795_284_000_000_000
READINGS = 5
_TEXT = re.compile(rb"<(.*?)\.*>")


def batch(lane: Lane, text: str, size: int = 0) -> Batch:
    """Return a batch that goes into that lane; its frame is some 200 bytes longer than `size`."""
    filled = f"<{text}{'.' * size}>"
    if lane is Lane.EVENT:
        return Batch([], [wire.Event(sensor="s", t=T, type="test", attrs={"text": filled})], 0, late=False)
    series = wire.Series(sensor=filled, channel="c", t0=T, dt=list(range(READINGS)), x=[1.0] * READINGS)
    return Batch([series], [], READINGS, late=False)


def text_of(payload: bytes) -> str:
    """Return what `batch` was given; "declared" for a frame that declares losses."""
    found = _TEXT.search(payload)
    return found.group(1).decode() if found is not None else "declared"


class WrittenSpool:
    """A spool with the writer that fills it; `again` opens the folder anew, as the next life of an agent does."""

    def __init__(self, disk: Disk, *, max_bytes: int, segment_bytes: int = 1 << 16) -> None:
        self.spool = Spool(disk, max_bytes=max_bytes, segment_bytes=segment_bytes)
        self.writer = FrameWriter("h", "box", self.spool)

    def put(self, text: str, lane: Lane = Lane.BULK, size: int = 0) -> int:
        """Keep a frame; return its number."""
        return self.writer.write(batch(lane, text, size)).number.seq

    def entries(self) -> list[SpoolEntry]:
        """Return what is kept, events first, as it is read: damaged frames are noted and left out."""
        found = []
        for segment in self.spool.segments():
            read = list(self.spool.read(segment))
            damaged = [entry for entry in read if entry.payload is None]
            if damaged:
                self.writer.lose_damaged(segment, damaged)
            found += [entry for entry in read if entry.payload is not None]
        return found

    def waiting(self) -> list[tuple[int, str]]:
        """Return number and text of what is kept."""
        return [(entry.number.seq, text_of(entry.payload or b"")) for entry in self.entries()]

    def declared(self) -> list[Loss]:
        """Return the losses that frames in the spool declare."""
        return [loss for entry in self.entries() for loss in declared_in(entry.payload or b"")]

    def release(self, entry: SpoolEntry) -> None:
        """Keep a frame no longer."""
        self.writer.stored(entry.number)
        self.spool.release(entry.segment, entry.number.seq)

    def close(self) -> None:
        """Close it in order."""
        self.writer.close()
        self.spool.close()
