"""Keeps one command running exactly as long as its own standard input is open.

An embedded service must not outlive us, and after SIGKILL we can do nothing any more. But the kernel then closes our
end of the pipe, and the keeper, in a session of its own where Ctrl-C does not reach it, ends the command and removes
its folder. Run as a script and on the standard library alone, so that it starts in milliseconds.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import FrameType


class Keeper:
    """One command and what ends it: our standard input closed, or a signal to us."""

    def __init__(self, command: Sequence[str], *, end_within_s: float, user: int | None = None) -> None:
        """Start the command, as that user id if one is given; after its end was asked for it has so many seconds."""
        self._end_within_s = end_within_s
        self._child = subprocess.Popen(  # noqa: S603  the command is our caller's own
            command,
            stdin=subprocess.DEVNULL,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )
        self.asked = False
        """Whether the end was asked for; otherwise the command ended by itself."""

    def wait(self) -> int:
        """Wait for the command's end and give its exit code."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        threading.Thread(target=self._end_on_eof, daemon=True).start()
        return int(self._child.wait())

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._end()

    def _end_on_eof(self) -> None:
        # Not sys.stdin: a thread inside its lock makes the interpreter abort at exit.
        while os.read(0, 1024):
            pass
        self._end()
        try:
            self._child.wait(self._end_within_s)
        except subprocess.TimeoutExpired:
            self._child.kill()

    def _end(self) -> None:
        """Ask the command to end; SIGINT is PostgreSQL's fast shutdown."""
        self.asked = True
        self._child.send_signal(signal.SIGINT)


def main() -> int:
    """Keep the command given after `--`; when the end was asked for, remove the folder afterwards.

    When the command ended by itself the folder stays, for its log tells why.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--user", type=int)
    parser.add_argument("--end-within-s", type=float, required=True)
    parser.add_argument("--remove")
    parser.add_argument("command", nargs="+")
    given = parser.parse_args()
    keeper = Keeper(given.command, end_within_s=given.end_within_s, user=given.user)
    code = keeper.wait()
    if keeper.asked and given.remove:
        shutil.rmtree(given.remove, ignore_errors=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
