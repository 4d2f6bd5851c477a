"""What drivers have to know after a restart: small values by name, in one file beside the spool.

They are written a moment after what they speak of has been handed over: a crash in between makes an agent fetch
something again, and never skip it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

from hubwatch_core.logs import get_logger

DAMAGED = ".damaged"
MOMENT_S = 0.5
"""An event is on the disk of the spool in the turn of the event loop after it was handed over; this is far longer."""


class Checkpoints:
    """The values of one agent; kept in memory only where there is no path."""

    def __init__(self, path: Path | None = None, clock: Callable[[], float] = monotonic) -> None:
        self._path = path
        self._clock = clock
        self._log = get_logger("marks")
        self._changed = self._failing = False
        self._taken: tuple[float, str] | None = None
        """Values as they were a moment ago."""
        self._values: dict[str, Any] = self._read(path) if path is not None else {}

    def get(self, name: str) -> Any:
        """Return a value, None when there is none."""
        return self._values.get(name)

    def put(self, name: str, value: Any) -> None:
        """Take a value; `save` writes it."""
        if self._values.get(name) != value:
            self._values[name] = value
            self._changed = True

    def save(self) -> None:
        """Write values that are older than a moment; to be called now and then."""
        now = self._clock()
        if self._taken is not None and now - self._taken[0] >= MOMENT_S:
            self._write(self._taken[1])
        if self._taken is None and self._changed:
            self._taken, self._changed = (now, json.dumps(self._values)), False

    def close(self) -> None:
        """Write everything: what it speaks of has been handed over, and nothing is about to crash."""
        if self._changed or self._taken is not None:
            self._changed = False
            self._write(json.dumps(self._values))

    def _write(self, text: str) -> None:
        """Write; what cannot be written is told once and tried again later."""
        self._taken = None
        try:
            if self._path is not None:
                _replace(self._path, text)
        except OSError as error:
            self._changed = True
            if not self._failing:
                self._log.warning("cannot be written, events may be fetched again after a restart", reason=str(error))
            self._failing = True
            return
        if self._failing:
            self._log.info("can be written again")
        self._failing = False

    def _read(self, path: Path) -> dict[str, Any]:
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(values, dict):
                return values
            reason = "no table"
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            reason = str(error)
        self._log.error("damaged, set aside; what was missed while the agent was away is not known", reason=reason)
        self._set_aside(path)
        return {}

    def _set_aside(self, path: Path) -> None:
        try:
            path.replace(path.with_suffix(DAMAGED))
        except OSError as error:
            self._log.error("cannot be set aside", reason=str(error))


def _replace(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    with open(new, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fdatasync(file.fileno())
    new.replace(path)
