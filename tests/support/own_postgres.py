"""A PostgreSQL server that belongs to one test, which may kill it and start it again on the same port and data."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import time
from pathlib import Path

import psycopg

from hubwatch_ops.embedded.wheel import postgres_bin
from support.ports import free_port

READY_WITHIN_S = 30.0


class OwnPostgres:
    """One server from the wheel, with durable commits; a folder below /tmp, which its unprivileged user must reach."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.dsn = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        self._folder = folder
        self._user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)
        if self._user is not None:
            os.chown(folder, self._user, self._user)
        command = [str(postgres_bin() / "initdb"), "-D", str(folder / "data"), "-U", "postgres", "-A", "trust"]
        subprocess.run([*command, "--no-sync"], check=True, capture_output=True, user=self._user, cwd="/")

    def start(self) -> None:
        """Start it, recovering from how it ended, and wait until it answers."""
        settings = {"port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": self._folder}
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        command = [str(postgres_bin() / "postgres"), "-D", str(self._folder / "data"), *options]
        with (self._folder.parent / "postgres.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, user=self._user, cwd="/", start_new_session=True
            )
        deadline = time.monotonic() + READY_WITHIN_S
        while not self._answers():
            assert time.monotonic() < deadline, (self._folder.parent / "postgres.log").read_text()[-2000:]
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.dsn, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def kill(self) -> None:
        """End it and every process of it as a power cut would: SIGKILL."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)
