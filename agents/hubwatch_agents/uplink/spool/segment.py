"""One file of the spool, and beside it the file that says which of its frames need not be kept any longer."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from hubwatch_agents.uplink.spool.disk import Disk
from hubwatch_agents.uplink.spool.record import (
    Damage,
    FileHeader,
    Lane,
    Record,
    intact,
    pack_file_header,
    pack_record,
    scan,
    unpack_file_header,
)

SEGMENT = ".seg"
ACKS = ".ack"
CORRUPT = ".corrupt"
_ACK = struct.Struct("<QI")
"""Number of a frame, and the CRC-32 of its eight bytes: a damaged acknowledgement must not hide a frame."""


class SegmentGap(NamedTuple):
    """Frames that stood between two others in a file and cannot be found any more."""

    first_seq: int
    last_seq: int


class Full(Exception):
    """The disk took less than was written; nothing of it is left in the file."""


class Segment:
    """A file of frames of one epoch and one lane, in ascending order of their numbers."""

    def __init__(self, disk: Disk, number: int, header: FileHeader, size: int) -> None:
        self.number = number
        self.header = header
        self.size = size
        self.frames = 0
        self.readings = 0
        self.last_seq = header.first_seq - 1
        self._disk = disk
        self._acked: set[int] = set()
        self._fd: int | None = None
        self._ack_fd: int | None = None

    @property
    def name(self) -> str:
        """Name of the file."""
        return segment_name(self.number, self.header.lane)

    @property
    def used_bytes(self) -> int:
        """Room it takes, with its acknowledgements."""
        return self.size + _ACK.size * len(self._acked)

    @property
    def waiting(self) -> int:
        """Frames that are still to be kept."""
        return self.frames - len(self._acked)

    @classmethod
    def create(cls, disk: Disk, number: int, header: FileHeader) -> Segment:
        """Make a new file; returns when its name and head are on the medium. Raises OSError or Full."""
        segment = cls(disk, number, header, 0)
        fd = disk.open(segment.name)
        try:
            head = pack_file_header(header)
            if disk.append(fd, head) != len(head):
                raise Full
            disk.sync(fd)
            disk.sync_folder()
        except (OSError, Full):
            disk.close(fd)
            disk.unlink(segment.name)
            raise
        segment._fd, segment.size = fd, len(head)
        return segment

    @classmethod
    def load(cls, disk: Disk, name: str) -> tuple[Segment | None, list[SegmentGap], Damage | None]:
        """Read a file that is there: gives it, the holes inside it, and the damage at its end.

        None for a file whose head cannot be read: then nothing in it can be told.
        """
        data = disk.read(name)
        header = unpack_file_header(data)
        if header is None:
            return None, [], Damage(0, len(data))
        segment = cls(disk, segment_number(name), header, len(data))
        holes, damage = segment._count_all(data)
        segment._load_acks()
        return segment, holes, damage

    def append(self, seq: int, payload: bytes, readings: int, events: int) -> Record:
        """Write a frame. Raises OSError or Full, and then the file is as it was."""
        data = pack_record(seq, payload, readings, events)
        fd = self.open()
        try:
            if self._disk.append(fd, data) != len(data):
                raise Full
        except (OSError, Full):
            self._disk.truncate(self.name, self.size)
            raise
        offset = self.size + len(data) - len(payload)
        self.size += len(data)
        record = Record(seq, offset, len(payload), readings, events, 0)
        self._count(record)
        return record

    def open(self) -> int:
        """Return the descriptor for writing."""
        if self._fd is None:
            self._fd = self._disk.open(self.name)
        return self._fd

    def close(self) -> None:
        """Close what is open."""
        for fd in (self._fd, self._ack_fd):
            if fd is not None:
                self._disk.close(fd)
        self._fd = self._ack_fd = None

    def sync(self) -> None:
        """Return when everything written is on the medium."""
        if self._fd is not None:
            self._disk.sync(self._fd)

    def ack(self, seq: int) -> None:
        """Note that a frame need not be kept. Not synced: a frame sent twice is harmless."""
        if seq in self._acked:
            return
        self._acked.add(seq)
        try:
            self._write_ack(seq)
        except OSError:
            return  # at worst the frame is sent again after a restart, and the ledger drops the second one

    def records(self) -> Iterator[tuple[Record, bytes | None]]:
        """Walk the frames that are still to be kept, with their payload; None where it is damaged."""
        data = self._disk.read(self.name)
        for item in scan(data):
            if isinstance(item, Record) and item.seq not in self._acked:
                yield item, data[item.offset : item.end] if intact(data, item) else None

    def holds(self, seq: int) -> bool:
        """Return whether a frame stands in this file whole, or was released."""
        return seq in self._acked or any(record.seq == seq and payload for record, payload in self.records())

    def remove(self) -> None:
        """Remove the file and its acknowledgements."""
        self.close()
        self._disk.unlink(self.name)
        if self._ack_name in self._disk.names():
            self._disk.unlink(self._ack_name)

    def set_aside(self) -> str:
        """Keep the file under a second name for whoever looks into the damage; gives that name."""
        aside = self.name + CORRUPT
        if aside not in self._disk.names():
            self._disk.link(self.name, aside)
        return aside

    @property
    def _ack_name(self) -> str:
        return self.name.removesuffix(SEGMENT) + ACKS

    def _write_ack(self, seq: int) -> None:
        if self._ack_fd is None:
            self._ack_fd = self._disk.open(self._ack_name)
        self._disk.append(self._ack_fd, _ACK.pack(seq, _sum_of(seq)))

    def _count_all(self, data: bytes) -> tuple[list[SegmentGap], Damage | None]:
        holes: list[SegmentGap] = []
        damage: Damage | None = None
        for item in scan(data):
            if isinstance(item, Damage):
                damage = item
                continue
            if damage is not None:
                holes.append(SegmentGap(self.last_seq + 1, item.seq - 1))
                damage = None
            self._count(item)
        return holes, damage

    def _count(self, record: Record) -> None:
        self.frames += 1
        self.readings += record.readings
        self.last_seq = max(self.last_seq, record.seq)

    def _load_acks(self) -> None:
        if self._ack_name not in self._disk.names():
            return
        data = self._disk.read(self._ack_name)
        whole = len(data) - len(data) % _ACK.size
        known = {seq for seq, crc in _ACK.iter_unpack(data[:whole]) if crc == _sum_of(seq)}
        self._acked = {seq for seq in known if self.header.first_seq <= seq <= self.last_seq}
        if whole != len(data):
            self._disk.truncate(self._ack_name, whole)


def _sum_of(seq: int) -> int:
    return zlib.crc32(seq.to_bytes(8, "little"))


def segment_name(number: int, lane: Lane) -> str:
    """Return the name of a file; names sort by age."""
    return f"{number:012d}.{lane}{SEGMENT}"


def segment_number(name: str) -> int:
    """Return the number in a file's name."""
    return int(name.split(".", 1)[0])
