"""The soak: two agents, each with three counting devices, while everything around them breaks.

The agent `steady` lives all the time, for its memory is watched. The agent `cramped` is killed with SIGKILL now and
then, and its spool lies on a small disk that is filled for a while.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from hubwatch_core.concurrency import drain, raise_first
from support.agents_process import Address, AgentProcess, Listener, listening
from support.agents_transports import Voice
from support.chaos_scene import small_disk
from support.own_mosquitto import OwnMosquitto
from support.proxy import Proxy
from support.soak_breaks import BY_LINK, Mishap, break_for_ever
from support.soak_check import Verdict, judge, readings
from support.soak_devices import Account, count_aloud, counting_line

HUB = "soak"
MAPS = Path(__file__).parents[1] / "cases" / "agents_soak" / "maps"
STEADY, CRAMPED = "steady", "cramped"
LINKS = ("tcp", "rtu", "mqtt")
SETTLE_S = 90.0
"""Within this after the last mishap everything has to have come."""
LOOK_EVERY_S = 0.1
LATE_S = 1.0
STILL_COMING_S = 5.0
"""What was handed out in the last seconds may be on its way yet."""
FOR_EVER = 1e11
"""A time that is not reached, seconds since 1970."""
SMALL_DISK_BYTES = 1 << 24
"""Never fill a disk that is larger: it is not the one made for this."""


@dataclass
class Agent:
    """One agent, its links, and what its devices have given."""

    name: str
    folder: Path
    uplink: Proxy
    links: dict[str, Proxy]
    accounts: dict[str, Account]
    process: AgentProcess | None = None

    def sensor(self, link: str) -> str:
        """Name of the sensor behind a link."""
        return f"{self.name}-{link}"

    def start(self) -> None:
        """Start it (again)."""
        if self.process is None:
            self.process = AgentProcess(self.folder / f"{self.name}.toml")
        else:
            self.process.restart()


@dataclass
class Soak:
    """Everything that runs, and what was done to it."""

    folder: Path
    broker: OwnMosquitto
    dice: random.Random
    listener: Listener
    agents: dict[str, Agent] = field(default_factory=dict)
    mishaps: list[Mishap] = field(default_factory=list)
    rss: list[tuple[float, float]] = field(default_factory=list)
    """Seconds since the start, and MiB of the steady agent."""

    async def kill_now_and_then(self) -> None:
        """SIGKILL the cramped agent at random moments, and start it again."""
        agent = self.agents[CRAMPED]
        while True:
            await asyncio.sleep(self.dice.uniform(6, 18))
            mishap = Mishap(CRAMPED, "kill", time.time())
            self.mishaps.append(mishap)
            assert agent.process is not None
            agent.process.kill()
            await asyncio.sleep(self.dice.uniform(0.1, 2))
            agent.start()
            mishap.ended = time.time()

    async def fill_now_and_then(self) -> None:
        """Fill the disk under the cramped agent's spool for a while."""
        filler = self.folder / "spools" / CRAMPED / "filler"
        try:
            while True:
                await asyncio.sleep(self.dice.uniform(8, 25))
                mishap = Mishap(CRAMPED, "full disk", time.time())
                free = shutil.disk_usage(filler.parent).free
                if free > SMALL_DISK_BYTES:
                    continue
                self.mishaps.append(mishap)
                filler.write_bytes(bytes(max(0, free - 4096)))
                await asyncio.sleep(self.dice.uniform(1, 8))
                filler.unlink()
                mishap.ended = time.time()
        finally:
            filler.unlink(missing_ok=True)

    async def watch_ourselves(self) -> None:
        """Note when this process, in which the devices and proxies live, got no processor: their answers were late."""
        while True:
            before = time.time()
            await asyncio.sleep(LOOK_EVERY_S)
            if time.time() - before > LATE_S:
                self.mishaps += [Mishap(name, "devices late", before, time.time()) for name in self.agents]

    async def watch_memory(self) -> None:
        """Note the memory of the steady agent every second."""
        agent, began = self.agents[STEADY].process, time.monotonic()
        assert agent is not None
        process = psutil.Process(agent.process.pid)
        while True:
            self.rss.append((time.monotonic() - began, process.memory_info().rss / (1 << 20)))
            await asyncio.sleep(1)

    def hits(self) -> dict[str, list[Mishap]]:
        """Return what hit the way from each device into its agent's spool."""
        return {
            agent.sensor(link): [each for each in self.mishaps if each.path in (agent.name, agent.sensor(link))]
            for agent in self.agents.values()
            for link in agent.links
        }

    def uplink_silence_s(self) -> float:
        """Return the longest time from the end of a break of an uplink until a frame of that agent came."""
        longest = 0.0
        for agent in self.agents.values():
            hits = [each for each in self.mishaps if each.path in (agent.name, f"{agent.name}-uplink")]
            came = [
                at
                for at, frame in zip(self.listener.arrived, self.listener.frames, strict=True)
                if frame.agent == agent.name
            ]
            for hit in hits:
                resumed = next((at for at in came if at >= hit.ended), None)
                if resumed is not None:
                    longest = max(longest, resumed - max(each.ended for each in hits if each.began <= resumed))
        return longest


def config_of(agent: Agent, broker_of_devices: Address) -> str:
    """Return an agent's configuration."""
    uplink, tcp, rtu, mqtt = (agent.uplink, *(agent.links[link] for link in LINKS))
    modbus = "".join(
        f'[[connections]]\nname = "{link}"\ntransport = "{transport}"\nhost = "127.0.0.1"\nport = {proxy.address[1]}\n'
        f'max_reconnect_s = 1.0\n[[devices]]\nsensor = "{agent.sensor(link)}"\nzone = "here"\n'
        f'profile = "soak-counter"\nconnection = "{link}"\n'
        for link, transport, proxy in (("tcp", "tcp", tcp), ("rtu", "rtu_over_tcp", rtu))
    )
    return f"""hub = "{HUB}"
agent = "{agent.name}"
heartbeat_s = 2.0
profile_folders = ["{MAPS}"]
[clock]
trust = "host"
[mqtt]
host = "127.0.0.1"
port = {uplink.address[1]}
max_reconnect_s = 1.0
keepalive_s = 5
[spool]
directory = "{agent.folder / "spools" / agent.name}"
confirm_s = 2.0
segment_bytes = 65536
{modbus}[[connections]]
name = "mqtt"
transport = "mqtt"
host = "127.0.0.1"
port = {mqtt.address[1]}
max_reconnect_s = 1.0
keepalive_s = 5
[[devices]]
sensor = "{agent.sensor("mqtt")}"
zone = "here"
profile = "soak-talker"
connection = "mqtt"
parameters = {{ root = "soak/{agent.name}" }}
"""


@asynccontextmanager
async def running_soak(folder: Path, seed: int) -> AsyncIterator[Soak]:
    """Start everything."""
    (folder / "spools" / STEADY).mkdir(parents=True)
    broker = OwnMosquitto(folder / "broker")
    async with AsyncExitStack() as stack:
        stack.enter_context(small_disk(folder / "spools" / CRAMPED))
        stack.callback(broker.stop)
        broker.start()
        address = (broker.host, broker.port)
        soak = Soak(folder, broker, random.Random(seed), await stack.enter_async_context(listening(address, HUB)))
        for name in (STEADY, CRAMPED):
            soak.agents[name] = await _agent(stack, folder, name, address)
        try:
            yield soak
        finally:
            for agent in soak.agents.values():
                if agent.process is not None and agent.process.process.poll() is None:
                    agent.process.kill()


async def _agent(stack: AsyncExitStack, folder: Path, name: str, broker: Address) -> Agent:
    accounts = {link: Account() for link in LINKS}
    links = {}
    for link, rtu in (("tcp", False), ("rtu", True)):
        line = await stack.enter_async_context(counting_line(accounts[link]).over_tcp(rtu=rtu))
        links[link] = await stack.enter_async_context(Proxy("127.0.0.1", line.port))
    links["mqtt"] = await stack.enter_async_context(Proxy(*broker))
    voice = Voice(broker, f"soak-device-{name}")
    talking = [
        asyncio.create_task(voice.run()),
        asyncio.create_task(count_aloud(voice, f"soak/{name}/count", accounts["mqtt"])),
    ]
    stack.push_async_callback(drain, talking)
    agent = Agent(name, folder, await stack.enter_async_context(Proxy(*broker)), links, accounts)
    (folder / f"{name}.toml").write_text(config_of(agent, broker), encoding="utf-8")
    return agent


async def soak_for(folder: Path, seed: int, seconds: float) -> tuple[Verdict, Soak]:
    """Run for that long, then let everything come right, and judge."""
    async with running_soak(folder, seed) as soak:
        for agent in soak.agents.values():
            agent.start()
        await soak.listener.until(lambda heard: len(readings(heard.frames)) == 2 * len(LINKS))
        soak.mishaps += [Mishap(name, "start", 0.0, time.time()) for name in soak.agents]
        watching = [asyncio.create_task(each) for each in (soak.watch_memory(), soak.watch_ourselves())]
        await _trouble(soak, seconds)
        await _settle(soak)
        await drain(watching)
        return await _stopped(soak), soak


async def _trouble(soak: Soak, seconds: float) -> None:
    """Let everything befall the soak for that long."""
    troubles = [soak.kill_now_and_then(), soak.fill_now_and_then()]
    for agent in soak.agents.values():
        ways = [*((agent.sensor(link), link, proxy) for link, proxy in agent.links.items())]
        ways.append((f"{agent.name}-uplink", "uplink", agent.uplink))
        for path, link, proxy in ways:
            dice = random.Random(soak.dice.random())
            troubles.append(break_for_ever(path, proxy, BY_LINK[link], dice, soak.mishaps))
    tasks = [asyncio.create_task(each) for each in troubles]
    done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
    await drain(tasks)
    raise_first(list(done))
    for mishap in soak.mishaps:
        mishap.ended = mishap.ended or time.time()
    cramped = soak.agents[CRAMPED]
    if cramped.process is not None and cramped.process.process.poll() is not None:
        cramped.start()


async def _settle(soak: Soak) -> None:
    """Wait until everything has come, or for long enough."""
    began, deadline = time.time(), time.monotonic() + SETTLE_S
    while time.monotonic() < deadline:
        await asyncio.sleep(2)
        taken = readings(soak.listener.frames)
        live = all(taken[sensor][-1].at > began for sensor in soak.hits())
        # In a thread: the devices live in this loop, and have to go on answering.
        if live and (await asyncio.to_thread(_verdict, soak, time.time() - STILL_COMING_S)).clean:
            return


async def _stopped(soak: Soak) -> Verdict:
    """Stop the agents in order, and judge."""
    for agent in soak.agents.values():
        soak.mishaps.append(Mishap(agent.name, "stop", time.time(), FOR_EVER))
        assert agent.process is not None
        assert await agent.process.stop() == 0, agent.process.log
    await asyncio.sleep(2)
    return _verdict(soak, time.time())


def _verdict(soak: Soak, until: float) -> Verdict:
    """Judge what was handed out until then."""
    given = {
        agent.sensor(link): account.given for agent in soak.agents.values() for link, account in agent.accounts.items()
    }
    return judge(given, soak.listener.frames, soak.hits(), soak.uplink_silence_s(), until)


def slope_mib_h(samples: list[tuple[float, float]]) -> float:
    """Return how memory grows, by least squares over the second half; 0 when there are too few samples."""
    half = samples[len(samples) // 2 :]
    return statistics.linear_regression(*zip(*half, strict=True)).slope * 3600 if len(half) > 10 else 0.0
