"""hubwatch processes for acceptance tests: started as an operator would, killed as a power cut would."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

STOP_S = 25.0


class Children:
    """Processes by name; what they say is in `NAME.log` of the folder, over all their lives."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.environment: dict[str, str] = {}
        """Variables that processes get beside our own."""
        self._commands: dict[str, tuple[str, ...]] = {}
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *arguments: str) -> None:
        """Start `hubwatch ARGUMENTS`; without arguments the same command as last time."""
        command = arguments or self._commands[name]
        self._commands[name] = command
        with (self._folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", "hubwatch_ops", *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **self.environment},
            )

    def kill(self, name: str) -> None:
        """SIGKILL."""
        child = self._running.pop(name)
        child.kill()
        child.wait(10)

    def stop(self, name: str) -> int:
        """SIGTERM; gives the exit code, and fails when the process does not follow."""
        child = self._running.pop(name)
        child.send_signal(signal.SIGTERM)
        return child.wait(STOP_S)

    def exit_code(self, name: str) -> int | None:
        """Return how the process ended by itself; None while it runs."""
        return self._running[name].poll()

    def alive(self, name: str) -> bool:
        """Whether the process runs."""
        return name in self._running and self._running[name].poll() is None

    def end_all(self) -> None:
        """End whatever is left, the last started first."""
        for name in reversed(list(self._running)):
            if self._running[name].poll() is None:
                self.kill(name)

    def log(self, name: str) -> str:
        """Return what a process has said."""
        return (self._folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")


def run(*arguments: str, env: dict[str, str] | None = None, within_s: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a `hubwatch` command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "hubwatch_ops", *arguments],
        capture_output=True,
        text=True,
        timeout=within_s,
        check=False,
        env={**os.environ, **(env or {})},
    )
