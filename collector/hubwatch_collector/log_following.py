"""Reads what another program adds to its log, also when the file is replaced or emptied meanwhile."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

MOST_BYTES = 1 << 20
"""Read at a time."""
MOST_BEHIND_BYTES = 16 << 20
"""Further behind, what lies between is skipped: a log that grows faster than it is read must not be read for ever."""
MOST_LINE_BYTES = 1 << 14


class LogFollower:
    """One log file, from its end on: what was written before is somebody else's to read."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._stream: BinaryIO | None = None
        self._rest = b""
        self._mid_line = False
        """Whether what comes next is the end of a line whose begin was not read: it is no line."""
        self.skipped_bytes = 0
        """What was never looked at, because it was too much."""

    def lines(self) -> list[str]:
        """Return the lines that were added since the last call. Raises OSError while there is no file yet."""
        if self._stream is None:
            self._stream = self._file.open("rb")
            self._to(self._stream, self._stream.seek(0, os.SEEK_END))
        self._catch_up(self._stream)
        data = self._stream.read(MOST_BYTES)
        if not data and self._is_another(self._stream):
            self.close()
            self._stream = self._file.open("rb")
            self._mid_line = False
            data = self._stream.read(MOST_BYTES)
        *whole, rest = (self._rest + data).split(b"\n")
        if whole and self._mid_line:
            self.skipped_bytes += len(whole.pop(0))
            self._mid_line = False
        if len(rest) > MOST_LINE_BYTES:
            self.skipped_bytes += len(rest)
            rest, self._mid_line = b"", True
        self._rest = rest
        return [each.decode("utf-8", "replace") for each in whole]

    def close(self) -> None:
        """Let the file go."""
        if self._stream is not None:
            self._stream.close()
            self._stream, self._rest = None, b""

    def _catch_up(self, stream: BinaryIO) -> None:
        size, place = os.fstat(stream.fileno()).st_size, stream.tell()
        if size < place:  # emptied, as logrotate's copytruncate does
            self._to(stream, 0)
        elif size - place > MOST_BEHIND_BYTES:
            self.skipped_bytes += size - place - MOST_BYTES
            self._to(stream, size - MOST_BYTES)

    def _to(self, stream: BinaryIO, place: int) -> None:
        """Read on from another place, which may be in the middle of a line."""
        stream.seek(max(0, place - 1))
        self._mid_line = place > 0 and stream.read(1) != b"\n"
        self._rest = b""

    def _is_another(self, stream: BinaryIO) -> bool:
        """Return whether the name stands for another file by now; False while there is none."""
        try:
            return not os.path.samestat(self._file.stat(), os.fstat(stream.fileno()))
        except FileNotFoundError:
            return False
