"""Starts a process under the keeper and ends it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

END_WITHIN_S = 10.0
"""How long a process may take to end before the keeper kills it."""
CLEAN_UP_WITHIN_S = 5.0
"""How much longer the keeper may take, to remove the folder."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A process under a keeper; `log` holds its standard error, `output` its standard output."""

    keeper: subprocess.Popen[bytes]
    log: Path

    @property
    def output(self) -> IO[bytes]:
        """What the process writes to its standard output."""
        assert self.keeper.stdout is not None
        return self.keeper.stdout

    @property
    def ended(self) -> bool:
        """Return whether the process has ended."""
        return self.keeper.poll() is not None

    def last_words(self) -> str:
        """Return the last line of its log, for an error message."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "it wrote nothing to its log"


@contextlib.contextmanager
def kept(
    command: Sequence[str],
    *,
    log: Path,
    user: int | None = None,
    remove: Path | None = None,
    end_within_s: float = END_WITHIN_S,
) -> Iterator[Kept]:
    """Run a command until the block ends; the folder `remove` goes with it, even when we are killed."""
    keeper = [sys.executable, "-I", "-S", str(Path(__file__).with_name("keeper.py"))]
    keeper += ["--end-within-s", str(end_within_s)]
    if user is not None:
        keeper += ["--user", str(user)]
    if remove is not None:
        keeper += ["--remove", str(remove)]
    with log.open("ab") as errors:
        process = subprocess.Popen(  # noqa: S603  fixed programs with arguments of our own
            [*keeper, "--", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
    try:
        yield Kept(process, log)
    finally:
        _end(process, end_within_s + CLEAN_UP_WITHIN_S)


def _end(process: subprocess.Popen[bytes], within_s: float) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()
