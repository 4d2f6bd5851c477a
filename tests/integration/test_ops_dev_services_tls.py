"""What `make services` sets up with certificates: an agent and a collector of that make work with each other."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import aiomqtt
import psycopg
import pytest

from support.children import Children, run
from support.eventually import eventually
from support.own_mosquitto import mosquitto_program
from support.own_nats import nats_program

LIB = Path(__file__).parents[2] / "ops" / "dev" / "lib"
PARTS = ("process", "pki", "mosquitto", "mosquitto_tls", "nats", "nats_tls", "clients")
BOTH = "mosquitto_tls nats_tls"
WITHIN_S = 120.0


def shell(services: Path, lines: str) -> subprocess.CompletedProcess[str]:
    """Run lines of bash with the functions of the services script."""
    sources = "".join(f"source {LIB / part}.sh\n" for part in PARTS)
    begin = f"set -eu\nSERVICES={services}\nsay() {{ echo services: $* >&2; }}\n"
    return subprocess.run(["bash", "-c", begin + sources + lines], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Start both servers as the script does, in a folder of their own."""
    mosquitto_program()
    nats_program()
    folder = tmp_path_factory.mktemp("services")
    for part in ("run", "log"):
        (folder / part).mkdir()
    started = shell(
        folder,
        f"""
for name in {BOTH}; do
  "${{name}}_prepare"; "${{name}}_configure"; "${{name}}_launch"
  for try in $(seq 300); do if "${{name}}_ready"; then continue 2; fi; sleep 0.1; done
  exit 1
done
write_clients
tell_clients
""",
    )
    try:
        assert started.returncode == 0, started.stderr + _logs(folder)
        assert f"hubwatch agent run -c {folder}/clients/agent.toml" in started.stderr
        yield folder
    finally:
        shell(folder, f"for name in {BOTH}; do stop_one $name; done")


def _logs(folder: Path) -> str:
    return "".join(file.read_text(encoding="utf-8") for file in (folder / "log").iterdir())


@pytest.mark.parametrize("end", ["", "-nats"], ids=["mosquitto", "nats"])
async def test_agent_and_collector_work_by_the_certificates_that_were_made(
    services: Path, end: str, migrated_timescale_dsn: str, tmp_path: Path
) -> None:
    clients = services / "clients"
    checked = await asyncio.to_thread(run, "agent", "check-config", str(clients / f"agent{end}.toml"))
    assert checked.returncode == 0, checked.stderr + checked.stdout
    children = Children(tmp_path)
    children.environment = {"HUBWATCH_DATABASE__DSN": migrated_timescale_dsn}
    try:
        children.start("collector", "collector", "run", "-c", str(clients / f"collector{end}.toml"))
        children.start("agent", "agent", "run", "-c", str(clients / f"agent{end}.toml"))

        def senders() -> list[tuple[str, str]]:
            with psycopg.connect(migrated_timescale_dsn) as connection:
                return connection.execute("SELECT DISTINCT hub, agent FROM hubwatch.ledger_account").fetchall()

        await eventually(lambda: asyncio.to_thread(lambda: senders() == [("rotterdam", "gate-7")]), WITHIN_S)
    finally:
        children.end_all()


async def test_detectors_are_let_in_and_nobody_without_a_certificate(services: Path) -> None:
    port = int((services / "run" / "mosquitto_tls.port").read_text(encoding="utf-8"))
    pki = services / "pki"
    known = ssl.create_default_context(cafile=pki / "ca.pem")
    with (
        socket.create_connection(("127.0.0.1", port), timeout=WITHIN_S) as plain,
        known.wrap_socket(plain, server_hostname="localhost") as secured,
        pytest.raises(ssl.SSLError, match="certificate required"),
    ):
        secured.recv(1)
    known.load_cert_chain(pki / "detectors.pem", pki / "detectors.key")
    async with aiomqtt.Client("127.0.0.1", port, tls_context=known, timeout=20) as detectors:
        await detectors.subscribe("hubwatch/1/+/+/frame")


def test_keys_are_for_their_owner_alone_and_made_once(services: Path) -> None:
    key = services / "pki" / "agent.key"
    before = key.read_bytes()
    assert (services / "pki").stat().st_mode & 0o077 == 0
    assert key.stat().st_mode & 0o077 == 0
    assert shell(services, "pki_prepare").returncode == 0
    assert key.read_bytes() == before
