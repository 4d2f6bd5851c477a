"""Watches the configuration file: a good change is taken up at once, a bad one is told and left alone.

Some sections say who the agent is, where it sends and where it keeps: they need a restart. A change of these is told
in the log, in health and in the heartbeat, and the rest of the new configuration is taken up without it.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from hubwatch_agents.config import last_good as keeping
from hubwatch_agents.config.line_report import counted, warnings
from hubwatch_agents.config.load import check, read
from hubwatch_agents.devices import Configuration
from hubwatch_agents.settings import AgentSettings
from hubwatch_core.config import Partial, key_of
from hubwatch_core.errors import ConfigError, Permanent, Problem
from hubwatch_core.logs import get_logger

LOOK_S = 1.0
NEED_RESTART = ("hub", "agent", "mqtt", "spool", "identity", "telemetry", "log")

_log = get_logger("config")


class Reconfigurable(Protocol):
    """What takes configurations up."""

    def reconfigure(self, checked: Configuration) -> None:
        """Take one up. Raises Permanent where that cannot be; then everything stays as it was."""
        ...

    def configured(self, in_force: bool, detail: str) -> None:
        """Take note whether the file is in force, and if not why."""
        ...


class Reload:
    """Keeps an agent in step with its file."""

    def __init__(
        self,
        path: Path,
        flags: Mapping[str, object],
        running: Configuration,
        agent: Reconfigurable,
        last_good: Path | None,
        bad_start: ConfigError | None = None,
    ) -> None:
        self._path = path
        self._flags = flags
        self._running = running
        self._agent = agent
        self._last_good = last_good
        self._bad_start = bad_start
        self._stamp = _stamp(path)
        self._warned: list[Problem] = []
        self._asked = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Look at the file every second, and at SIGHUP at everything it names, until `stop` is set."""
        self.started()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._asked.set)
        try:
            while not stop.is_set():
                await self._look()
        finally:
            loop.remove_signal_handler(signal.SIGHUP)

    async def _look(self) -> None:
        try:
            async with asyncio.timeout(LOOK_S):
                await self._asked.wait()
        except TimeoutError:
            pass
        stamp = await asyncio.to_thread(_stamp, self._path)
        if stamp != self._stamp or self._asked.is_set():
            self._asked.clear()
            self._stamp = stamp
            self.changed()

    def started(self) -> None:
        """Say what the agent has started with, and keep it where it is good."""
        if self._bad_start is None:
            self._agent.configured(True, self._accepted(self._running))
            self._keep(self._running)
        else:
            self._accepted(self._running)
            self._refused(self._bad_start.problems, "started with the last good one")

    def changed(self) -> None:
        """Take up the file as it is now, where it is good."""
        try:
            fresh = read(self._path, self._flags, check_files=True)
            fixed = [
                key for key in NEED_RESTART if getattr(fresh.settings, key) != getattr(self._running.settings, key)
            ]
            part = self._without(fresh, fixed) if fixed else fresh
        except ConfigError as error:
            self._refused(error.problems, "the last good one stays in force")
            return
        try:
            if part != self._running:
                self._agent.reconfigure(part)
        except Permanent as error:
            self._refused([str(error)], "the last good one stays in force")
            return
        self._running = part
        self._in_force(fresh, fixed)

    def _without(self, fresh: Configuration, fixed: Sequence[str]) -> Configuration:
        """Return it with some sections as they are in force. Raises ConfigError where they do not fit it."""
        kept = {key: getattr(self._running.settings, key) for key in fixed}
        mixed = fresh.settings.model_copy(update=kept)
        parts = Partial(AgentSettings, mixed)
        conflicts = [
            Problem(str(self._path), key_of(key), f"{text}, until a restart")
            for key, text in AgentSettings.conflicts_between(parts)
        ]
        if conflicts:
            raise ConfigError(conflicts)
        return check(mixed, str(self._path))

    def _accepted(self, configuration: Configuration) -> str:
        """Log each new warning of a configuration; return in words that it is in force."""
        found = warnings(configuration, str(self._path))
        for warning in found:
            if warning not in self._warned:
                _log.warning("configuration accepted with a warning", warning=str(warning))
        self._warned = found
        return f"in force, {counted(found)}; the first: {found[0]}" if found else "in force"

    def _in_force(self, fresh: Configuration, fixed: Sequence[str]) -> None:
        told = self._accepted(fresh)
        if fixed:
            self._agent.configured(False, f"a change of {', '.join(fixed)} needs a restart; the rest is in force")
            _log.warning("new configuration needs a restart, what does not is in force", sections=fixed)
            return
        self._agent.configured(True, told)
        _log.info("new configuration in force", devices=len(fresh.devices))
        self._keep(fresh)

    def _refused(self, problems: Sequence[object], instead: str) -> None:
        self._agent.configured(False, f"{len(problems)} mistakes, {instead}; the first: {problems[0]}")
        for problem in problems:
            _log.error(f"configuration refused, {instead}", problem=str(problem))

    def _keep(self, good: Configuration) -> None:
        if self._last_good is not None:
            keeping.keep(self._path, good.settings, self._last_good)


def read_or_last_good(
    path: Path, flags: Mapping[str, object], last_good: Path | None
) -> tuple[Configuration, ConfigError | None]:
    """Read a configuration; where it, or a file it names, is bad and an earlier one was good, give that one and why.

    Raises ConfigError when there is nothing good to run with.
    """
    try:
        return read(path, flags, check_files=True), None
    except ConfigError as error:
        if last_good is None or not last_good.exists():
            raise
        try:
            return keeping.take(last_good, path, flags), error
        except ConfigError as worse:
            raise ConfigError([*error.problems, *worse.problems]) from None


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
