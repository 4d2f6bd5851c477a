"""The service runner as real processes with real signals and a real notify socket."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support import child_service
from support.ports import free_port

IN_ORDER = ["last stopping", "last stopped", "middle stopping", "middle stopped", "first stopping", "first stopped"]
AROUND_THE_MIDDLE = ["last stopping", "last stopped", "first stopping", "first stopped"]

Child = subprocess.Popen[str]
Start = Callable[..., Child]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a case of `support/child_service.py`; what is still there at the end is killed."""
    children: list[Child] = []

    def begin(case: str, *more: str, **env: str) -> Child:
        assert case in child_service.CASES
        command = [sys.executable, str(child_service.__file__), case, *more]
        surroundings = {name: value for name, value in os.environ.items() if not name.startswith("WATCHDOG")} | env
        pipe = subprocess.PIPE
        children.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=surroundings))
        return children[-1]

    yield begin
    for child in children:
        child.kill()
        child.communicate(timeout=60)


@pytest.fixture
def notified(tmp_path: Path) -> Iterator[socket.socket]:
    """A socket such as systemd's."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(tmp_path / "notify"))
        server.settimeout(60)
        yield server


def _up(child: Child, *parts: str) -> None:
    """Wait until the parts have said that they are up."""
    assert child.stdout is not None
    assert {child.stdout.readline().strip() for _ in parts} == {f"{part} up" for part in parts}


def _end(child: Child) -> tuple[int, list[str], list[str]]:
    """Wait for the end; give exit code, what was said on standard output, and the lines on standard error."""
    out, err = child.communicate(timeout=60)
    return child.returncode, out.splitlines(), err.splitlines()


def _plain(err: list[str]) -> list[str]:
    """Return the lines that are meant for people, without the log."""
    return [line for line in err if not line.startswith("{")]


def _events(err: list[str]) -> list[str]:
    return [json.loads(line)["event"] for line in err if line.startswith("{")]


def _waiting(notified: socket.socket) -> list[bytes]:
    """Return what has come and not been read."""
    heard: list[bytes] = []
    patience_s = notified.gettimeout()
    notified.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            heard.append(notified.recv(100))
    notified.settimeout(patience_s)
    return heard


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_stops_the_parts_in_reverse_order_and_exits_with_0(start: Start, number: signal.Signals) -> None:
    child = start("fine")
    _up(child, "first", "middle", "last")
    child.send_signal(number)
    code, out, err = _end(child)
    assert (code, out, _plain(err)) == (0, IN_ORDER, [])
    assert _events(err) == ["started", "stopped"]


def test_second_signal_while_stopping_changes_nothing(start: Start) -> None:
    child = start("fine")
    _up(child, "first", "middle", "last")
    child.send_signal(signal.SIGTERM)
    child.send_signal(signal.SIGINT)
    code, out, _ = _end(child)
    assert (code, out) == (0, IN_ORDER)


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("fails", "the disk is full"),
        ("ends_unasked", "part middle ended unasked"),
        ("is_cancelled_from_within", "part middle was cancelled unasked"),
    ],
)
def test_part_that_fails_or_ends_stops_the_rest_in_order_and_exits_with_1(start: Start, case: str, said: str) -> None:
    child = start(case)
    _up(child, "first", "last")
    code, out, err = _end(child)
    assert (code, out) == (1, AROUND_THE_MIDDLE)
    assert _plain(err) == [f"hubwatch test: {said}"]
    assert _events(err) == ["started", "part failed, stopping all"]


def test_part_that_fails_while_stopping_lets_the_rest_finish_and_exits_with_1(start: Start) -> None:
    child = start("fails_while_stopping")
    _up(child, "first", "last")
    child.terminate()
    code, out, err = _end(child)
    assert (code, out) == (1, AROUND_THE_MIDDLE)
    assert _plain(err) == ["hubwatch test: the last batch was not written"]


def test_part_that_does_not_finish_in_time_is_cancelled_and_the_rest_still_finishes(start: Start) -> None:
    child = start("does_not_finish")
    _up(child, "first", "last")
    child.terminate()
    began = time.monotonic()
    code, out, err = _end(child)
    assert code == 1
    assert out == ["last stopping", "last stopped", "middle cancelled", "first stopping", "first stopped"]
    assert _plain(err) == ["hubwatch test: part middle did not finish within 1 s"]
    assert time.monotonic() - began < 10


def test_fault_in_the_program_stops_in_order_and_shows_its_traceback(start: Start) -> None:
    child = start("has_a_bug")
    _up(child, "first", "last")
    code, out, err = _end(child)
    assert (code, out) == (1, AROUND_THE_MIDDLE)
    assert any("ZeroDivisionError" in line for line in _plain(err))
    assert any("Traceback" in line for line in _plain(err))


def test_known_failure_is_told_in_its_line_beside_a_fault_in_the_program(start: Start) -> None:
    child = start("fails_twice")
    _up(child, "first", "last")
    code, _, err = _end(child)
    assert code == 1
    assert "hubwatch test: the disk is full" in _plain(err)
    assert any("ZeroDivisionError" in line for line in _plain(err))


def test_parts_that_cannot_be_made_are_one_line_and_exit_code_1(start: Start) -> None:
    code, out, err = _end(start("cannot_be_made"))
    assert (code, out, _plain(err)) == (1, [], ["hubwatch test: the database is away"])


def test_telemetry_port_that_is_taken_is_one_line_and_exit_code_1(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, out, err = _end(start("fine", str(taken.getsockname()[1])))
    assert (code, out) == (1, [])
    (line,) = _plain(err)
    assert line.startswith("hubwatch test: telemetry cannot listen on 127.0.0.1:")


def test_telemetry_serves_the_figures_of_the_process_itself(start: Start) -> None:
    port = free_port()
    child = start("fine", str(port))
    _up(child, "first", "middle", "last")
    with socket.create_connection(("127.0.0.1", port), timeout=5) as link:
        link.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        answer = b"".join(iter(lambda: link.recv(65536), b""))
    assert b"process_resident_memory_bytes" in answer
    child.terminate()
    assert _end(child)[0] == 0


def test_systemd_hears_ready_then_the_watchdog_then_stopping(
    start: Start, notified: socket.socket, tmp_path: Path
) -> None:
    child = start("fine", NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="100000")
    heard = [notified.recv(100) for _ in range(5)]
    assert heard[0] == b"READY=1"
    assert set(heard[1:]) == {b"WATCHDOG=1"}
    child.terminate()
    while heard[-1] != b"STOPPING=1":
        heard.append(notified.recv(100))
    assert set(heard[1:-1]) == {b"WATCHDOG=1"}
    assert _end(child)[0] == 0


def test_blocked_loop_misses_the_watchdog(start: Start, notified: socket.socket, tmp_path: Path) -> None:
    child = start("blocks_the_loop", NOTIFY_SOCKET=str(tmp_path / "notify"), WATCHDOG_USEC="100000")
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stdout.readline() == "blocked\n"
    _waiting(notified)
    time.sleep(0.5)
    assert _waiting(notified) == [], "it came while the loop was blocked"
    child.stdin.write("go on\n")
    child.stdin.flush()
    assert notified.recv(100) == b"WATCHDOG=1"
    assert child.stdout.readline() == "free\n"


def test_without_a_watchdog_systemd_hears_only_ready_and_stopping(
    start: Start, notified: socket.socket, tmp_path: Path
) -> None:
    child = start("fine", NOTIFY_SOCKET=str(tmp_path / "notify"))
    assert notified.recv(100) == b"READY=1"
    _up(child, "first", "middle", "last")
    child.terminate()
    assert notified.recv(100) == b"STOPPING=1"
    assert _end(child)[0] == 0
    assert _waiting(notified) == []
