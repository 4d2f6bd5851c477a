"""A throw-away PostgreSQL server from a Python wheel: no packages, no root needed, but root is fine too."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from urllib.parse import quote

from hubwatch_core.errors import Permanent
from hubwatch_ops.embedded.kept import Kept, kept
from hubwatch_ops.embedded.threaded import threaded
from hubwatch_ops.embedded.wheel import NEWEST, OLDEST, postgres_bin

READY_WITHIN_S = 30.0
STATUS_LINE = 7
"""Line of postmaster.pid with the server's state (PostgreSQL source, miscadmin.h: LOCK_FILE_LINE_PM_STATUS - 1)."""

SETTINGS = {
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "128MB",
    # A commit is on the disk before it is acknowledged, as in production; only replication is left out.
    "synchronous_commit": "on",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "15min",
    # Compiling plans costs more than it saves on queries of milliseconds.
    "jit": "off",
    "timezone": "UTC",
}

LOCALES = {
    # Sorts by code point, knows the letters of all languages, and needs nothing of the operating system.
    NEWEST: ["--encoding", "UTF8", "--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"],
    OLDEST: ["--encoding", "UTF8", "--locale", "C"],
}


def embedded_postgres(port: int | None = None) -> AbstractAsyncContextManager[str]:
    """Run PostgreSQL until the block ends, data and all in a temporary folder; return its DSN.

    It is reached by a Unix socket only its owner and root can open, and with `port` also on loopback, there without a
    password. Raises Permanent when the extra is not installed or the server does not start.
    """
    return threaded(running_postgres(port))


@contextlib.contextmanager
def running_postgres(
    port: int | None = None,
    *,
    version: int = NEWEST,
    settings: Mapping[str, str] | None = None,
    below: Path | None = None,
) -> Iterator[str]:
    """Do the same for code that may block; tests ask for an older major version, other settings or another disk."""
    programs = postgres_bin(version)
    user = _unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="hubwatch-pg-", dir=below))
    try:
        if user is not None:
            os.chown(folder, user, user)
            programs = _reachable(programs, folder, user)
        _initialise(programs, folder, user, version)
        command = _command(programs, folder, port, settings or {})
        with kept(command, log=folder / "log", user=user, remove=folder) as server:
            _await_ready(server, folder / "data" / "postmaster.pid")
            yield _dsn(folder, port)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged() -> int | None:
    """PostgreSQL refuses to run as root: then it runs as nobody."""
    return pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None


def _reachable(programs: Path, folder: Path, user: int) -> Path:
    """Return the programs, or a copy of them (38 MB) where that user cannot reach the originals, as below /root."""
    try:
        _run([str(programs / "postgres"), "--version"], user)
    except PermissionError:
        return _copied(programs, folder / "install")
    return programs


def _copied(programs: Path, to: Path) -> Path:
    """Copy the programs with their place among the wheel's folders, for they find their libraries by it."""
    package = programs.parents[1]
    shutil.copytree(programs.parent, to / programs.parent.relative_to(package.parent))
    libraries = package.with_name(package.name + ".libs")  # where auditwheel puts them on Linux
    if libraries.exists():
        shutil.copytree(libraries, to / libraries.name)
    for made in (to, to / package.name):  # by copytree, as the umask lets it: that user passes through
        made.chmod(0o755)
    return to / programs.relative_to(package.parent)


def _initialise(programs: Path, folder: Path, user: int | None, version: int) -> None:
    where = ["--pgdata", str(folder / "data")]
    who = ["--username", "postgres", "--auth", "trust"]
    done = _run([str(programs / "initdb"), *where, *who, *LOCALES[version], "--no-sync", "--no-instructions"], user)
    if done.returncode:
        raise Permanent(f"the embedded PostgreSQL could not be set up: {done.stderr.strip().splitlines()[-1:]}")


def _run(command: list[str], user: int | None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  programs of the wheel with arguments of our own
        command,
        check=False,
        capture_output=True,
        text=True,
        cwd="/",
        user=user,
        group=user,
        extra_groups=None if user is None else [],
    )


def _command(programs: Path, folder: Path, port: int | None, changed: Mapping[str, str]) -> list[str]:
    settings = {**SETTINGS, **changed, "unix_socket_directories": str(folder)}
    settings |= {"listen_addresses": ""} if port is None else {"listen_addresses": "127.0.0.1", "port": str(port)}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return [str(programs / "postgres"), "-D", str(folder / "data"), *options]


def _await_ready(server: Kept, pid_file: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while not _is_ready(pid_file):
        if server.ended or time.monotonic() > deadline:
            raise Permanent(f"the embedded PostgreSQL did not start: {server.last_words()}")
        time.sleep(0.02)


def _is_ready(pid_file: Path) -> bool:
    try:
        lines = pid_file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return False
    return len(lines) > STATUS_LINE and lines[STATUS_LINE].strip() == "ready"


def _dsn(folder: Path, port: int | None) -> str:
    if port is not None:
        return f"postgresql://postgres@127.0.0.1:{port}/postgres"
    return f"postgresql://postgres@/postgres?host={quote(str(folder), safe='')}"
