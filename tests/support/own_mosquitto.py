"""A Mosquitto that belongs to one test, which may kill it and start it again on the same port and data."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from support.ports import free_port
from support.services import not_run

READY_WITHIN_S = 60.0


def mosquitto_program() -> str:
    """Return the path of the mosquitto program; the test does not run when there is none."""
    found = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if found is None:
        not_run("mosquitto", "the program is not installed, `make services` does (root)")
    return found


class OwnMosquitto:
    """One broker process on a free port; `extra` are further lines of its configuration (TLS, users, limits).

    `whole` is a configuration instead of ours, with `{port}` and `{folder}` in it.
    """

    def __init__(
        self, folder: Path, extra: Sequence[str] = ("allow_anonymous true",), *, whole: str | None = None
    ) -> None:
        self.host = "127.0.0.1"
        self.port = free_port()
        self._program = mosquitto_program()
        self._folder = folder
        self._config = folder / "mosquitto.conf"
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        ours = "\n".join([*self._lines(), *extra]) + "\n"
        text = ours if whole is None else whole.replace("{port}", str(self.port)).replace("{folder}", str(folder))
        # As root Mosquitto would become the user "mosquitto", who may not look into a test's folder.
        user = f"user {pwd.getpwuid(os.geteuid()).pw_name}\n"
        self._config.write_text(user + text, encoding="utf-8")

    def _lines(self) -> list[str]:
        return [
            f"listener {self.port} {self.host}",
            "persistence true",
            f"persistence_location {self._folder}/",
            # On the disk after every change, so that what was acknowledged survives kill -9.
            "autosave_on_changes true",
            "autosave_interval 1",
            "max_inflight_messages 5000",
            "max_queued_messages 200000",
            "set_tcp_nodelay true",
        ]

    @property
    def log(self) -> Path:
        """What the broker wrote, over all its lives."""
        return self._folder / "mosquitto.log"

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, with what its last life left on the disk, and wait until it listens."""
        assert not self.running
        with self.log.open("ab") as log:
            self._process = subprocess.Popen([self._program, "-c", str(self._config)], stdout=log, stderr=log)
        deadline = time.monotonic() + READY_WITHIN_S
        while not self._listens():
            if not self.running or time.monotonic() > deadline:
                raise AssertionError(f"mosquitto did not start: {self.log.read_text(encoding='utf-8')}")
            time.sleep(0.02)

    def _listens(self) -> bool:
        try:
            socket.create_connection((self.host, self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def reload(self) -> None:
        """Have it read its password and access list files again. Ref: mosquitto(8), SIGHUP."""
        assert self._process is not None
        before = self.log.read_text(encoding="utf-8").count("Reloading config")
        self._process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + READY_WITHIN_S
        while self.log.read_text(encoding="utf-8").count("Reloading config") == before:
            assert time.monotonic() < deadline, "mosquitto did not read its configuration again"
            time.sleep(0.02)

    def kill(self) -> None:
        """End it as a power cut would: SIGKILL."""
        self._end(9)

    def stop(self) -> None:
        """End it in order; harmless when it is not running."""
        self._end(15)

    def _end(self, number: int) -> None:
        if self._process is not None and self.running:
            self._process.send_signal(number)
            self._process.wait(10)
