"""The services script minds its own processes only, finds free ports, and says what is down."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from support.eventually import eventually
from support.own_mosquitto import mosquitto_program

REPOSITORY = Path(__file__).parents[2]
SCRIPT = REPOSITORY / "ops" / "dev" / "services.sh"
LIB = SCRIPT.parent / "lib"


class Shell:
    """Runs lines of bash with the script's functions, on a services folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for part in ("run", "log"):
            (folder / part).mkdir()

    def run(self, lines: str) -> subprocess.CompletedProcess[str]:
        """Run the lines; gives what came of them."""
        parts = " ".join(str(LIB / f"{name}.sh") for name in ("process", "mosquitto"))
        start = f"set -eu; SERVICES={self.folder}; say() {{ :; }}; for p in {parts}; do source $p; done\n"
        return subprocess.run(["bash", "-c", start + lines], capture_output=True, text=True, check=False)

    def pid(self, name: str) -> int:
        """Return the pid the script remembers."""
        return int((self.folder / "run" / f"{name}.pid").read_text(encoding="utf-8").split()[0])


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path)
    yield shell
    for file in (tmp_path / "run").glob("*.pid"):
        shell.run(f"stop_one {file.stem}")


async def test_launched_process_outlives_the_shell_and_is_stopped_by_name(shell: Shell) -> None:
    assert shell.run("launch nap sleep 600").returncode == 0
    process = psutil.Process(shell.pid("nap"))
    assert shell.run("alive nap").returncode == 0
    await eventually(lambda: process.cmdline() == ["sleep", "600"])  # it is another program until it runs this one
    # sleep knows no SIGINT handler and bash's background children ignore it, so let SIGTERM do the work here.
    process.terminate()
    process.wait(5)
    assert shell.run("alive nap").returncode == 1


def test_other_process_with_the_same_pid_is_not_taken_for_ours(shell: Shell) -> None:
    shell.run("launch nap sleep 600")
    ours = shell.pid("nap")
    (shell.folder / "run" / "nap.pid").write_text(f"{ours} 1\n", encoding="utf-8")  # began at another time
    assert shell.run("alive nap").returncode == 1
    shell.run("stop_one nap")
    assert psutil.pid_exists(ours)
    os.kill(ours, signal.SIGKILL)


def test_process_that_died_is_not_alive(shell: Shell) -> None:
    assert shell.run("launch gone true; sleep 0.2; ! alive gone").returncode == 0


def test_free_port_is_not_one_that_somebody_listens_on(shell: Shell) -> None:
    ports = [int(port) for port in shell.run("for i in 1 2 3 4 5; do free_port; done").stdout.split()]
    assert len(set(ports)) == 5
    assert all(10_000 <= port < 30_000 for port in ports)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", ports[0]))
        taken.listen()
        probe = shell.run(f"{{ : <>/dev/tcp/127.0.0.1/{ports[0]}; }} 2>/dev/null")
        assert probe.returncode == 0  # what free_port takes for "somebody listens"


def test_mosquitto_is_ready_only_when_it_answers_mqtt(shell: Shell) -> None:
    mosquitto_program()
    assert shell.run("mosquitto_prepare; mosquitto_configure; mosquitto_launch").returncode == 0
    waits = "for i in $(seq 100); do if mosquitto_ready; then exit 0; fi; sleep 0.1; done; exit 1"
    assert shell.run(waits).returncode == 0
    port = int((shell.folder / "run" / "mosquitto.port").read_text(encoding="utf-8"))
    assert shell.run("stop_one mosquitto").returncode == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    assert not (shell.folder / "run" / "mosquitto.port").exists()


def test_port_that_speaks_something_else_is_not_mosquitto(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        (shell.folder / "run" / "mosquitto.port").write_text(f"{deaf.getsockname()[1]}\n", encoding="utf-8")
        assert shell.run("mosquitto_ready").returncode != 0


def test_status_in_a_checkout_without_services_says_all_is_down(tmp_path: Path) -> None:
    (tmp_path / "ops").mkdir()
    copy = tmp_path / "ops" / "dev-copy"
    subprocess.run(["cp", "-r", str(SCRIPT.parent), str(copy)], check=True)
    done = subprocess.run([str(copy / "services.sh"), "status"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert [line.split()[:2] for line in done.stdout.splitlines()[1:]] == [
        ["mosquitto", "down"],
        ["mosquitto_tls", "down"],
        ["nats", "down"],
        ["nats_tls", "down"],
        ["timescaledb", "down"],
    ]


def test_unknown_command_shows_the_usage() -> None:
    done = subprocess.run([str(SCRIPT), "restart"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "start|stop|status" in done.stderr


@pytest.mark.parametrize(
    "script", [SCRIPT, *sorted(LIB.glob("*.sh")), REPOSITORY / ".ci" / "run"], ids=lambda p: p.name
)
def test_script_is_valid_bash(script: Path) -> None:
    assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0
