"""Watches the configuration file: a good change is taken up at once, a bad one is told and left alone."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from hubwatch_agents.checked import Checked, read
from hubwatch_core.errors import ConfigError, Permanent
from hubwatch_core.health import Health
from hubwatch_core.logs import get_logger

LOOK_S = 1.0
_RESTART = ("hub", "agent", "mqtt", "spool", "telemetry", "log")
"""Sections that cannot change while an agent runs: who it is, where it sends and keeps."""

_log = get_logger("config")


class Reload:
    """Keeps the agent in step with its file."""

    def __init__(
        self,
        path: Path,
        flags: Mapping[str, object],
        running: Checked,
        take: Callable[[Checked], None],
        health: Health,
        last_good: Path | None,
    ) -> None:
        self._path = path
        self._flags = flags
        self._running = running
        self._take = take
        self._health = health
        self._last_good = last_good
        self._stamp = _stamp(path)

    async def run(self, stop: asyncio.Event) -> None:
        """Look at the file every second until `stop` is set."""
        while not stop.is_set():
            await asyncio.sleep(LOOK_S)
            stamp = await asyncio.to_thread(_stamp, self._path)
            if stamp != self._stamp:
                self._stamp = stamp
                self.changed()

    def changed(self) -> None:
        """Take up the file as it is now, where it is good."""
        try:
            fresh = read(self._path, self._flags)
        except ConfigError as error:
            self._health.set("config", False, f"{len(error.problems)} mistakes; the last good one stays in force")
            for problem in error.problems:
                _log.error("new configuration refused, the last good one stays in force", problem=str(problem))
            return
        old, new = self._running.settings, fresh.settings
        fixed = [key for key in _RESTART if getattr(new, key) != getattr(old, key)]
        if fixed:
            self._health.set("config", False, f"a change of {', '.join(fixed)} needs a restart")
            _log.warning("new configuration needs a restart, the last good one stays in force", sections=fixed)
            return
        try:
            self._take(fresh)
        except Permanent as error:
            self._health.set("config", False, str(error))
            _log.error("new configuration refused, the last good one stays in force", problem=str(error))
            return
        self._running = fresh
        self._health.set("config", True, "in force")
        _log.info("new configuration in force", devices=len(fresh.devices))
        if self._last_good is not None:
            remember(self._path, self._last_good)


def read_or_last_good(
    path: Path, flags: Mapping[str, object], last_good: Path | None
) -> tuple[Checked, ConfigError | None]:
    """Read a configuration; where it is bad and an earlier one was good, give that one and the error.

    Raises ConfigError when there is nothing good to run with.
    """
    try:
        return read(path, flags), None
    except ConfigError as error:
        if last_good is None or not last_good.exists():
            raise
        return read(last_good, flags), error


def tell_bad_start(error: ConfigError, health: Health) -> None:
    """Say that the agent runs with an older configuration than the one it was given."""
    health.set("config", False, f"{len(error.problems)} mistakes; started with the last good one")
    for problem in error.problems:
        _log.error("configuration refused, started with the last good one", problem=str(problem))


def remember(path: Path, last_good: Path) -> None:
    """Keep a copy of a good configuration; whole or not at all, also when the power goes."""
    if last_good.resolve() == path.resolve():
        return
    fresh = last_good.with_suffix(".new")
    try:
        last_good.parent.mkdir(parents=True, exist_ok=True)
        with fresh.open("wb") as file:
            file.write(path.read_bytes())
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(last_good)
    except OSError as error:
        _log.warning("last good configuration cannot be kept", file=str(last_good), reason=str(error))


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
