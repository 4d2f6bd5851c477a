"""What the spool asks of the disk. The one place where it is written to, so that a test can crash it at every write."""

from __future__ import annotations

import errno
import os
from pathlib import Path


class Disk:
    """Files of one folder. Every method does exactly one thing to the disk; all raise OSError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def names(self) -> list[str]:
        """Return the names of all files, sorted."""
        return sorted(entry.name for entry in os.scandir(self.folder) if entry.is_file())

    def read(self, name: str, offset: int = 0, length: int = -1) -> bytes:
        """Read a file, or a part of it."""
        with open(self.folder / name, "rb") as file:
            file.seek(offset)
            return file.read(length)

    def size(self, name: str) -> int:
        """Return the size of a file in bytes."""
        return (self.folder / name).stat().st_size

    def open(self, name: str) -> int:
        """Open a file for appending, making it when it is not there; gives its descriptor."""
        return os.open(self.folder / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)

    def append(self, fd: int, data: bytes) -> int:
        """Append; gives the number of bytes written, which is less than asked for on a full disk."""
        return os.write(fd, data)

    def overwrite(self, name: str, offset: int, data: bytes) -> None:
        """Write over a part of a file, which takes no room; returns when it is on the medium."""
        fd = os.open(self.folder / name, os.O_WRONLY | os.O_CLOEXEC)
        try:
            if os.pwrite(fd, data, offset) != len(data):
                raise OSError(errno.EIO, "written in part", name)
            os.fdatasync(fd)
        finally:
            os.close(fd)

    def sync(self, fd: int) -> None:
        """Return when everything written to the file is on the medium."""
        os.fdatasync(fd)

    def sync_folder(self) -> None:
        """Return when every file made, renamed or removed is so on the medium."""
        fd = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def truncate(self, name: str, length: int) -> None:
        """Cut a file."""
        os.truncate(self.folder / name, length)

    def link(self, name: str, new: str) -> None:
        """Give a file a second name."""
        os.link(self.folder / name, self.folder / new)

    def unlink(self, name: str) -> None:
        """Remove a name."""
        os.unlink(self.folder / name)

    def close(self, fd: int) -> None:
        """Close a descriptor."""
        os.close(fd)
