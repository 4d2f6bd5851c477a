"""Losses that must outlive a restart, in a file of fixed size that is made while there is room for it.

It holds three things: losses that no frame declares yet, what frames declare that are not known to be stored (should
such a frame be damaged, its declaration is made again), and the next frame number where no file of frames tells it.

On a full disk a file of frames goes, and often there is no room for the frame that says so. The losses are written
here instead, over what stood there, which takes no room; they are declared when there is some. Two slots are written in
turns, each with a number and a CRC, so that a torn write leaves the one before.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from hubwatch_agents.uplink.spool.disk import Disk
from hubwatch_agents.uplink.spool.loss import MAX_RANGES, Loss

NAME = "losses"
SLOT_BYTES = 16 << 10
"""A range takes at most some 150 bytes; 50 that are not declared, and 40 that are, fit in."""
MAX_DECLARED_RANGES = 40
RESERVE_BYTES = 2 * SLOT_BYTES
_HEAD = struct.Struct("<QII")
"""Number of the write, length of the JSON behind it, CRC-32 of both and the JSON."""


class Declared(NamedTuple):
    """What one frame declares; kept until that frame is known to be stored."""

    epoch: str
    seq: int
    losses: list[Loss]


class LossFile:
    """Remembers losses over a restart, on however full a disk."""

    def __init__(self, disk: Disk) -> None:
        """Read what the file holds; make it where it is not there and there is room for it."""
        self._disk = disk
        self._number = 0
        self.losses: list[Loss] = []
        """Not declared yet."""
        self.declared: list[Declared] = []
        """Declared by frames that are not known to be stored, oldest first."""
        self.next_number = ("", 0)
        """Epoch and the least frame number that is still free in it, as far as the files of frames cannot tell."""
        self._ready = NAME in disk.names() and disk.size(NAME) >= RESERVE_BYTES
        if self._ready:
            self._read()
        else:
            self._make()

    @property
    def used_bytes(self) -> int:
        """Room it takes."""
        return RESERVE_BYTES if self._ready else 0

    def remember(
        self,
        losses: Sequence[Loss] | None = None,
        *,
        declared: Sequence[Declared] | None = None,
        next_number: tuple[str, int] | None = None,
    ) -> bool:
        """Hold these instead of what was held; returns when they are on the medium, False when they cannot be.

        The order of writes decides what a crash leaves: either all of this or all of what was there before. What is not
        given stays.
        """
        undeclared = self.losses if losses is None else list(losses)
        told = self.declared if declared is None else _newest(declared)
        following = next_number or self.next_number
        if (undeclared, told, following) == (self.losses, self.declared, self.next_number):
            return True
        text = json.dumps({"losses": undeclared, "declared": told, "next": following}).encode()
        if not self._ready:
            self._make()
        if not self._ready or len(undeclared) > MAX_RANGES or _HEAD.size + len(text) > SLOT_BYTES:
            return False
        number = self._number + 1
        slot = _HEAD.pack(number, len(text), _sum(number, text)) + text
        try:
            self._disk.overwrite(NAME, number % 2 * SLOT_BYTES, slot)
        except OSError:
            return False
        self._number = number
        self.losses, self.declared, self.next_number = undeclared, told, following
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
                self._take(json.loads(text))

    def _take(self, held: Any) -> None:
        if isinstance(held, list):  # written before 0.1
            held = {"losses": held, "next": self.next_number}
        self.losses = [Loss(*each) for each in held["losses"]]
        self.declared = [
            Declared(str(epoch), int(seq), [Loss(*each) for each in lost])
            for epoch, seq, lost in held.get("declared", ())
        ]
        self.next_number = (str(held["next"][0]), int(held["next"][1]))


def _newest(declared: Sequence[Declared]) -> list[Declared]:
    """Return as many of the newest as there is room for."""
    kept: list[Declared] = []
    ranges = 0
    for each in reversed(declared):
        ranges += len(each.losses)
        if ranges > MAX_DECLARED_RANGES:
            break
        kept.append(each)
    return kept[::-1]


def _sum(number: int, text: bytes) -> int:
    return zlib.crc32(text, zlib.crc32(number.to_bytes(8, "little")))
