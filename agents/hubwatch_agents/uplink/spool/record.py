"""The bytes of a spool file: a file header, then records. Pure.

File header, 48 bytes: magic `HWS1`, epoch (26), lane (1), zero (1), number of the first frame (8), zero (4), CRC-32
(4).
Record header, 32 bytes: magic `HWR1`, payload length (4), frame number (8), readings (4), events (4), CRC-32 of the
payload (4), CRC-32 of the 28 bytes before (4). All numbers are little-endian. Header and payload have sums of their
own, so that a damaged payload costs one frame and a damaged header is found again at the next magic.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

FILE_MAGIC = b"HWS1"
RECORD_MAGIC = b"HWR1"
_FILE = struct.Struct("<4s26scxQ4x")
_RECORD = struct.Struct("<4sIQIII")
_SUM = struct.Struct("<I")
FILE_HEADER_BYTES = _FILE.size + _SUM.size
RECORD_HEADER_BYTES = _RECORD.size + _SUM.size
MAX_PAYLOAD_BYTES = 1 << 20
"""Longer is no record of ours: a frame has at most 256 KiB."""


class Lane(StrEnum):
    """What a file holds; when space runs out, bulk goes before events."""

    BULK = "b"
    EVENT = "e"


class FileHeader(NamedTuple):
    """Head of a spool file."""

    epoch: str
    lane: Lane
    first_seq: int


class Record(NamedTuple):
    """One frame in a file: where its payload stands and what it holds."""

    seq: int
    offset: int
    length: int
    readings: int
    events: int
    crc: int

    @property
    def end(self) -> int:
        """Offset behind the payload."""
        return self.offset + self.length


class Damage(NamedTuple):
    """Bytes that are no record: from `start`, up to the next good record or the end of the file."""

    start: int
    end: int


def pack_file_header(header: FileHeader) -> bytes:
    """Return the first bytes of a file."""
    head = _FILE.pack(FILE_MAGIC, header.epoch.encode(), header.lane.encode(), header.first_seq)
    return head + _SUM.pack(zlib.crc32(head))


def unpack_file_header(data: bytes) -> FileHeader | None:
    """Read the first bytes of a file, None when they are no header."""
    if len(data) < FILE_HEADER_BYTES:
        return None
    head = data[: _FILE.size]
    if _SUM.unpack_from(data, _FILE.size)[0] != zlib.crc32(head):
        return None
    magic, epoch, lane, first_seq = _FILE.unpack(head)
    return FileHeader(epoch.decode(), Lane(lane.decode()), first_seq) if magic == FILE_MAGIC else None


def pack_record(seq: int, payload: bytes, readings: int, events: int) -> bytes:
    """Return the bytes of one record."""
    head = _RECORD.pack(RECORD_MAGIC, len(payload), seq, readings, events, zlib.crc32(payload))
    return b"".join((head, _SUM.pack(zlib.crc32(head)), payload))


def scan(data: bytes) -> Iterator[Record | Damage]:
    """Walk the records of a file by their headers, telling what is damaged in between; `intact` checks a payload."""
    position = FILE_HEADER_BYTES
    while position < len(data):
        record = _record_at(data, position)
        if record is not None:
            yield record
            position = record.end
            continue
        after = _next_record(data, position + 1)
        yield Damage(position, after)
        position = after


def intact(data: bytes, record: Record) -> bool:
    """Return whether the payload of a record is as it was written."""
    return zlib.crc32(data[record.offset : record.end]) == record.crc


def _record_at(data: bytes, position: int) -> Record | None:
    if position + RECORD_HEADER_BYTES > len(data):
        return None
    magic, length, seq, readings, events, crc = _RECORD.unpack_from(data, position)
    if magic != RECORD_MAGIC or length > MAX_PAYLOAD_BYTES:
        return None
    total = _SUM.unpack_from(data, position + _RECORD.size)[0]
    if total != zlib.crc32(data[position : position + _RECORD.size]):
        return None
    record = Record(seq, position + RECORD_HEADER_BYTES, length, readings, events, crc)
    return record if record.end <= len(data) else None


def _next_record(data: bytes, position: int) -> int:
    """Find the next good record header from `position`; the end of the data when there is none."""
    while (found := data.find(RECORD_MAGIC, position)) >= 0:
        if _record_at(data, found) is not None:
            return found
        position = found + 1
    return len(data)
