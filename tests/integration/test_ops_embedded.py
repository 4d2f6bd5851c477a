"""The embedded services serve, and leave nothing behind however they end."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import aiomqtt
import psutil
import psycopg
import pytest

from hubwatch_core.errors import Permanent
from hubwatch_ops.embedded import embedded_broker, embedded_postgres, running_broker, running_postgres
from hubwatch_ops.embedded.kept import kept
from hubwatch_ops.embedded.wheel import postgres_bin
from support.eventually import eventually
from support.ports import free_port

HOLDER = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts jobs in the background with it ignored
from hubwatch_ops.embedded import running_broker, running_postgres
with running_postgres() as dsn, running_broker() as (host, port):
    print(dsn, host, port, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path, int]]:
    """Start a program that runs both services; gives it, the server's folder and the broker's port."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    assert process.stdout is not None
    dsn, _, port = process.stdout.readline().split()
    yield process, _folder(dsn), int(port)
    process.kill()
    process.wait()
    process.stdout.close()


def _folder(dsn: str) -> Path:
    return Path(parse_qs(urlsplit(dsn).query)["host"][0])


def _running_below(folder: Path) -> list[str]:
    """Return the command lines of all processes that name the folder or work in it."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        if str(folder) in line:
            found.append(line)
    return found


async def test_postgres_serves_and_is_gone_with_its_data_afterwards() -> None:
    async with embedded_postgres() as dsn:
        folder = _folder(dsn)
        async with await psycopg.AsyncConnection.connect(dsn) as connection:
            cursor = await connection.execute("SHOW synchronous_commit")
            assert await cursor.fetchone() == ("on",)
        assert _running_below(folder)
    assert not _running_below(folder)
    assert not folder.exists()


async def test_postgres_without_port_listens_on_no_network() -> None:
    async with embedded_postgres() as dsn, await psycopg.AsyncConnection.connect(dsn) as connection:
        cursor = await connection.execute("SHOW listen_addresses")
        assert await cursor.fetchone() == ("",)
        assert _folder(dsn).stat().st_mode & 0o077 == 0


async def test_postgres_with_port_is_reached_by_tcp() -> None:
    port = free_port()
    async with embedded_postgres(port) as dsn:
        assert f"127.0.0.1:{port}" in dsn
        async with await psycopg.AsyncConnection.connect(dsn):
            pass


def test_two_servers_run_beside_one_another() -> None:
    with running_postgres() as one, running_postgres() as two, running_broker() as a, running_broker() as b:
        assert one != two
        assert a != b


def test_postgres_installed_where_only_its_owner_can_look_is_run_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)  # as /root is; PostgreSQL itself runs as nobody when we are root
    package = postgres_bin().parents[1]
    for folder in package.parent.glob(f"{package.name}*"):
        shutil.copytree(folder, private / folder.name)
    hidden = private / postgres_bin().relative_to(package.parent)
    monkeypatch.setattr("hubwatch_ops.embedded.postgres.postgres_bin", lambda _version: hidden)
    with running_postgres() as dsn, psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert private.stat().st_mode & 0o777 == 0o700


def test_postgres_that_cannot_start_says_why_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubwatch_ops.embedded.postgres.SETTINGS", {"max_connections": "none"})
    made: list[str] = []
    make = tempfile.mkdtemp

    def noted(*names: str, **more: str) -> str:
        made.append(make(*names, **more))
        return made[-1]

    # Others have such folders too, and make and remove them meanwhile.
    monkeypatch.setattr(tempfile, "mkdtemp", noted)
    with pytest.raises(Permanent, match=r"did not start: .*max_connections") as caught, running_postgres():
        pass
    assert "\n" not in str(caught.value)
    assert made
    assert not any(Path(folder).exists() for folder in made)


@pytest.mark.parametrize("start", [running_postgres, running_broker])
def test_missing_extra_is_named_in_one_line(start: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert callable(start)
    with pytest.raises(Permanent, match=r"is not installed; .*hubwatch\[embedded\]"), start():
        pass


async def test_broker_delivers_and_keeps_retained_messages() -> None:
    async with embedded_broker() as (host, port):
        async with aiomqtt.Client(host, port) as client:
            await client.publish("a/retained", b"kept", qos=1, retain=True)
        async with aiomqtt.Client(host, port) as client:
            await client.subscribe("a/#", qos=1)
            async with asyncio.timeout(60):
                message = await anext(client.messages)
            assert message.payload == b"kept"


async def test_last_will_is_sent_when_a_client_vanishes() -> None:
    async with embedded_broker() as address, aiomqtt.Client(*address) as watcher:
        await watcher.subscribe("state", qos=1)
        dying = aiomqtt.Client(*address, will=aiomqtt.Will("state", b"offline", qos=1))
        await dying.__aenter__()
        connection = dying._client.socket()
        assert connection is not None
        connection.close()
        async with asyncio.timeout(60):
            message = await anext(watcher.messages)
        assert message.payload == b"offline"
        dying._disconnected.cancel()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
async def test_nothing_is_left_when_the_program_is_ended_by(
    number: signal.Signals, holder: tuple[subprocess.Popen[str], Path, int]
) -> None:
    process, folder, port = holder
    children = psutil.Process(process.pid).children(recursive=True)
    assert len(children) > 5  # two keepers, the broker, the postmaster and its workers
    os.kill(process.pid, number)
    await eventually(lambda: not any(child.is_running() for child in children))
    await eventually(lambda: not folder.exists())
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


def test_kept_process_that_ignores_its_end_is_killed(tmp_path: Path) -> None:
    stubborn = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('up', flush=True)"
    command = [sys.executable, "-c", f"{stubborn}; time.sleep(60)"]
    with kept(command, log=tmp_path / "log", end_within_s=0.3) as process:
        assert process.output.readline() == b"up\n"
        child = psutil.Process(process.keeper.pid).children()[0]
    assert not child.is_running()


def test_keeper_reports_a_process_that_ends_by_itself(tmp_path: Path) -> None:
    dying = "import sys; sys.stderr.write('first\\nout of luck\\n'); sys.exit(3)"
    with kept([sys.executable, "-c", dying], log=tmp_path / "log", remove=tmp_path / "stays") as process:
        assert process.keeper.wait(10) == 3
        assert process.ended
        assert process.last_words() == "out of luck"
