"""A real folder that can be made to crash at any write, as a process does (kill) or as a machine does (power)."""

from __future__ import annotations

import errno
import os
import random
from pathlib import Path

from hubwatch_agents.uplink.spool.disk import Disk


class Crash(BaseException):
    """The process ended here; nothing after it ran."""


class CrashingDisk(Disk):
    """A disk that lets `writes` operations through and crashes in the next one, which may be done in part."""

    def __init__(self, folder: Path, writes: int | None = None, seed: int = 0) -> None:
        super().__init__(folder)
        self.done = 0
        self.crashed_in = ""
        """The kind of write it crashed in."""
        self._writes = writes
        self._random = random.Random(seed)
        self._names: dict[int, str] = {}
        self._on_medium = {name: self.size(name) for name in self.names()}
        self._named_on_medium = set(self._on_medium)
        self._removed: dict[str, bytes] = {}
        self._size: int | None = None

    def squeeze(self, room: int) -> None:
        """Leave that many bytes, as if somebody else had filled the disk."""
        self._size = self._used() + room

    def relax(self) -> None:
        """Give back all the room there was."""
        self._size = None

    def _used(self) -> int:
        return sum(self.size(name) for name in self.names())

    def _fitting(self, data: bytes) -> bytes:
        """Return as much as there is room for; raises OSError when there is none."""
        room = len(data) if self._size is None else max(0, self._size - self._used())
        if data and not room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return data[:room]

    def _step(self, step: str) -> None:
        if self._writes is not None and self.done >= self._writes:
            self.crashed_in = step
            raise Crash
        self.done += 1

    def open(self, name: str) -> int:
        self._step("open")
        fd = super().open(name)
        self._names[fd] = name
        self._on_medium.setdefault(name, 0)
        return fd

    def close(self, fd: int) -> None:
        del self._names[fd]
        super().close(fd)

    def end(self) -> None:
        """Close what is open, as the system does for a process that was killed."""
        for fd in list(self._names):
            self.close(fd)

    def append(self, fd: int, data: bytes) -> int:
        try:
            self._step("append")
        except Crash:
            super().append(fd, data[: self._random.randint(0, len(data))])
            raise
        return super().append(fd, self._fitting(data))

    def overwrite(self, name: str, offset: int, data: bytes) -> None:
        try:
            self._step("overwrite")
        except Crash:
            super().overwrite(name, offset, data[: self._random.randint(0, len(data))])
            raise
        super().overwrite(name, offset, data)

    def sync(self, fd: int) -> None:
        # Noted, not done: the medium is simulated, and a real fdatasync would take most of the test's time.
        self._step("sync")
        self._on_medium[self._names[fd]] = self.size(self._names[fd])

    def sync_folder(self) -> None:
        self._step("sync_folder")
        self._named_on_medium = set(self.names())
        self._removed.clear()

    def truncate(self, name: str, length: int) -> None:
        self._step("truncate")
        super().truncate(name, length)
        self._on_medium[name] = min(length, self._on_medium.get(name, 0))

    def link(self, name: str, new: str) -> None:
        self._step("link")
        super().link(name, new)

    def unlink(self, name: str) -> None:
        self._step("unlink")
        if name in self._named_on_medium:
            self._removed[name] = self.read(name)
        super().unlink(name)

    def lose_power(self) -> None:
        """Make the folder what it may be after the power went: only what was synced is certain."""
        for name, data in self._removed.items():
            if self._random.random() < 0.5:
                (self.folder / name).write_bytes(data)
        for name in self.names():
            if name not in self._named_on_medium and self._random.random() < 0.5:
                os.unlink(self.folder / name)
                continue
            self._lose_tail(name)

    def _lose_tail(self, name: str) -> None:
        size, certain = self.size(name), min(self._on_medium.get(name, 0), self.size(name))
        kept = self._random.choice((certain, size, self._random.randint(certain, size)))
        os.truncate(self.folder / name, kept)
        if kept > certain and self._random.random() < 0.3:
            # The length was on the medium, the data was not.
            with open(self.folder / name, "r+b") as file:
                file.seek(self._random.randint(certain, kept))
                file.write(bytes(kept - file.tell()))
