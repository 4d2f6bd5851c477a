"""Three NATS servers, two collectors, two agents and a database as processes, and what befalls them by a seed.

The scene outlives a seed, so that the cluster carries over what earlier ones have done to it. Between seeds the agents
deliver all they have, everybody is back, and an independent checker compares the devices' journals with the database.
Beside the sessions of the collectors, which are killed too often for that, somebody trims the stream all the time.
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
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import nats
from nats.errors import Error

from hubwatch_core.errors import Transient
from hubwatch_core.jetstream.stream import STREAM
from hubwatch_core.jetstream.trim import Trimmer
from hubwatch_store.database import DatabaseSection, migrate
from support.chaos_agent import Orders
from support.chaos_checker import Verdict, check
from support.children import Children
from support.eventually import eventually
from support.own_nats import OwnNats, make_cluster
from support.own_postgres import OwnPostgres

AGENTS = ("north", "south")
COLLECTORS = ("collector-a", "collector-b")
KINDS = ("leader", "member", "two", "collector", "database", "agent")
TRIM_EVERY_S = 0.5
SETTLED_WITHIN_S = 90.0
KEPT = Path(__file__).parents[2] / "build" / "chaos"


@dataclass
class Scene:
    """Everything that runs, and how often it was killed."""

    folder: Path
    members: list[OwnNats]
    database: OwnPostgres
    children: Children
    agents: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    kills: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    trims: int = 0

    def journal(self, agent: str) -> Path:
        """Where the device of an agent keeps its own account."""
        return self.folder / f"{agent}.journal"

    def verdict(self) -> Verdict:
        """Compare now."""
        return check(self.database.dsn, [self.journal(name) for name in AGENTS])

    def start_agent(self, name: str, confirm_s: float) -> None:
        """Start an agent (again), which begins with another server than its neighbour."""
        first, *others = [
            each.mqtt_port for each in self.members[AGENTS.index(name) :] + self.members[: AGENTS.index(name)]
        ]
        orders = Orders(
            name,
            first,
            str(self.folder / "spools" / name),
            str(self.journal(name)),
            confirm_s=confirm_s,
            other_ports=tuple(others),
            protocol="3.1.1",
        )
        command = [sys.executable, "-m", "support.chaos_agent", json.dumps(asdict(orders))]
        with (self.folder / f"{name}.log").open("ab") as log:
            environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
            self.agents[name] = subprocess.Popen(command, stdout=log, stderr=log, env=environment)

    def lives(self, name: str) -> int:
        """How often the device of an agent has begun to count."""
        journal = self.journal(name)
        return journal.read_text().count("life") if journal.exists() else 0

    async def start_agents(self, confirm_s: float) -> None:
        """Start both and wait until they count: until then SIGTERM would kill them."""
        before = {name: self.lives(name) for name in AGENTS}
        for name in AGENTS:
            self.start_agent(name, confirm_s)
        await eventually(lambda: all(self.lives(name) > before[name] for name in AGENTS), 60)

    def start_collector(self, name: str) -> None:
        """Start a collector (again)."""
        servers = json.dumps([each.url for each in self.members])
        config = self.folder / f"{name}.toml"
        config.write_text(
            f"[nats]\nservers = {servers}\nack_wait_s = 3\nmax_reconnect_s = 0.5\n"
            f'[database]\ndsn = "{self.database.dsn}"\nmax_retry_s = 0.5\n[intake]\nclient_id = "{name}"\n'
        )
        self.children.start(name, "collector", "run", "-c", str(config))

    def stream_leader(self) -> OwnNats | None:
        """Return who leads the stream, when somebody does."""
        for member in self.members:
            leader = member.stream_leader(STREAM) if member.running else ""
            found = [each for each in self.members if each.name == leader and each.running]
            if found:
                return found[0]
        return None

    async def trim_for_ever(self) -> None:
        """Trim through whatever server is there."""
        trimmer = Trimmer(worth=1)
        while True:
            with suppress(Error, OSError, TimeoutError, Transient, ValueError):
                await self._trim_over_one(trimmer)
            await asyncio.sleep(TRIM_EVERY_S)

    async def _trim_over_one(self, trimmer: Trimmer) -> None:
        member = random.choice(self.members)
        connection = await nats.connect(member.url, allow_reconnect=False, connect_timeout=1, error_cb=_quiet)
        try:
            while True:
                await trimmer.trim(connection)
                self.trims += 1
                await asyncio.sleep(TRIM_EVERY_S)
        finally:
            with suppress(Error, OSError, TimeoutError):
                async with asyncio.timeout(2):
                    await connection.close()

    async def kill_leader(self, dice: random.Random, _: float) -> None:
        """SIGKILL the server that confirms frames just now."""
        victim = await asyncio.to_thread(self.stream_leader) or dice.choice(self.members)
        self.kills["leader"] += 1
        await self._kill([victim], dice)

    async def kill_member(self, dice: random.Random, _: float) -> None:
        """SIGKILL a server, which need not have caught up after its last life."""
        self.kills["member"] += 1
        await self._kill([dice.choice(self.members)], dice)

    async def kill_two(self, dice: random.Random, _: float) -> None:
        """SIGKILL two servers at once: the majority is lost, and comes back."""
        self.kills["two"] += 1
        await self._kill(dice.sample(self.members, 2), dice)

    async def _kill(self, victims: list[OwnNats], dice: random.Random) -> None:
        for victim in victims:
            victim.kill()
        await asyncio.sleep(dice.uniform(0.1, 3))
        for victim in victims:
            victim.start()

    async def kill_collector(self, dice: random.Random, _: float) -> None:
        """SIGKILL a collector, or both."""
        names = dice.sample(COLLECTORS, dice.choice([1, 1, 2]))
        self.kills["collector"] += len(names)
        for name in names:
            if self.children.alive(name):
                self.children.kill(name)
        await asyncio.sleep(dice.uniform(0.1, 1))
        for name in names:
            self.start_collector(name)

    async def kill_holding_collectors(self, dice: random.Random, _: float) -> None:
        """SIGKILL the database, and then both collectors while they hold what they have taken and cannot store."""
        self.kills["database"] += 1
        await asyncio.to_thread(self.database.kill)
        await asyncio.sleep(dice.uniform(0.5, 2))
        for name in filter(self.children.alive, COLLECTORS):
            self.children.kill(name)
        await asyncio.to_thread(self.database.start)
        for name in COLLECTORS:
            self.start_collector(name)

    async def kill_agent(self, dice: random.Random, confirm_s: float) -> None:
        """SIGKILL an agent."""
        name = dice.choice(AGENTS)
        self.kills["agent"] += 1
        self.agents[name].kill()
        self.agents[name].wait()
        lives = self.lives(name)
        self.start_agent(name, confirm_s)
        await eventually(lambda: self.lives(name) > lives, 60)

    async def torment(self, seed: int, seconds: float, confirm_s: float) -> Verdict:
        """Let a seed do its worst for so long, then let everything come right; gives the account from the start on."""
        dice = random.Random(seed)
        await self.start_agents(confirm_s)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            await asyncio.sleep(dice.uniform(0.2, 2))
            await dice.choice(MISHAPS)(self, dice, confirm_s)
        for process in self.agents.values():
            process.send_signal(signal.SIGTERM)
        return await self._settled(seed)

    async def _settled(self, seed: int) -> Verdict:
        deadline = time.monotonic() + SETTLED_WITHIN_S
        while True:
            done = all(process.poll() == 0 for process in self.agents.values())
            verdict = await asyncio.to_thread(self.verdict)
            if (done and verdict.clean) or time.monotonic() > deadline:
                break
            await asyncio.sleep(0.5)
        if not (done and verdict.clean):
            await asyncio.to_thread(self._keep_logs, seed)
        assert done, f"seed {seed}: agents could not deliver what they have; logs are kept in {KEPT}"
        return verdict

    def _keep_logs(self, seed: int) -> None:
        folder = KEPT / f"nats-seed-{seed}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for file in [*self.folder.glob("*.log"), *self.folder.glob("*.journal")]:
            shutil.copy(file, folder)
        for member in self.members:
            shutil.copy(member.folder / "log", folder / f"{member.name}.log")

    def end(self) -> None:
        """End whatever is left."""
        for process in self.agents.values():
            process.kill()
            process.wait()
        self.children.end_all()
        for member in self.members:
            member.kill()


Mishap = Callable[[Scene, random.Random, float], Awaitable[None]]

MISHAPS: tuple[Mishap, ...] = (
    Scene.kill_leader,
    Scene.kill_leader,
    Scene.kill_leader,
    Scene.kill_member,
    Scene.kill_two,
    Scene.kill_collector,
    Scene.kill_holding_collectors,
    Scene.kill_agent,
)


@asynccontextmanager
async def running_cluster_scene() -> AsyncIterator[Scene]:
    """Start servers, database and collectors, which make the stream."""
    folder = Path(tempfile.mkdtemp(prefix="hubwatch-nats-chaos-"))
    os.chmod(folder, 0o755)  # the database runs as a user who passes through
    database = OwnPostgres(folder / "postgres")
    await asyncio.to_thread(database.start)
    await asyncio.to_thread(migrate, DatabaseSection(dsn=database.dsn))
    scene = Scene(folder, make_cluster(folder, 3), database, Children(folder))
    trimming: asyncio.Task[None] | None = None
    try:
        for member in scene.members:
            await asyncio.to_thread(member.await_healthy)
        for name in COLLECTORS:
            scene.start_collector(name)
        await eventually(lambda: scene.stream_leader() is not None, 60)
        trimming = asyncio.create_task(scene.trim_for_ever())
        yield scene
    finally:
        if trimming is not None:
            trimming.cancel()
            await asyncio.gather(trimming, return_exceptions=True)
        scene.end()
        database.kill()
        shutil.rmtree(folder, ignore_errors=True)


async def _quiet(_: Exception) -> None:
    """What matters comes as an exception."""
