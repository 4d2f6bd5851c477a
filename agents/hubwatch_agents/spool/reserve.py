"""Room set aside for losses that find none to be declared: a file of fixed size, made while there is room.

On a full disk a file of frames goes, and often there is no room for the frame that says so. The ranges are written
here instead, over what stood there, which takes no room; they are declared when there is some. Two slots are written in
turns, each with a number and a CRC, so that a torn write leaves the one before.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Sequence

from hubwatch_agents.spool.disk import Disk
from hubwatch_agents.spool.loss import MAX_RANGES, Loss

NAME = "losses"
SLOT_BYTES = 16 << 10
"""A range takes at most some 150 bytes, and there are at most 50."""
RESERVE_BYTES = 2 * SLOT_BYTES
_HEAD = struct.Struct("<QII")
"""Number of the write, length of the JSON behind it, CRC-32 of both and the JSON."""


class Reserve:
    """Remembers losses over a restart, on however full a disk."""

    def __init__(self, disk: Disk) -> None:
        """Read what the file holds; make it where it is not there and there is room for it."""
        self._disk = disk
        self._number = 0
        self.losses: list[Loss] = []
        """What is remembered."""
        self._ready = NAME in disk.names() and disk.size(NAME) >= RESERVE_BYTES
        if self._ready:
            self._read()
        else:
            self._make()

    @property
    def used_bytes(self) -> int:
        """Room it takes."""
        return RESERVE_BYTES if self._ready else 0

    def remember(self, losses: Sequence[Loss]) -> bool:
        """Hold these losses instead of what was held; returns when they are on the medium, False when they cannot be.

        The order of writes decides what a crash leaves: either all of these losses or all of those before.
        """
        if list(losses) == self.losses:
            return True
        text = json.dumps(losses).encode()
        if not self._ready:
            self._make()
        if not self._ready or len(losses) > MAX_RANGES or _HEAD.size + len(text) > SLOT_BYTES:
            return False
        number = self._number + 1
        slot = _HEAD.pack(number, len(text), _sum(number, text)) + text
        try:
            self._disk.overwrite(NAME, number % 2 * SLOT_BYTES, slot)
        except OSError:
            return False
        self._number, self.losses = number, list(losses)
        return True

    def _make(self) -> None:
        """Make the file, if there is room for all of it."""
        if NAME in self._disk.names():
            self._disk.unlink(NAME)  # half of one, made as a machine went down
        try:
            self._ready = self._fill()
        except OSError:
            self._ready = False
        if not self._ready and NAME in self._disk.names():
            self._disk.unlink(NAME)

    def _fill(self) -> bool:
        fd = self._disk.open(NAME)
        try:
            if self._disk.append(fd, bytes(RESERVE_BYTES)) < RESERVE_BYTES:
                return False
            self._disk.sync(fd)
            self._disk.sync_folder()
        finally:
            self._disk.close(fd)
        return True

    def _read(self) -> None:
        data = self._disk.read(NAME)
        for slot in (data[:SLOT_BYTES], data[SLOT_BYTES:RESERVE_BYTES]):
            number, length, crc = _HEAD.unpack_from(slot)
            text = slot[_HEAD.size : _HEAD.size + length]
            if number > self._number and crc == _sum(number, text):
                self._number = number
                self.losses = [Loss(*each) for each in json.loads(text)]


def _sum(number: int, text: bytes) -> int:
    return zlib.crc32(text, zlib.crc32(number.to_bytes(8, "little")))
