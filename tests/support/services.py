"""Finds the services that `make services` started, and says plainly when one a test needs is not there."""

from __future__ import annotations

import functools
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

import pytest

ENV_FILE = Path(__file__).parents[2] / ".services" / "env"
NEEDS = "needs the service "
"""How the reason of a test that did not run begins; the summary at the end finds it by this."""


@dataclass(frozen=True, slots=True)
class Nats:
    """Addresses of one NATS server: its own protocol, its MQTT listener, its monitoring pages."""

    url: str
    mqtt_host: str
    mqtt_port: int
    monitor_url: str


def mosquitto_address() -> tuple[str, int]:
    """Return host and port of the shared Mosquitto."""
    env = _of("mosquitto", "MOSQUITTO_HOST", "MOSQUITTO_PORT")
    host, port = env["MOSQUITTO_HOST"], int(env["MOSQUITTO_PORT"])
    return _listening("mosquitto", host, port)


def timescale_server() -> str:
    """Return the DSN of the TimescaleDB server's maintenance database."""
    dsn = _of("timescaledb", "TIMESCALE_DSN")["TIMESCALE_DSN"]
    parts = urlsplit(dsn)
    _listening("timescaledb", str(parts.hostname), int(parts.port or 5432))
    return dsn


def nats_server() -> Nats:
    """Return the addresses of the shared NATS server."""
    env = _of("nats", "NATS_URL", "NATS_MQTT_HOST", "NATS_MQTT_PORT", "NATS_MONITOR_URL")
    parts = urlsplit(env["NATS_URL"])
    _listening("nats", str(parts.hostname), int(parts.port or 4222))
    return Nats(env["NATS_URL"], env["NATS_MQTT_HOST"], int(env["NATS_MQTT_PORT"]), env["NATS_MONITOR_URL"])


def not_run(service: str, why: str) -> NoReturn:
    """End a test whose service is missing: an error where services are required (CI), else not run."""
    message = f"{NEEDS}{service}: {why}"
    if os.environ.get("HUBWATCH_REQUIRE_SERVICES") == "1":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def summary(reports: Sequence[pytest.TestReport]) -> list[str]:
    """Return the lines that say which tests did not run for want of which service."""
    lines = []
    for report in reports:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        if NEEDS in reason:
            lines.append(f"{reason.split(NEEDS, 1)[1]}  {report.nodeid}")
    return sorted(lines)


@functools.cache
def started() -> dict[str, str]:
    """Return what the services' start wrote down: ports and DSNs by name; empty when it was never called."""
    try:
        text = ENV_FILE.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def _of(service: str, *keys: str) -> dict[str, str]:
    env = started()
    if not all(key in env for key in keys):
        not_run(service, "not started, `make services` does")
    return env


def _listening(service: str, host: str, port: int) -> tuple[str, int]:
    try:
        socket.create_connection((host, port), timeout=2).close()
    except OSError as error:
        not_run(service, f"nothing listens on {host}:{port} ({error})")
    return host, port
