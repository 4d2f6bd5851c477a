"""sd_notify over real datagram sockets, in the file system and abstract; the watchdog's period."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hubwatch_core.ids import new_ulid
from hubwatch_core.process.systemd import notify, watchdog_period_s


@contextmanager
def _listening(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(address)
        server.settimeout(60)
        yield server


def test_state_arrives_at_a_socket_in_the_file_system(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with _listening(path) as server:
        assert notify("READY=1", {"NOTIFY_SOCKET": path})
        assert server.recv(100) == b"READY=1"


def test_state_arrives_at_an_abstract_socket() -> None:
    name = f"hubwatch-{new_ulid()}"
    with _listening(f"\0{name}") as server:
        assert notify("STOPPING=1\nSTATUS=µ", {"NOTIFY_SOCKET": f"@{name}"})
        assert server.recv(100) == "STOPPING=1\nSTATUS=µ".encode()


def test_systemd_that_reads_nothing_is_not_waited_for(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with _listening(path):
        sent = [notify("WATCHDOG=1", {"NOTIFY_SOCKET": path}) for _ in range(10_000)]
    assert sent[0]
    assert not sent[-1]


@pytest.mark.parametrize(
    "env", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "relative"}, {"NOTIFY_SOCKET": "vsock:2:1"}]
)
def test_without_a_socket_of_systemd_nothing_is_sent(env: dict[str, str]) -> None:
    assert not notify("READY=1", env)


def test_socket_that_has_gone_is_no_fault(tmp_path: Path) -> None:
    assert not notify("READY=1", {"NOTIFY_SOCKET": str(tmp_path / "gone")})


def test_path_longer_than_a_socket_address_is_no_fault() -> None:
    assert not notify("READY=1", {"NOTIFY_SOCKET": "/" + "x" * 500})


def test_notifying_leaves_no_file_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(10):
        notify("READY=1", {"NOTIFY_SOCKET": str(tmp_path / "gone")})
    assert len(os.listdir("/proc/self/fd")) == before


def test_environment_of_the_process_is_read_when_none_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", path)
    monkeypatch.setenv("WATCHDOG_USEC", "4000000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    with _listening(path) as server:
        assert notify("READY=1")
        assert server.recv(100) == b"READY=1"
    assert watchdog_period_s() == 2.0


def test_watchdog_is_fed_twice_in_the_time_systemd_allows() -> None:
    assert watchdog_period_s({"WATCHDOG_USEC": "30000000"}) == 15.0
    assert watchdog_period_s({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}) == 15.0


def test_watchdog_that_watches_another_process_is_not_ours_to_feed() -> None:
    assert watchdog_period_s({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}) is None


@pytest.mark.parametrize("micros", ["", "0", "-1", "many", "1.5", "²"])
def test_watchdog_without_a_time_is_none(micros: str) -> None:
    assert watchdog_period_s({"WATCHDOG_USEC": micros}) is None
