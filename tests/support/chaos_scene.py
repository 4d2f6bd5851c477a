"""A whole hub as processes, and everything that may befall it.

Two agents, a broker, two collectors, detectors, alarms, a database and a receiver of webhooks, with a proxy in every
link. The collectors share by a group, the detectors subscribe plainly: what a broker restores after it was killed
differs.

What happens comes from a seeded random generator: the kinds and their order repeat with the seed, their exact moments
do as far as a machine allows. What lasts longer is in `chaos_faults`.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from pydantic import SecretStr

from hubwatch_store.database import DatabaseSection, migrate
from support.alarms_receiver import Receiver, receiving
from support.chaos_agent import Orders
from support.children import Children
from support.eventually import eventually
from support.own_mosquitto import OwnMosquitto
from support.own_postgres import OwnPostgres
from support.own_timescale import own_server
from support.ports import free_port
from support.proxy import Proxy

AGENTS = ("calm", "cramped")
"""The spool of the cramped one is on a full disk from time to time; doors are forced at the calm one."""
COLLECTORS = ("collector-a", "collector-b")
DETECTORS, ALARMS = "detectors", "alarms"
PARTS = (*COLLECTORS, DETECTORS, ALARMS)
DOOR_EVERY_S = 2.0
SMALL_DISK = "600k"
SAVED_AS_SHIPPED = ("allow_anonymous true", "autosave_on_changes false", "autosave_interval 1")
"""The broker saves by the clock, as the one we ship does (5 s there, for agents that send 10 s again; here 1 and 4 s:
Mosquitto looks once a second, and saves when more time than that has passed, so an agent needs more than two seconds).
Saving whole after every change, it takes 20 messages a second while it keeps 40 s of frames for a stalled collector."""
CONFIRM_S = 4.0
STORE = os.environ.get("HUBWATCH_BENCH_CHAOS_STORE", "timescaledb")
"""The database that is killed: timescaledb or postgresql."""
NAME = "hubwatch"
"""Of the database and of the role that owns it, who may do nothing else."""
PRESENT_CLOCK = "+0"

UPLINK, RECEIVER = "agents to broker", "alarms to receiver"
INTAKES = ("collectors to broker", "detectors to broker")
STORAGES = ("collectors to database", "detectors to database", "alarms to database")


@dataclass
class Scene:
    """Everything that runs, and what was done to it."""

    folder: Path
    broker: OwnMosquitto
    database: OwnPostgres
    receiver: Receiver
    children: Children
    standby: OwnPostgres | None = None
    links: dict[str, list[Proxy]] = field(default_factory=dict)
    """Proxies by link; those to the database have a second one where there is a standby."""
    ports: dict[str, int] = field(default_factory=lambda: {part: free_port() for part in PARTS})
    """Where each part tells of its health."""
    agents: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    unrefused: int = 0
    """Second processes of a name that were not refused."""

    @property
    def clock(self) -> Path:
        """The file that says how far the hub's clock is off."""
        return self.folder / "clock"

    @property
    def password_file(self) -> Path:
        """Where the parts of the hub read their password."""
        return self.folder / "password"

    def journal(self, agent: str) -> Path:
        """Where the device of an agent keeps its own account."""
        return self.folder / f"{agent}.journal"

    def lives(self, agent: str) -> int:
        """How often the device of an agent has begun to count."""
        return self.journal(agent).read_text().count("life")

    def start_agent(self, name: str) -> None:
        """Start an agent (again)."""
        port, every_s = self.links[UPLINK][0].address[1], DOOR_EVERY_S if name == AGENTS[0] else 0.0
        spool, journal = str(self.folder / "spools" / name), str(self.journal(name))
        orders = Orders(name, port, spool, journal, confirm_s=CONFIRM_S, door_every_s=every_s)
        command = [sys.executable, "-m", "support.chaos_agent", json.dumps(asdict(orders))]
        with (self.folder / f"{name}.log").open("ab") as log:
            environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
            self.agents[name] = subprocess.Popen(command, stdout=log, stderr=log, env=environment)

    def start_part(self, name: str) -> None:
        """Start a part of the hub (again)."""
        command = "collector" if name in COLLECTORS else name
        self.children.start(name, command, "run", "-c", str(self.folder / f"{name}.toml"))

    def write_configs(self) -> None:
        """Tell each part of the hub to go through the proxies."""
        self.write_password()
        (self.folder / "key").write_text("c2lnbmluZyBrZXkgb2YgdGhlIHRlc3Rz\n")
        for name in COLLECTORS:
            intake = f'[intake]\nclient_id = "{name}"\n'
            self._write(name, self._mqtt(INTAKES[0]) + self._database(STORAGES[0]) + intake)
        self._write(DETECTORS, self._mqtt(INTAKES[1]) + self._database(STORAGES[1]))
        url = f"http://127.0.0.1:{self.links[RECEIVER][0].address[1]}/hook"
        route = f'[[routes]]\nname = "duty"\nkind = "webhook"\nurl = "{url}"\nsecret_file = "{self.folder}/key"\n'
        self._write(ALARMS, self._database(STORAGES[2]) + route)

    def write_password(self, password: str = "first") -> None:
        """Write the file in which the parts find their password."""
        self.password_file.write_text(password + "\n")
        self.password_file.chmod(0o600)

    def _write(self, name: str, text: str) -> None:
        (self.folder / f"{name}.toml").write_text(f"{text}[telemetry]\nport = {self.ports[name]}\n")

    def _mqtt(self, link: str) -> str:
        port = self.links[link][0].address[1]
        return f'[mqtt]\nhost = "127.0.0.1"\nport = {port}\nmax_reconnect_s = 0.5\nkeepalive_s = 5\n'

    def _database(self, link: str) -> str:
        ports = [str(proxy.address[1]) for proxy in self.links[link]]
        dsn = make_conninfo(
            host=",".join(["127.0.0.1"] * len(ports)),
            port=",".join(ports),
            user=NAME,
            dbname=NAME,
            target_session_attrs="read-write",
        )
        return (
            f'[database]\ndsn = "{dsn}"\npassword_file = "{self.password_file}"\nmax_retry_s = 0.5\n'
            "connect_timeout_s = 3\nstatement_timeout_s = 5\n"
        )

    async def kill_agent(self, dice: random.Random) -> None:
        """SIGKILL an agent and start it again."""
        name = dice.choice(AGENTS)
        self.agents[name].kill()
        self.agents[name].wait()
        await asyncio.sleep(dice.uniform(0.1, 1))
        lives = self.lives(name)
        self.start_agent(name)
        await eventually(lambda: self.lives(name) > lives)  # until then SIGTERM would kill it

    async def kill_part(self, dice: random.Random) -> None:
        """SIGKILL a part of the hub and start it again."""
        name = dice.choice([*COLLECTORS, *PARTS])
        if self.children.alive(name):
            self.children.kill(name)
        await asyncio.sleep(dice.uniform(0.1, 1))
        self.start_part(name)

    async def kill_broker(self, dice: random.Random) -> None:
        """SIGKILL the broker and start it with what it had on the disk."""
        self.broker.kill()
        await asyncio.sleep(dice.uniform(0.1, 1))
        await asyncio.to_thread(self.broker.start)

    async def kill_broker_and_collectors(self, dice: random.Random) -> None:
        """SIGKILL the broker and all collectors; they return after it, while the detectors are there at once."""
        for name in COLLECTORS:
            if self.children.alive(name):
                self.children.kill(name)
        await self.kill_broker(dice)
        await asyncio.sleep(dice.uniform(0.5, 2))
        for name in COLLECTORS:
            self.start_part(name)

    async def kill_database(self, dice: random.Random) -> None:
        """SIGKILL every process of the database and let it recover."""
        await asyncio.to_thread(self.database.kill)
        await asyncio.sleep(dice.uniform(0.1, 3))
        await asyncio.to_thread(self.database.start)

    async def cut(self, dice: random.Random) -> None:
        """Cut a link, or several times: the storm makes the broker deliver everything again and again."""
        link = dice.choice([proxy for link in sorted(self.links) for proxy in self.links[link]])
        for _ in range(dice.choice([1, 1, 6])):
            link.cut()
            await asyncio.sleep(dice.uniform(0.02, 0.2))

    async def stall(self, dice: random.Random) -> None:
        """Let a link go deaf for a while without closing it."""
        link = dice.choice([proxy for link in sorted(self.links) for proxy in self.links[link]])
        link.stall()
        await asyncio.sleep(dice.uniform(0.2, 3))
        await link.heal()

    async def fill_disk(self, dice: random.Random) -> None:
        """Fill the disk under the cramped agent's spool, and free it again."""
        filler = self.folder / "spools" / "cramped" / "filler"
        free = shutil.disk_usage(filler.parent).free
        if free < 1 << 24:  # never fill a disk that is not the small one made for it
            filler.write_bytes(bytes(max(0, free - 8192)))
            await asyncio.sleep(dice.uniform(0.5, 2))
            filler.unlink()

    @property
    def dsn(self) -> str:
        """How the test itself reaches the database that is written to."""
        return make_conninfo(self.database.dsn, dbname=NAME)

    def stored(self) -> bool:
        """Whether something of every agent is in the database."""
        with psycopg.connect(self.dsn) as connection:
            row = connection.execute("SELECT count(DISTINCT agent) FROM hubwatch.frames").fetchone()
        return row is not None and row[0] == len(AGENTS)

    def stop_counting(self) -> None:
        """Let the devices count no further; agents end when they have delivered everything."""
        for process in self.agents.values():
            process.send_signal(signal.SIGTERM)

    def agents_done(self) -> bool:
        """Whether every agent has delivered everything and ended."""
        return all(process.poll() == 0 for process in self.agents.values())

    def end(self) -> None:
        """End whatever is left."""
        for process in self.agents.values():
            process.kill()
            process.wait()
        self.children.end_all()


Mishap = Callable[[Scene, random.Random], Awaitable[None]]

MISHAPS: tuple[Mishap, ...] = (
    Scene.kill_agent,
    Scene.kill_part,
    Scene.kill_broker,
    Scene.kill_broker_and_collectors,
    Scene.kill_database,
    Scene.cut,
    Scene.cut,
    Scene.stall,
    Scene.fill_disk,
)


@asynccontextmanager
async def running_scene(*, standby: bool = False, fake_clock: bool = False) -> AsyncIterator[Scene]:
    """Start everything but the agents, the database migrated; with a standby, or a clock of its own where told."""
    folder = Path(tempfile.mkdtemp(prefix="hubwatch-chaos-"))
    os.chmod(folder, 0o755)  # the database runs as a user who passes through
    async with AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stack.enter_context(small_disk(folder / "spools" / "cramped"))
        broker = OwnMosquitto(folder / "broker", SAVED_AS_SHIPPED)
        stack.callback(broker.stop)
        broker.start()
        database = await asyncio.to_thread(_primary, folder / "postgres")
        stack.callback(database.remove)
        receiver = await stack.enter_async_context(receiving())
        scene = Scene(folder, broker, database, receiver, Children(folder))
        if standby:
            scene.standby = await asyncio.to_thread(_standby, database, folder / "standby")
            stack.callback(scene.standby.remove)
        for link, ports in _targets(scene).items():
            scene.links[link] = [await stack.enter_async_context(Proxy("127.0.0.1", port)) for port in ports]
        scene.write_configs()
        if fake_clock:
            scene.clock.write_text(PRESENT_CLOCK)
            scene.children.environment = _clock_of_its_own(scene.clock)
        stack.callback(scene.end)
        for part in PARTS:
            scene.start_part(part)
        yield scene


def _targets(scene: Scene) -> dict[str, list[int]]:
    """Return the ports behind each link."""
    databases = [each.port for each in (scene.database, scene.standby) if each is not None]
    return {
        **{link: [scene.broker.port] for link in (UPLINK, *INTAKES)},
        **dict.fromkeys(STORAGES, databases),
        RECEIVER: [scene.receiver.port],
    }


def _primary(folder: Path) -> OwnPostgres:
    """Start a server whose database belongs to a role that may do nothing else, migrated."""
    server = own_server(STORE)(folder)
    server.want_passwords()
    server.start()
    name = sql.Identifier(NAME)
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'first'").format(name))
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, name))
    own = make_conninfo(server.dsn, dbname=NAME, user=NAME)
    migrate(DatabaseSection(dsn=own, password=SecretStr("first")))
    return server


def _standby(primary: OwnPostgres, folder: Path) -> OwnPostgres:
    """Start a copy that follows; from now on nothing counts as written that it does not have."""
    standby = own_server(STORE)(folder)
    standby.copy_of(primary)
    standby.start()
    with psycopg.connect(primary.dsn, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        connection.execute("SELECT pg_reload_conf()")
    return standby


def _clock_of_its_own(file: Path) -> dict[str, str]:
    """Return the variables under which a process takes its time of day from a file, and how long it takes from ours."""
    libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    assert libraries, "libfaketime is not installed; `make services` does it"
    return {
        "LD_PRELOAD": str(libraries[0]),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


class small_disk:  # noqa: N801 - reads as a function
    """A small file system of its own at a folder where root may mount one, else an ordinary folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._mounted = False

    def __enter__(self) -> None:
        self._folder.mkdir(parents=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK}", "tmpfs", str(self._folder)]
        self._mounted = os.geteuid() == 0 and subprocess.run(command, check=False, capture_output=True).returncode == 0

    def __exit__(self, *_: object) -> None:
        if self._mounted:
            subprocess.run(["umount", "-l", str(self._folder)], check=True)
