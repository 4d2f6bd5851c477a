"""Opens recordings."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from hubwatch_core.errors import Permanent
from hubwatch_core.wire import MAX_FRAME_BYTES

STDIN = Path("-")
LONGEST_LINE = 4 * MAX_FRAME_BYTES
"""Far beyond what any message may have; a file without line breaks is no recording and must not fill the memory."""


@contextmanager
def lines_of(file: Path) -> Iterator[Iterable[bytes]]:
    """Give the lines of a file, or of standard input for `-`; raises Permanent when it cannot be read as lines."""
    if file == STDIN:
        yield _lines(sys.stdin.buffer, "standard input")
        return
    try:
        opened = file.open("rb")
    except OSError as error:
        raise Permanent(f"{file} cannot be opened: {error.strerror}") from None
    with opened:
        yield _lines(opened, str(file))


def _lines(source: BinaryIO, name: str) -> Iterator[bytes]:
    while line := source.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
            raise Permanent(f"{name} is no recording: a line of it is longer than {LONGEST_LINE} bytes")
        yield line
