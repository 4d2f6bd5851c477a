"""NATS servers that belong to one test: a cluster whose members it may kill and start again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.ports import free_port
from support.services import not_run

READY_WITHIN_S = 60.0


def nats_program() -> str:
    """Return the path of nats-server; the test does not run when there is none."""
    found = shutil.which("nats-server", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if found is None:
        not_run("nats", "the program is not installed, `make services` does (root)")
    return found


@dataclass
class OwnNats:
    """One member of a cluster; its ports and data stay the same over its lives."""

    name: str
    folder: Path
    port: int = field(default_factory=free_port)
    mqtt_port: int = field(default_factory=free_port)
    monitor_port: int = field(default_factory=free_port)
    route_port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where its clients connect."""
        return f"nats://127.0.0.1:{self.port}"

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    def configure(
        self, cluster: Sequence[OwnNats], ports: Sequence[int] | None = None, advertise: int | None = None
    ) -> None:
        """Write its configuration, as a member of this cluster; a cluster of one is a server by itself.

        It reaches the others at `ports`, where they are given, and tells others to reach it at `advertise`.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        dialled = [other.route_port for other in cluster if other is not self] if ports is None else ports
        routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in dialled)
        told = f'advertise: "127.0.0.1:{advertise}", ' if advertise else ""
        clustered = f'cluster {{ name: "test", listen: "127.0.0.1:{self.route_port}", {told}routes: [{routes}] }}'
        (self.folder / "nats.conf").write_text(
            f"""
            server_name: "{self.name}"
            listen: "127.0.0.1:{self.port}"
            http: "127.0.0.1:{self.monitor_port}"
            jetstream {{ store_dir: "{self.folder / "jetstream"}" }}
            mqtt {{ listen: "127.0.0.1:{self.mqtt_port}", stream_replicas: {len(cluster)} }}
            {clustered if len(cluster) > 1 else ""}
            """,
            encoding="utf-8",
        )

    def start(self) -> None:
        """Start it with what its last life left on the disk; use `await_healthy` before relying on it."""
        assert not self.running
        with (self.folder / "log").open("ab") as log:
            command = [nats_program(), "-c", str(self.folder / "nats.conf")]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)

    def await_healthy(self, size: int = 3) -> None:
        """Wait until its health check is content and, in a cluster, it knows a leader of one of that size."""
        deadline = time.monotonic() + READY_WITHIN_S
        while not (self._ask("healthz").get("status") == "ok" and (size == 1 or self._clustered(size))):
            if not self.running or time.monotonic() > deadline:
                raise AssertionError(f"{self.name}: {(self.folder / 'log').read_text(encoding='utf-8')[-2000:]}")
            time.sleep(0.05)

    def leader(self) -> str:
        """Return the name of JetStream's leader as this member knows it; empty when it knows none."""
        return str(self._ask("jsz").get("meta_cluster", {}).get("leader", ""))

    def stream_leader(self, stream: str) -> str:
        """Return the name of the member that leads a stream, as this member knows it; empty when it knows none."""
        accounts = self._ask("jsz?streams=true").get("account_details", [])
        details = [each for account in accounts for each in account.get("stream_detail", []) if each["name"] == stream]
        return str(details[0].get("cluster", {}).get("leader", "")) if details else ""

    def _clustered(self, size: int) -> bool:
        return bool(self.leader()) and int(self._ask("jsz").get("meta_cluster", {}).get("cluster_size", 0)) == size

    def _ask(self, page: str) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.monitor_port}/{page}", timeout=2) as answer:
                page_content: dict[str, Any] = json.load(answer)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return {}
        return page_content

    @property
    def log(self) -> str:
        """What it wrote, over all its lives."""
        return (self.folder / "log").read_text(encoding="utf-8")

    def reload(self) -> None:
        """Have it read its configuration again. Ref: nats-server(1), SIGHUP."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def kill(self) -> None:
        """End it as a power cut would: SIGKILL."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in order; harmless when it is not running."""
        self._end(signal.SIGINT)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None and self.running:
            self._process.send_signal(number)
            self._process.wait(15)


def make_cluster(folder: Path, size: int) -> list[OwnNats]:
    """Make and start the members of a cluster with JetStream; they still have to find one another."""
    nats_program()
    members = [OwnNats(f"nats-{i}", folder / f"nats-{i}") for i in range(size)]
    for member in members:
        member.configure(members)
        member.start()
    return members
