"""A gateway from nothing to a stored signed frame over mTLS, by an operator's commands; renewed; revoked, and out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from hubwatch_agents.identity.folder import IdentityFolder
from support.children import Children, run
from support.eventually import eventually
from support.fix_mqtt import MakeMosquitto
from support.own_mosquitto import OwnMosquitto
from support.pki_folder import HERE, PASSPHRASE, PkiFolder
from support.ports import free_port
from support.sample_mosquitto import start_sample

HUB, AGENT = "rotterdam", "gate-7"
WITHIN_S = 90.0
"""Programs start one after the other here: on a busy machine each takes ten times as long as on an idle one."""
OUT_WITHIN_S = 60.0


@dataclass
class Hub:
    """A hub with an authority, a broker that demands certificates, a collector, and enrolment."""

    folder: Path
    pki: PkiFolder
    broker: OwnMosquitto
    dsn: str
    children: Children
    port: int = field(default_factory=free_port)

    @property
    def config(self) -> str:
        return str(self.folder / "hub.toml")

    @property
    def agent_config(self) -> str:
        return str(self.folder / "gateway" / "agent.toml")

    @property
    def identity(self) -> IdentityFolder:
        return IdentityFolder(self.folder / "gateway" / "identity")

    def write(self) -> None:
        own, enrolment = self.pki.service("collector"), self.pki.service("enrolment")
        (self.folder / "passphrase").write_text(PASSPHRASE, encoding="utf-8")
        (self.folder / "gateway").mkdir()
        shared = f"""
[mqtt]
host = "127.0.0.1"
port = {self.broker.port}
max_reconnect_s = 1.0
[mqtt.tls]
ca_file = "{own.ca_file}"
cert_file = "{own.cert_file}"
key_file = "{own.key_file}"
[database]
dsn = "{self.dsn}"
"""
        demand = '[intake]\nsignatures = "require"\n'
        (self.folder / "collector.toml").write_text(shared + demand, encoding="utf-8")
        text = f"""{shared}
[enrolment]
host = "127.0.0.1"
port = {self.port}
cert_file = "{enrolment.cert_file}"
key_file = "{enrolment.key_file}"
pki_folder = "{self.pki.authority.folder}"
passphrase_file = "{self.folder / "passphrase"}"
broker = "{HERE[0]}:{self.broker.port}"
broker_pid = "{self.folder / "broker.pid"}"
"""
        Path(self.config).write_text(text, encoding="utf-8")
        (self.folder / "broker.pid").write_text(f"{self.broker.pid}\n", encoding="utf-8")
        spool = self.folder / "gateway" / "spool"
        gateway = f'hub = "{HUB}"\nagent = "{AGENT}"\n[privacy]\nsubjects = "raw"\n[spool]\ndirectory = "{spool}"\n'
        Path(self.agent_config).write_text(gateway, encoding="utf-8")

    def done(self, *command: str) -> str:
        """Run a command that must succeed; gives what it prints."""
        ended = run(*command)
        assert ended.returncode == 0, ended.stderr + ended.stdout
        return ended.stdout

    def ask(self, query: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.dsn) as connection:
            return connection.execute(query).fetchall()

    def frames(self) -> int:
        return int(str(self.ask("SELECT count(*) FROM hubwatch.frames")[0][0]))

    def token(self) -> str:
        file = self.folder / "token"
        self.done(
            "enrol", "token", "--hub", HUB, "--agent", AGENT, "--by", "ann", "--out", str(file), "-c", self.config
        )
        assert file.stat().st_mode & 0o077 == 0
        return str(file)

    def enrol(self, token: str) -> None:
        url = f"https://localhost:{self.port}"
        self.done("agent", "enrol", url, "--token-file", token, "-c", self.agent_config)


@pytest.fixture
def hub(tmp_path: Path, migrated_timescale_dsn: str, make_mosquitto: MakeMosquitto) -> Iterator[Hub]:
    pki = PkiFolder(tmp_path)
    children = Children(tmp_path)
    made = Hub(tmp_path, pki, start_sample(pki, make_mosquitto), migrated_timescale_dsn, children)
    made.write()
    children.start("enrolment", "enrol", "serve", "-c", made.config)
    children.start("collector", "collector", "run", "-c", str(tmp_path / "collector.toml"))
    try:
        yield made
    finally:
        children.end_all()


def logged(hub: Hub, name: str, said: str, times: int = 1) -> Callable[[], bool]:
    return lambda: hub.children.log(name).count(said) >= times


async def test_gateway_is_enrolled_renewed_and_revoked(hub: Hub) -> None:
    await eventually(logged(hub, "enrolment", "enrolment listening"), WITHIN_S)
    token = await asyncio.to_thread(hub.token)
    await asyncio.to_thread(hub.enrol, token)
    assert hub.identity.key_file.stat().st_mode & 0o077 == 0
    assert run("agent", "check-config", hub.agent_config).returncode in (0, 3)
    hub.children.start("agent", "agent", "run", "-c", hub.agent_config)
    await eventually(lambda: asyncio.to_thread(hub.frames), WITHIN_S)

    # The token is used up, and nobody else gets in by it.
    stranger = hub.folder / "stranger.toml"
    stranger.write_text(f'hub = "{HUB}"\nagent = "{AGENT}"\n', encoding="utf-8")
    url = f"https://localhost:{hub.port}"
    told = await asyncio.to_thread(run, "agent", "enrol", url, "--token-file", token, "-c", str(stranger))
    assert told.returncode == 1
    assert "the token was used before" in told.stderr

    # Asked to, the agent takes another key when it next asks; the former one stays good.
    former = hub.identity.read().serial
    await asyncio.to_thread(hub.done, "enrol", "renew", f"{HUB}/{AGENT}", "--by", "ann", "-c", hub.config)
    assert hub.children.stop("agent") == 0
    hub.children.start("agent")
    await eventually(lambda: hub.identity.read().serial != former, WITHIN_S)
    listed = await asyncio.to_thread(hub.done, "enrol", "list", "-c", hub.config)
    assert listed.count("  good") == 2, listed

    # Revoked, it is out within a minute, its standing connection too, and stays out.
    before = await asyncio.to_thread(hub.frames)
    await eventually(lambda: asyncio.to_thread(lambda: hub.frames() > before), WITHIN_S)
    began = time.monotonic()
    reason = ("--by", "ann", "--reason", "stolen")
    await asyncio.to_thread(hub.done, "enrol", "revoke", f"{HUB}/{AGENT}", *reason, "-c", hub.config)
    await eventually(logged(hub, "agent", "connection lost"), OUT_WITHIN_S)
    await eventually(logged(hub, "enrolment", "session of revoked agent ended", 3), OUT_WITHIN_S)
    out_after_s = time.monotonic() - began
    stored = await asyncio.to_thread(hub.frames)
    await asyncio.sleep(11)  # an agent with nothing to say sends a frame every 10 s
    assert await asyncio.to_thread(hub.frames) == stored
    assert out_after_s < OUT_WITHIN_S
    acts = [str(row[0]) for row in hub.ask("SELECT act FROM hubwatch.audit ORDER BY id")]
    assert acts == [
        "enrolment.token_made", "enrolment.enrolled", "enrolment.renewal_asked", "enrolment.renewed",
        "enrolment.revoked",
    ]  # fmt: skip


async def test_gateway_without_a_way_to_the_hub_is_enrolled_by_file(hub: Hub) -> None:
    await eventually(logged(hub, "enrolment", "enrolment listening"), WITHIN_S)
    token, request, answer = await asyncio.to_thread(hub.token), hub.folder / "request", hub.folder / "answer"
    gateway = ("--token-file", token, "-c", hub.agent_config)
    await asyncio.to_thread(hub.done, "agent", "enrol", "--request", str(request), *gateway)
    await asyncio.to_thread(hub.done, "enrol", "answer", str(request), "--out", str(answer), "-c", hub.config)
    await asyncio.to_thread(hub.done, "agent", "enrol", "--answer", str(answer), *gateway)
    hub.children.start("agent", "agent", "run", "-c", hub.agent_config)
    await eventually(lambda: asyncio.to_thread(hub.frames), WITHIN_S)
