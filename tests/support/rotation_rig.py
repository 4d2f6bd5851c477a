"""A hub whose secrets are changed while an enrolled agent sends: certificates, and passwords of broker and database.

The agent is `support.chaos_agent`: it keeps a journal of what it has promised, which is compared with the database.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psycopg

from hubwatch_agents.identity.folder import IdentityFolder
from hubwatch_store.database import DatabaseSection, apply_roles, migrate
from support.chaos_agent import HUB, Orders
from support.children import Children, run
from support.eventually import eventually
from support.own_postgres import OwnPostgres
from support.pki_folder import PASSPHRASE, PkiFolder
from support.ports import free_port
from support.proxy import Proxy

AGENT = "gate-7"
FRAMES_PER_S = 20.0
WITHIN_S = 120.0
FIRST, SECOND = "first password of ours", "second password of ours"


@dataclass
class Rotation:
    """The hub's processes, and the ways between them, which can be cut."""

    folder: Path
    pki: PkiFolder
    database: OwnPostgres
    uplink: Proxy
    """From the agent to the broker."""
    intake: Proxy
    """From the collector to the broker."""
    children: Children
    protocol: str
    port: int = field(default_factory=free_port)
    agent: subprocess.Popen[bytes] | None = None

    @property
    def identity(self) -> IdentityFolder:
        """Who the agent is."""
        return IdentityFolder(self.folder / "identity")

    @property
    def journal(self) -> Path:
        """What the agent has promised."""
        return self.folder / f"{AGENT}.journal"

    @property
    def hub_file(self) -> Path:
        """Configuration of enrolment."""
        return self.folder / "hub.toml"

    def secret(self, name: str) -> Path:
        """Return the file of a secret."""
        return self.folder / f"{name}.secret"

    def write_secret(self, name: str, text: str) -> Path:
        """Write the file of a secret."""
        file = self.secret(name)
        file.touch(0o600)
        file.write_text(f"{text}\n", encoding="utf-8")
        return file

    def done(self, *command: str) -> None:
        """Run a command that must succeed."""
        ended = run(*command, within_s=WITHIN_S)
        assert ended.returncode == 0, ended.stderr + ended.stdout

    def end_database_sessions(self) -> None:
        """End every session of the collector."""
        with psycopg.connect(self.database.dsn, autocommit=True) as connection:
            ours = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'hubwatch_collector'"
            connection.execute(ours)

    def stored(self) -> int:
        """Return how many frames are in the database."""
        with psycopg.connect(self.database.dsn) as connection:
            row = connection.execute("SELECT count(*) FROM hubwatch.frames").fetchone()
        return int(row[0]) if row else 0

    async def flows(self) -> None:
        """Wait until frames are stored that were not before."""
        before = self.stored()
        await eventually(lambda: self.stored() > before + 20, WITHIN_S)

    async def says(self, name: str, text: str, times: int = 1) -> None:
        """Wait until a process has said something."""
        await eventually(lambda: self.children.log(name).count(text) >= times, WITHIN_S)

    def write(self, broker: str, intake: str, reload: str) -> None:
        """Write the configurations: how the collector takes frames in, and how the broker is told of agents."""
        enrolment = self.pki.service("enrolment")
        self.write_secret("passphrase", PASSPHRASE)
        self.hub_file.write_text(
            f"""
[database]
dsn = "{self.database.dsn}"
[enrolment]
host = "127.0.0.1"
port = {self.port}
cert_file = "{enrolment.cert_file}"
key_file = "{enrolment.key_file}"
pki_folder = "{self.pki.authority.folder}"
passphrase_file = "{self.secret("passphrase")}"
broker = "{broker}"
{reload}
""",
            encoding="utf-8",
        )
        dsn = f"postgresql://hubwatch_collector@127.0.0.1:{self.database.port}/postgres"
        (self.folder / "collector.toml").write_text(
            f"""
{intake}
[database]
dsn = "{dsn}"
password_file = "{self.secret("database")}"
max_retry_s = 0.5
[intake]
signatures = "require"
""",
            encoding="utf-8",
        )

    async def begin(self) -> None:
        """Enrol the agent, and let it send until frames are stored."""
        self.children.start("enrolment", "enrol", "serve", "-c", str(self.hub_file))
        self.children.start("collector", "collector", "run", "-c", str(self.folder / "collector.toml"))
        await self.says("enrolment", "enrolment listening")
        token, config = str(self.folder / "token"), self.folder / "agent.toml"
        config.write_text(f'hub = "{HUB}"\nagent = "{AGENT}"\n', encoding="utf-8")
        named = ("--hub", HUB, "--agent", AGENT, "--by", "ann")
        self.done("enrol", "token", *named, "--out", token, "-c", str(self.hub_file))
        url = f"https://localhost:{self.port}"
        self.done("agent", "enrol", url, "--token-file", token, "-c", str(config))
        self._start_agent()
        await self.flows()

    def _start_agent(self) -> None:
        orders = Orders(
            AGENT,
            self.uplink.address[1],
            str(self.folder / "spool"),
            str(self.journal),
            protocol="3.1.1" if self.protocol == "3.1.1" else "5",
            frames_per_s=FRAMES_PER_S,
            identity=str(self.identity.folder),
        )
        command = [sys.executable, "-m", "support.chaos_agent", json.dumps(asdict(orders))]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
        with (self.folder / "agent.log").open("ab") as log:
            self.agent = subprocess.Popen(command, stdout=log, stderr=log, env=environment)

    async def renew_agent(self) -> None:
        """Have the agent take another key, and connect anew with it."""
        former = self.identity.read().serial
        self.done("enrol", "renew", f"{HUB}/{AGENT}", "--by", "ann", "-c", str(self.hub_file))
        await eventually(lambda: self.identity.read().serial != former, WITHIN_S)
        self.uplink.cut()
        await self.flows()

    async def rotate_database_password(self) -> None:
        """Change it at the server first: until the collector's file is new, it is refused, which is an outage."""
        apply_roles(DatabaseSection(dsn=self.database.dsn), passwords={"collector": SECOND})
        self.end_database_sessions()
        await eventually(lambda: "password authentication failed" in self.database.log.read_text(), WITHIN_S)
        self.write_secret("database", SECOND)
        await self.flows()

    async def end(self) -> None:
        """Let the agent send what is left, and end."""
        assert self.agent is not None
        self.agent.send_signal(signal.SIGTERM)
        await eventually(lambda: self.agent is None or self.agent.poll() == 0, WITHIN_S)


@asynccontextmanager
async def rotation(
    folder: Path, pki: PkiFolder, broker_port: int, intake_port: int, protocol: str = "5"
) -> AsyncIterator[Rotation]:
    """Give a hub with a database that wants passwords; configurations are not written, nothing runs yet."""
    children = Children(folder)
    with OwnPostgres.below_tmp() as database:
        database.want_passwords()
        database.start()
        settings = DatabaseSection(dsn=database.dsn)
        migrate(settings)
        apply_roles(settings, passwords={"collector": FIRST})
        async with Proxy("127.0.0.1", broker_port) as uplink, Proxy("127.0.0.1", intake_port) as intake:
            made = Rotation(folder, pki, database, uplink, intake, children, protocol)
            made.write_secret("database", FIRST)
            try:
                yield made
            finally:
                children.end_all()
                if made.agent is not None and made.agent.poll() is None:
                    made.agent.kill()
                    made.agent.wait(10)
