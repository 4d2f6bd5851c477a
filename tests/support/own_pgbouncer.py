"""A PgBouncer that belongs to one test, before a server of the tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import psycopg

from support.ports import free_port
from support.services import not_run

READY_WITHIN_S = 60.0


def pgbouncer_program() -> str:
    """Return the path of the pgbouncer program; the test does not run when there is none."""
    found = shutil.which("pgbouncer", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if found is None:
        not_run("pgbouncer", "the program is not installed, `make services` does (root)")
    return found


@contextmanager
def pooled(
    dsn: str, mode: Literal["session", "transaction", "statement"], *, takes_options: bool = True
) -> Iterator[str]:
    """Run a PgBouncer before the server of `dsn`; yield the DSN of the same database through it.

    With `takes_options` it is told to read past the settings a session begins with, else it refuses them.
    """
    target, port, program = urlsplit(dsn), free_port(), pgbouncer_program()
    folder = Path(tempfile.mkdtemp(prefix="hubwatch-pgbouncer-"))
    os.chmod(folder, 0o755)  # it runs as an ordinary user, who passes through
    (folder / "users.txt").write_text('"postgres" ""\n', encoding="utf-8")
    (folder / "pgbouncer.ini").write_text(
        f"""[databases]
* = host={target.hostname} port={target.port} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
auth_file = {folder}/users.txt
pool_mode = {mode}
{"ignore_startup_parameters = options" if takes_options else ""}
""",
        encoding="utf-8",
    )
    for each in folder.iterdir():
        each.chmod(0o644)
    as_nobody = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups") if os.geteuid() == 0 else ()
    with (folder / "pgbouncer.log").open("wb") as log:
        process = subprocess.Popen([*as_nobody, program, str(folder / "pgbouncer.ini")], stdout=log, stderr=log)
    through = f"postgresql://postgres@127.0.0.1:{port}{target.path}"
    try:
        _wait_ready(through, folder / "pgbouncer.log")
        yield through
    finally:
        process.kill()
        process.wait(10)
        shutil.rmtree(folder)


def _wait_ready(dsn: str, log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while True:
        try:
            psycopg.connect(dsn, connect_timeout=2).close()
        except psycopg.OperationalError:
            assert time.monotonic() < deadline, log.read_text(encoding="utf-8")[-2000:]
            time.sleep(0.05)
        else:
            return
