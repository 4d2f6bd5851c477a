"""Opens recordings."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hubwatch_core.errors import Permanent

STDIN = Path("-")


@contextmanager
def lines_of(file: Path) -> Iterator[Iterable[bytes]]:
    """Give the lines of a file, or of standard input for `-`; raises Permanent when it cannot be opened."""
    if file == STDIN:
        yield sys.stdin.buffer
        return
    try:
        opened = file.open("rb")
    except OSError as error:
        raise Permanent(f"{file} cannot be opened: {error.strerror}") from None
    with opened:
        yield opened
