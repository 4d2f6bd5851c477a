"""What free_port promises: nobody else is given the port between the asking and the use."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from support.ports import free_port

TESTS = Path(__file__).parents[1]
TAKE = "from support.ports import free_port; print([free_port() for _ in range(500)])"


def taken_by(worker: str, monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Return the ports that another test worker is given."""
    monkeypatch.setenv("PYTEST_XDIST_WORKER", worker)
    printed = subprocess.run([sys.executable, "-c", TAKE], cwd=TESTS, check=True, capture_output=True, text=True)
    return {int(each) for each in printed.stdout.strip("[]\n").split(",")}


def test_two_workers_never_get_the_same_port(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not taken_by("gw0", monkeypatch) & taken_by("gw1", monkeypatch)


def test_two_runs_beside_each_other_never_get_the_same_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEST_PORTS_FROM", raising=False)
    first = taken_by("gw0", monkeypatch)
    monkeypatch.setenv("TEST_PORTS_FROM", "10")
    assert not first & taken_by("gw0", monkeypatch)


def test_no_connection_is_given_the_port() -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert max(free_port() for _ in range(2000)) < max(lowest, 32_768)


def test_taken_port_is_passed_over() -> None:
    first = free_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", first + 1))
        assert free_port() != first + 1
