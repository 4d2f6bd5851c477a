"""A wall clock for child processes that a test can set while they run (libfaketime). Their steady clock stays."""

from __future__ import annotations

from pathlib import Path

from support.services import not_run

LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


class MovedClock:
    """The clock of the processes that are started with `environment`; it is right until `move`."""

    def __init__(self, folder: Path) -> None:
        if not LIBRARIES:
            not_run("faketime", "the library is not installed, `make services` does (root)")
        self._file = folder / "faketime"
        self.move(0)
        self.environment = {
            "LD_PRELOAD": str(LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            # With it time.sleep() fails; hubwatch waits by its event loop alone.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def move(self, seconds: float) -> None:
        """Set the clock so much before or after the true time; processes follow within a second or two."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+.0f}s\n", encoding="utf-8")
        new.replace(self._file)
