"""A TimescaleDB that belongs to one test: the server that `make services` installed, on data of its own beside its."""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from pathlib import Path

from support import services
from support.own_postgres import OwnPostgres

ROOT = services.ENV_FILE.parent / "timescaledb" / "rootfs"
_BIN = "/usr/lib/postgresql/17/bin"


class OwnTimescale(OwnPostgres):
    """One server of PostgreSQL 17 with TimescaleDB, with durable commits."""

    settings = {  # noqa: RUF012 - read only
        "shared_preload_libraries": "timescaledb",
        "dynamic_shared_memory_type": "mmap",  # /dev/shm is not mounted inside the folder
        "timescaledb.telemetry_level": "off",
    }

    def __init__(self, folder: Path, disk: str | None = None) -> None:
        services.timescale_server()  # says plainly what is missing
        if os.geteuid() != 0:
            services.not_run("timescaledb", "not root, so no server of its own (a chroot)")
        self._inside = f"/srv/own-{uuid.uuid4().hex[:12]}"
        super().__init__(folder, disk)

    @property
    def data(self) -> Path:
        """Where its data are, as seen from here."""
        return ROOT / self._inside.lstrip("/")

    def _user(self) -> tuple[int, int]:
        lines = (ROOT / "etc" / "passwd").read_text().splitlines()
        fields = next(line.split(":") for line in lines if line.startswith("postgres:"))
        return int(fields[2]), int(fields[3])

    def _command(self, program: str, *arguments: str) -> Sequence[str]:
        who = ("chroot", "--userspec=postgres:postgres", str(ROOT), "/usr/bin/env", "-i", "LC_ALL=C.UTF-8", "PWD=/")
        return (*who, f"{_BIN}/{program}", "-D", self._inside, *arguments)


def own_server(store: str) -> type[OwnPostgres]:
    """Return the kind of server by its name, timescaledb or postgresql."""
    return {"timescaledb": OwnTimescale, "postgresql": OwnPostgres}[store]
