"""The hubwatch processes of the demo: started as in production, ended in order."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from hubwatch_core.errors import Permanent

STOP_S = 25.0


class Processes:
    """Children of the demo, each in its own process group's session, with its log in a file."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._children: dict[str, asyncio.subprocess.Process] = {}

    async def start(self, name: str, *arguments: str) -> None:
        """Start `hubwatch ARGUMENTS`; its output goes to `NAME.log`."""
        with (self._logs / f"{name}.log").open("ab") as log:
            self._children[name] = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "hubwatch_ops",
                *arguments,
                stdout=log,
                stderr=log,
                stdin=asyncio.subprocess.DEVNULL,
                # Ctrl-C reaches only us; we then stop the children in order.
                start_new_session=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )

    def check(self) -> None:
        """Raise Permanent, with the last lines of its log, when a process has ended by itself."""
        for name, child in self._children.items():
            if child.returncode is not None:
                raise Permanent(f"{name} ended with code {child.returncode}:\n{self._tail(name)}")

    async def stop(self, name: str) -> int:
        """End a process with SIGTERM (SIGKILL when it does not end) and return its exit code."""
        child = self._children[name]
        if child.returncode is None:
            child.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(STOP_S):
                    await child.wait()
            except TimeoutError:
                child.kill()
                await child.wait()
        del self._children[name]
        return child.returncode if child.returncode is not None else -1

    async def stop_all(self) -> None:
        """End whatever still runs, the last started first; who is cancelled meanwhile ends it first."""
        stopping = asyncio.create_task(self._stop_each())
        cancelled = False
        while not stopping.done():
            try:
                await asyncio.shield(stopping)
            except asyncio.CancelledError:
                cancelled = True
        await stopping
        if cancelled:
            raise asyncio.CancelledError

    async def _stop_each(self) -> None:
        for name in reversed(list(self._children)):
            await self.stop(name)

    def _tail(self, name: str) -> str:
        lines = (self._logs / f"{name}.log").read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-12:])
