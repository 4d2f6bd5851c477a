"""A database server that belongs to one test, which may kill it and start it again on the same port and data."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg

from hubwatch_ops.embedded.wheel import postgres_bin
from support import services
from support.ports import free_port

READY_WITHIN_S = 60.0
FILLER = "filler"


class OwnPostgres:
    """A plain PostgreSQL from the wheel, with durable commits; below /tmp, which its unprivileged user must reach."""

    settings: dict[str, object] = {}  # noqa: RUF012 - read only; a subclass has its own
    """Further settings of every server of this kind."""

    def __init__(self, folder: Path, disk: str | None = None) -> None:
        """Make its data; on a disk of their own of that size (as `mount` understands it), which only root can."""
        self.port = free_port()
        self.dsn = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        self.log = folder.parent / "postgres.log"
        self.folder = folder
        self._disk = disk
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)
        folder.chmod(0o755)  # the server's user passes through, whatever the umask is
        self._make()

    @classmethod
    @contextmanager
    def below_tmp(cls, disk: str | None = None) -> Iterator[OwnPostgres]:
        """Make one in a folder of its own, and take both away at the end."""
        if disk is not None and os.geteuid() != 0:
            services.not_run("disk of its own", "not root, who alone can mount one")
        folder = Path(tempfile.mkdtemp(prefix="hubwatch-postgres-"))
        os.chmod(folder, 0o755)  # the server's user passes through
        server = cls(folder / "server", disk)
        try:
            yield server
        finally:
            server.remove()
            shutil.rmtree(folder)

    def start(self) -> None:
        """Start it, recovering from how it ended, and wait until it answers."""
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            **self.settings,
        }
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        process = self._run(options)
        deadline = time.monotonic() + READY_WITHIN_S
        while not self._answers():
            said = self.log.read_text()[-2000:]
            assert time.monotonic() < deadline, said
            if process.poll() is not None:
                # Background workers of a server that was killed end a moment after it.
                assert "pre-existing shared memory block" in said, said
                process = self._run(options)
            time.sleep(0.05)

    def _run(self, options: list[str]) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command("postgres", *options), stdout=log, stderr=log, cwd="/", start_new_session=True
            )
        return self._process

    @property
    def alive(self) -> bool:
        """Whether its first process runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def data(self) -> Path:
        """Where its data are, as seen from here."""
        return self.folder / "data"

    def kill(self) -> None:
        """End it and every process of it as a power cut would: SIGKILL."""
        if self._process is None or self._process.poll() is not None:
            return
        first = psutil.Process(self._process.pid)
        everybody = [first, *first.children(recursive=True)]  # each is a process group of its own
        for each in everybody:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        psutil.wait_procs(everybody, timeout=10)
        self._process.wait(10)

    def want_passwords(self) -> None:
        """Let everybody but the superuser log in with a password only, from the next start on."""
        (self.data / "pg_hba.conf").write_text(
            "host all postgres 127.0.0.1/32 trust\nhost replication postgres 127.0.0.1/32 trust\n"
            "host all all 127.0.0.1/32 scram-sha-256\n"
        )

    def copy_of(self, primary: OwnPostgres) -> None:
        """Become a standby of another server that runs: its data, and from the next start on all that it writes."""
        shutil.rmtree(self.data)
        self.data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(self.data, *self._user())
        source = ("-h", "127.0.0.1", "-p", str(primary.port), "-U", "postgres", "-R", "-c", "fast", "--no-sync")
        subprocess.run(self._command("pg_basebackup", *source), check=True, capture_output=True, cwd="/")

    def promote(self) -> None:
        """Let a standby take over: from now on it may be written to."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute("SELECT pg_promote(wait => true)")

    def stand_by(self) -> None:
        """Let it come up next time as a standby, which nobody may write to."""
        (self.data / "standby.signal").touch()

    def fill_disk(self) -> None:
        """Leave not a byte on its own disk."""
        assert self._disk is not None, "only a disk of its own is filled"
        with (self.data / FILLER).open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(1 << 16))

    def free_disk(self) -> None:
        """Return the room back."""
        (self.data / FILLER).unlink()

    def remove(self) -> None:
        """Kill it and delete what it had."""
        self.kill()
        if self._disk is not None:
            subprocess.run(["umount", "-l", str(self.data)], check=True)
        shutil.rmtree(self.data, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _make(self) -> None:
        self.data.mkdir()
        if self._disk is not None:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self._disk}", "tmpfs", str(self.data)], check=True)
        if os.geteuid() == 0:
            os.chown(self.data, *self._user())
        command = self._command("initdb", "-U", "postgres", "-A", "trust", "--no-sync", "--encoding", "UTF8")
        subprocess.run(command, check=True, capture_output=True, cwd="/")

    def _user(self) -> tuple[int, int]:
        user = pwd.getpwnam("nobody")
        return user.pw_uid, user.pw_gid

    def _command(self, program: str, *arguments: str) -> Sequence[str]:
        as_nobody = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups") if os.geteuid() == 0 else ()
        return (*as_nobody, str(postgres_bin() / program), "-D", str(self.data), *arguments)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.dsn, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True
