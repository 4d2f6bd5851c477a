"""Two agents, a broker, two collectors, detectors and a database as processes, and everything that may befall them.

The collectors share by a group, the detectors subscribe plainly: what a broker restores after it was killed differs.

What happens comes from a seeded random generator: the kinds and their order repeat with the seed, their exact moments
do as far as a machine allows.
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
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psycopg

from hubwatch_store.config import DatabaseSection
from hubwatch_store.migrate import migrate
from support.chaos_agent import Orders
from support.children import Children
from support.eventually import eventually
from support.own_mosquitto import OwnMosquitto
from support.own_postgres import OwnPostgres
from support.own_timescale import own_server
from support.proxy import Proxy

AGENTS = ("calm", "cramped")
"""The spool of the cramped one is on a full disk from time to time."""
COLLECTORS = ("collector-a", "collector-b")
DETECTORS = "detectors"
SMALL_DISK = "600k"
STORE = os.environ.get("HUBWATCH_BENCH_CHAOS_STORE", "timescaledb")
"""The database that is killed: timescaledb or postgresql."""


@dataclass
class Scene:
    """Everything that runs, and what was done to it."""

    folder: Path
    broker: OwnMosquitto
    database: OwnPostgres
    uplink: Proxy
    intake: Proxy
    storage: Proxy
    children: Children
    agents: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)

    def journal(self, agent: str) -> Path:
        """Where the device of an agent keeps its own account."""
        return self.folder / f"{agent}.journal"

    def lives(self, agent: str) -> int:
        """How often the device of an agent has begun to count."""
        return self.journal(agent).read_text().count("life")

    def start_agent(self, name: str) -> None:
        """Start an agent (again)."""
        orders = Orders(name, self.uplink.address[1], str(self.folder / "spools" / name), str(self.journal(name)))
        command = [sys.executable, "-m", "support.chaos_agent", json.dumps(asdict(orders))]
        with (self.folder / f"{name}.log").open("ab") as log:
            environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
            self.agents[name] = subprocess.Popen(command, stdout=log, stderr=log, env=environment)

    def start_collector(self, name: str) -> None:
        """Start a collector (again)."""
        self.children.start(name, "collector", "run", "-c", str(self.folder / f"{name}.toml"))

    def write_configs(self) -> None:
        """Tell collectors and detectors to go through the proxies."""
        dsn = self.database.dsn.replace(str(self.database.port), str(self.storage.address[1]))
        both = (
            f'[mqtt]\nhost = "127.0.0.1"\nport = {self.intake.address[1]}\nreconnect_max_s = 0.5\nkeepalive_s = 5\n'
            f'[database]\ndsn = "{dsn}"\nretry_max_s = 0.5\n'
        )
        for name in COLLECTORS:
            (self.folder / f"{name}.toml").write_text(f'{both}[intake]\nclient_id = "{name}"\n')
        (self.folder / f"{DETECTORS}.toml").write_text(both)

    async def kill_agent(self, dice: random.Random) -> None:
        """SIGKILL an agent and start it again."""
        name = dice.choice(AGENTS)
        self.agents[name].kill()
        self.agents[name].wait()
        await asyncio.sleep(dice.uniform(0.1, 1))
        lives = self.lives(name)
        self.start_agent(name)
        await eventually(lambda: self.lives(name) > lives, 30)  # until then SIGTERM would kill it

    async def kill_collector(self, dice: random.Random) -> None:
        """SIGKILL a collector and start it again."""
        name = dice.choice(COLLECTORS)
        if self.children.alive(name):
            self.children.kill(name)
        await asyncio.sleep(dice.uniform(0.1, 1))
        self.start_collector(name)

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
            self.start_collector(name)

    async def kill_database(self, dice: random.Random) -> None:
        """SIGKILL every process of the database and let it recover."""
        await asyncio.to_thread(self.database.kill)
        await asyncio.sleep(dice.uniform(0.1, 3))
        await asyncio.to_thread(self.database.start)

    async def cut(self, dice: random.Random) -> None:
        """Cut a link, or several times: the storm makes the broker deliver everything again and again."""
        link = dice.choice([self.uplink, self.intake, self.storage])
        for _ in range(dice.choice([1, 1, 6])):
            link.cut()
            await asyncio.sleep(dice.uniform(0.02, 0.2))

    async def stall(self, dice: random.Random) -> None:
        """Let a link go deaf for a while without closing it."""
        link = dice.choice([self.uplink, self.intake, self.storage])
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

    def stored(self) -> bool:
        """Whether something of every agent is in the database."""
        with psycopg.connect(self.database.dsn) as connection:
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
    Scene.kill_collector,
    Scene.kill_broker,
    Scene.kill_broker_and_collectors,
    Scene.kill_database,
    Scene.cut,
    Scene.cut,
    Scene.stall,
    Scene.fill_disk,
)


@asynccontextmanager
async def running_scene() -> AsyncIterator[Scene]:
    """Start everything, the database migrated."""
    folder = Path(tempfile.mkdtemp(prefix="hubwatch-chaos-"))
    os.chmod(folder, 0o755)  # the database runs as a user who passes through
    with small_disk(folder / "spools" / "cramped"):
        broker, database = OwnMosquitto(folder / "broker"), own_server(STORE)(folder / "postgres")
        broker.start()
        await asyncio.to_thread(database.start)
        await asyncio.to_thread(migrate, DatabaseSection(dsn=database.dsn))
        at_broker = ("127.0.0.1", broker.port)
        async with (
            Proxy(*at_broker) as uplink,
            Proxy(*at_broker) as intake,
            Proxy("127.0.0.1", database.port) as storage,
        ):
            scene = Scene(folder, broker, database, uplink, intake, storage, Children(folder))
            scene.write_configs()
            try:
                for name in COLLECTORS:
                    scene.start_collector(name)
                scene.children.start(DETECTORS, DETECTORS, "run", "-c", str(folder / f"{DETECTORS}.toml"))
                for name in AGENTS:
                    scene.start_agent(name)
                yield scene
            finally:
                scene.end()
                broker.stop()
                database.remove()
    shutil.rmtree(folder, ignore_errors=True)


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
